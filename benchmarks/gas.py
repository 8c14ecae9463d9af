"""Gas of the margin checks, as the forge benchmarks measure them: first call of a transaction, cold storage.

    python -m benchmarks.gas            (make gas) writes snapshots/gas.json and prints it as the last line

Every figure is a line `name: gas` that a test of tests/forge/gas logs; `per_option_scenario` is derived from two of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = ROOT / "snapshots" / "gas.json"
FIGURE = re.compile(r"^\s+(\w+): (\d+)$", re.MULTILINE)
OPTIONS, SCENARIOS_MORE = 64, 35 - 23


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
    return dict(sorted(figures.items()))


def main() -> None:
    figures = measure()
    more = figures["portfolio_64x35_cold"] - figures["portfolio_64x23_cold"]
    figures["per_option_scenario"] = round(more / (OPTIONS * SCENARIOS_MORE))
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(json.dumps(figures, indent=2) + "\n")
    for name, gas in figures.items():
        print(f"    {name:32} {gas:>12,}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
