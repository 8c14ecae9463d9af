from pathlib import Path
def write_page(evidence, story, path):
    return path
