"""The long invariant campaign: everybody calls everything in any order, the books are checked after every burst of calls.

    python -m scripts.invariants [--runs 1000] [--depth 64] [--jobs 2] [--seed 0x64707265]

A job is a forge of its own with its own seed; a run is `depth` bursts of 16 calls from a fresh system. The last line: calls (not
reverted), reverted, liquidations among the calls, violations (invariants broken), max_drift_units (largest drift of INV-LEDGER that a
run ended with, 1e-18 USD), per_handler_min_share (the rarest handler's share of the calls that did not revert). What each handler did
goes to out/invariants/handlers.json. Exit code 1 on a violation, or where a handler's share is so small that the campaign proves
little about it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "out" / "invariants"  # a file per job, a line per run, written by the campaign itself
LIQUIDATION = "liquidate"
LEAST_SHARE = 0.01
NOT_HANDLERS = ("drift", "drifting")

Run = Mapping[str, Any]

__all__ = ["summarise"]


def handlers(runs: Iterable[Run]) -> dict[str, tuple[int, int]]:
    """Handler -> calls that did something, calls refused, over all runs."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for run in runs:
        for name, counts in run.items():
            if name not in NOT_HANDLERS:
                done[name] += counts[0]
                refused[name] += counts[1]
    return {name: (done[name], refused[name]) for name in done}


def summarise(results: Iterable[Mapping[str, Any]], runs: Sequence[Run]) -> dict[str, int | float]:
    """Figures of forge's JSON of each job (suite -> test_results) and of the runs' own lines."""
    tests = [test for job in results for suite in job.values() for test in suite["test_results"].values()]
    played = handlers(runs)
    calls = sum(done for done, _ in played.values())
    return {
        "calls": calls,
        "reverted": sum(refused for _, refused in played.values()),
        "liquidations": played.get(LIQUIDATION, (0, 0))[0],
        "violations": sum(test["status"] != "Success" for test in tests),
        "max_drift_units": max((run["drift"] for run in runs), default=0),
        "per_handler_min_share": round(min(done for done, _ in played.values()) / calls, 4) if calls else 0.0,
    }


def start_forge(report: Path, runs: int, depth: int, seed: int) -> subprocess.Popen[str]:
    report.unlink(missing_ok=True)
    settings = {"INVARIANT_RUNS": runs, "INVARIANT_DEPTH": depth, "FUZZ_SEED": hex(seed)}
    return subprocess.Popen(
        [str(ROOT / "node_modules" / ".bin" / "forge"), "test", "--json", "--match-path", "tests/forge/invariants/*"],
        cwd=ROOT,
        env=os.environ
        | {f"FOUNDRY_{name}": str(value) for name, value in settings.items()}
        | {"CAMPAIGN_REPORT": str(report.relative_to(ROOT))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results_of(forge: subprocess.Popen[str]) -> dict[str, Any]:
    """Its JSON; exits with forge's own words where it gives none. A broken invariant is an answer."""
    output, errors = forge.communicate()
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if line is None:
        sys.exit(f"forge gave no result (exit code {forge.returncode}):\n{output[-4000:]}{errors[-4000:]}")
    found: dict[str, Any] = json.loads(line)
    return found


def explain(results: Mapping[str, Any]) -> None:
    """Says on stderr what broke and by which calls."""
    for suite, found in results.items():
        for name, test in found["test_results"].items():
            if test["status"] != "Success":
                print(f"{suite} {name}: {test['reason']}", file=sys.stderr)
                print(json.dumps(test["counterexample"], indent=1)[:20_000], file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the long invariant campaign.")
    parser.add_argument("--runs", type=int, default=1_000, help="of each job")
    parser.add_argument("--depth", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=lambda text: int(text, 0), default=0x64707265)
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(ROOT / "node_modules" / ".bin" / "forge"), "build"], cwd=ROOT, check=True, capture_output=True)
    reports = [REPORTS / f"runs-{job}.jsonl" for job in range(options.jobs)]
    forges = [start_forge(report, options.runs, options.depth, options.seed + job) for job, report in enumerate(reports)]
    results = [results_of(forge) for forge in forges]
    for job in results:
        explain(job)
    runs = [json.loads(line) for report in reports if report.is_file() for line in report.read_text().splitlines()]
    (REPORTS / "handlers.json").write_text(json.dumps(handlers(runs), indent=1))
    summary = summarise(results, runs)
    if summary["per_handler_min_share"] < LEAST_SHARE:
        print(f"the rarest handler is below {LEAST_SHARE:.0%} of the calls: its code is hardly tested", file=sys.stderr)
    print(json.dumps(summary))
    return 1 if summary["violations"] or summary["per_handler_min_share"] < LEAST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
