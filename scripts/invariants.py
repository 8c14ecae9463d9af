"""The long invariant campaign: forge calls everything in any order, the books are checked after every call, one JSON line sums up.

    python -m scripts.invariants [--runs 1000] [--depth 128] [--seed 0x64707265]

The line: calls (not reverted), reverted, liquidations among the calls, violations (invariants broken), max_drift_units (largest drift of
INV-LEDGER that a run ended with, 1e-18 USD), per_handler_min_share (the rarest handler's share of the calls that did not revert).
Exit code 1 on a violation, or where a handler's share is so small that the campaign proves little about it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "out" / "invariants" / "runs.jsonl"  # one line per run, written by the campaign itself
LIQUIDATION = "liquidate"
LEAST_SHARE = 0.01

__all__ = ["summarise"]


def summarise(results: Mapping[str, Any], runs: Iterable[Mapping[str, int]]) -> dict[str, int | float]:
    """Figures of forge's JSON `results` (suite -> test_results) and of the runs' own lines."""
    tests = {name: test for suite in results.values() for name, test in suite["test_results"].items()}
    campaigns = {name: test for name, test in tests.items() if "Invariant" in test["kind"]}
    done: dict[str, int] = {}
    reverted = 0
    for test in campaigns.values():
        for handler, count in test["kind"]["Invariant"]["metrics"].items():
            done[handler] = done.get(handler, 0) + count["calls"] - count["reverts"]
            reverted += count["reverts"]
    calls = sum(done.values())
    return {
        "calls": calls,
        "reverted": reverted,
        "liquidations": sum(count for handler, count in done.items() if handler.endswith(f".{LIQUIDATION}")),
        "violations": sum(test["status"] != "Success" for test in tests.values()),
        "max_drift_units": max((run["drift"] for run in runs), default=0),
        "per_handler_min_share": round(min(done.values()) / calls, 4) if calls else 0.0,
    }


def run_forge(runs: int, depth: int, seed: str) -> dict[str, Any]:
    """Forge's JSON of the books' campaign and its controls. Exits with forge's own words where it gives no JSON."""
    RUNS.unlink(missing_ok=True)
    settings = {"INVARIANT_RUNS": runs, "INVARIANT_DEPTH": depth, "INVARIANT_SHOW_METRICS": "true", "FUZZ_SEED": seed}
    forge = ROOT / "node_modules" / ".bin" / "forge"
    finished = subprocess.run(
        [str(forge), "test", "--json", "--match-path", "tests/forge/invariants/*"],
        cwd=ROOT,
        env=os.environ | {f"FOUNDRY_{name}": str(value) for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,  # a broken invariant is an answer
    )
    line = next((line for line in finished.stdout.splitlines() if line.startswith("{")), None)
    if line is None:
        sys.exit(f"forge gave no result (exit code {finished.returncode}):\n{finished.stdout[-4000:]}{finished.stderr[-4000:]}")
    results: dict[str, Any] = json.loads(line)
    return results


def explain(results: Mapping[str, Any]) -> None:
    """Says on stderr what broke and by which calls."""
    for suite, found in results.items():
        for name, test in found["test_results"].items():
            if test["status"] != "Success":
                print(f"{suite} {name}: {test['reason']}", file=sys.stderr)
                print(json.dumps(test["counterexample"], indent=1)[:20_000], file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the long invariant campaign.")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--depth", type=int, default=128)
    parser.add_argument("--seed", default="0x64707265")
    options = parser.parse_args()
    results = run_forge(options.runs, options.depth, options.seed)
    explain(results)
    lines = RUNS.read_text().splitlines() if RUNS.is_file() else []
    summary = summarise(results, map(json.loads, lines))
    if summary["per_handler_min_share"] < LEAST_SHARE:
        print(f"the rarest handler is below {LEAST_SHARE:.0%} of the calls: its code is hardly tested", file=sys.stderr)
    print(json.dumps(summary))
    return 1 if summary["violations"] or summary["per_handler_min_share"] < LEAST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
