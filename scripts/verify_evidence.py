"""Recomputes the demo's last line from the raw material that the demo left, and compares.

    python -m scripts.verify_evidence [out/evidence.json]

The material is the chain's: events, views at named blocks, and when the observer saw each block. Nothing of the keeper is imported or read.
Exit code 0 only if every figure agrees.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from scripts.anvil import ROOT
from scripts.demo.evidence import failures, read_evidence, summarise


def main() -> int:
    parser = argparse.ArgumentParser(description="Recomputes the demo's JSON line from its evidence.")
    parser.add_argument("evidence", type=Path, nargs="?", default=ROOT / "out" / "evidence.json")
    options = parser.parse_args()
    if not options.evidence.is_file():
        sys.exit(f"{options.evidence} does not exist: run `make demo` first")
    evidence, written = read_evidence(options.evidence)
    recomputed = summarise(evidence)
    differing = [key for key in recomputed.keys() | written.keys() if recomputed.get(key) != written.get(key)]
    for key in sorted(differing):
        print(f"{key}: written {written.get(key)}, recomputed {recomputed.get(key)}", file=sys.stderr)
    for failure in failures(evidence):
        print(f"the run itself failed: {failure}", file=sys.stderr)
    print(json.dumps(recomputed))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
