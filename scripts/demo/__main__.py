"""`make demo`: plays a story on a local chain, reports on it, and ends with one JSON line computed from the chain.

    make demo                       12-13 March 2020
    make demo CRASH=ftx-2022        6-11 November 2022
    make demo CRASH=fall            ten steps of our own making: the short form
    KEEPER=off make demo            nobody liquidates: must exit non-zero
    FUND=0 make demo                an insurance fund without money, nothing behind it: must exit non-zero
    FUND=0 ADL=on make demo         the same fund, but the keeper deleverages: the winners pay, exit 0

Exit code 0 only if no account is left under-margined, no deficit unallocated and INV-LEDGER holds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from keeper.simulation import CRASHES
from scripts.anvil import ROOT
from scripts.demo.crash import crash
from scripts.demo.evidence import write_evidence
from scripts.demo.fall import fall
from scripts.demo.page import write_page
from scripts.demo.play import play
from scripts.demo.report import Narrator
from scripts.demo.story import Story
from scripts.demo.summary import failures, summarise
from scripts.demo.world import World
from scripts.processes import exit_on_sigterm

FALL = "fall"
INTERRUPTED = 130
REPORT_WIDTH = 190  # where the output is no terminal


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Replays a crash on a local chain and reports on it.")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="where files and logs go")
    folder: Path = parser.parse_args().folder
    story = story_of(_switch("CRASH", (*CRASHES, FALL)))
    with_keeper = _switch("KEEPER", ("on", "off")) == "on"
    without_fund = _switch("FUND", ("on", "0")) == "0"
    if without_fund:
        story = replace(story, fund_usdc=0.0)
    # The control is about the fund: with deleveraging behind it, nobody would miss it.
    deleverage = _switch("ADL", ("off", "on") if without_fund else ("on", "off")) == "on"
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=REPORT_WIDTH)
    narrator = Narrator(console, story)
    narrator.open()
    narrator.progress("compile", "contracts")
    _compile()
    with World(story, folder, with_keeper=with_keeper, deleverage=deleverage, progress=narrator.progress) as world:
        narrator.enter(world)
        evidence = play(world, on_step=narrator.step)
    summary = summarise(evidence)
    write_evidence(evidence, summary, world.deployment, folder)
    narrator.finish(evidence, story)
    page = write_page(evidence, story, folder / "report.html")
    console.print(f"Report: {_shown(page)}   Evidence: {_shown(folder / 'evidence')} (make verify-evidence)")
    print(json.dumps(summary), flush=True)
    return 1 if failures(evidence) else 0


def story_of(name: str) -> Story:
    """A crash or the fall."""
    return fall() if name == FALL else crash(name)


def _switch(name: str, values: Sequence[str]) -> str:
    """The environment's variable, the first of `values` where it is not set."""
    value = os.environ.get(name, "").lower() or values[0]
    if value not in values:
        sys.exit(f"{name}: expected {', '.join(values[:-1])} or {values[-1]}, got {value!r}")
    return value


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


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
