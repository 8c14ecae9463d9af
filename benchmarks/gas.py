"""Gas of the margin checks, as the forge benchmarks measure them: first call of a transaction, cold storage.

    python -m benchmarks.gas            (make gas) writes snapshots/gas.json and prints it as the last line
    python -m benchmarks.gas --check    compares with snapshots/gas.json instead: exit 1 where a figure rose by more than 2 %

Every figure is a line `name: gas` that a test of tests/forge/gas logs; `per_option_scenario` and `adl_per_counterparty` are each
derived from two of them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SNAPSHOT", "TOLERANCE", "measure", "risen"]

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = ROOT / "snapshots" / "gas.json"
FIGURE = re.compile(r"^\s+(\w+): (\d+)$", re.MULTILINE)
OPTIONS, SCENARIOS_MORE = 64, 35 - 23
TOLERANCE = 0.02
"""Share by which a figure may rise before it has to be committed on purpose."""


def measure() -> dict[str, int]:
    """name -> gas. Raises SystemExit with forge's output where a benchmark fails or logs nothing."""
    run = subprocess.run(
        ["forge", "test", "--match-path", "tests/forge/gas/*", "-vv"],  # noqa: S607 - make puts node_modules/.bin first on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    figures = {name: int(gas) for name, gas in FIGURE.findall(run.stdout)}
    if run.returncode or not figures:
        sys.exit(f"the gas benchmarks did not run:\n{run.stdout}{run.stderr}")
    more = figures["portfolio_64x35_cold"] - figures["portfolio_64x23_cold"]
    figures["per_option_scenario"] = round(more / (OPTIONS * SCENARIOS_MORE))
    figures["adl_per_counterparty"] = round((figures["adl_11_counterparties"] - figures["adl_1_counterparty"]) / 10)
    return dict(sorted(figures.items()))


def risen(measured: Mapping[str, int], committed: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """name -> (committed, measured) of every figure that is gone or more than TOLERANCE above its committed one."""
    return {name: (gas, measured.get(name, 0)) for name, gas in committed.items() if not 0 < measured.get(name, 0) <= gas * (1 + TOLERANCE)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Gas of the margin checks on cold storage.")
    parser.add_argument("--check", action="store_true", help="compare with the committed figures, write nothing")
    check = parser.parse_args().check
    figures = measure()
    if not check:
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(figures, indent=2) + "\n")
    for name, gas in figures.items():
        print(f"    {name:32} {gas:>12,}")
    worse = risen(figures, json.loads(SNAPSHOT.read_text()))
    for name, (committed, measured) in worse.items():
        print(f"    {name} rose from {committed:,} to {measured:,}")
    print(json.dumps(figures))
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
