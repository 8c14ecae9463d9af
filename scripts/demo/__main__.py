"""`make demo`: plays a story on a local chain, reports on it, and ends with one JSON line computed from the chain.

    python -m scripts.demo                      a fall of 25 % in ten steps
    CRASH=covid-2020 python -m scripts.demo     a real crash instead (keeper.simulation.CRASHES)
    KEEPER=off python -m scripts.demo           the control: must exit non-zero

Exit code 0 only if no account is left under-margined, no deficit unallocated and INV-LEDGER holds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from keeper.errors import SimulationError
from scripts.anvil import ROOT
from scripts.demo.crash import crash
from scripts.demo.evidence import failures, summarise, write_evidence
from scripts.demo.fall import fall
from scripts.demo.play import play
from scripts.demo.report import Narrator
from scripts.demo.world import World
from scripts.processes import exit_on_sigterm

INTERRUPTED = 130
REPORT_WIDTH = 190  # where the output is no terminal


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Plays a fall on a local chain and reports on it.")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="where files and logs go")
    folder: Path = parser.parse_args().folder
    switch = os.environ.get("KEEPER", "on").lower()
    if switch not in ("on", "off"):
        sys.exit(f"KEEPER: expected on or off, got {switch!r}")
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=REPORT_WIDTH)
    name = os.environ.get("CRASH")
    try:
        story = crash(name) if name else fall()
    except SimulationError as error:
        sys.exit(f"CRASH: {error}")
    narrator = Narrator(console, story)
    narrator.open()
    narrator.progress("compile", "contracts")
    _compile()
    with World(story, folder, with_keeper=switch == "on", progress=narrator.progress) as world:
        narrator.enter(world)
        evidence = play(world, on_step=narrator.step)
    write_evidence(evidence, folder / "evidence.json")
    narrator.finish(evidence, story)
    print(json.dumps(summarise(evidence)), flush=True)
    return 1 if failures(evidence) else 0


def _compile() -> None:
    """In a process of its own: Brownie takes over logging and the working directory."""
    run = subprocess.run([sys.executable, "-m", "scripts.artifacts"], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"the contracts do not compile:\n{run.stdout}{run.stderr}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
