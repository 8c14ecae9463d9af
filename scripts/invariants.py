"""The long invariant campaign: everybody calls everything in any order, the books are checked after every burst of calls.

    python -m scripts.invariants [--calls 5000000] [--runs 16] [--depth 32] [--jobs 2] [--seed 0x64707265] [--fresh]

Played in chunks, each a forge of its own with its own seed: `runs` runs of `depth` bursts from a fresh system. What a chunk did is
appended to out/invariants/campaign.jsonl as it ends, with a hash of the byte code that it ran on. A campaign that was stopped goes on
where it was; the figures are sums over the chunks on the present byte code, of the contracts and of the campaign itself.

The last line: calls (not reverted), reverted, liquidations among the calls, violations (invariants broken), max_drift_units (largest
drift of INV-LEDGER that a run ended with, 1e-18 USD), per_handler_min_share (the rarest handler's share of the calls that did not
revert). What each handler did goes to out/invariants/handlers.json. Exit code 1 on a violation, or where a handler's share is so small
that the campaign proves little about it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "out" / "invariants"
CAMPAIGN = REPORTS / "campaign.jsonl"
FORGE = str(ROOT / "node_modules" / ".bin" / "forge")
LEAST_SHARE = 0.01
RESULT = re.compile(r"^Suite result: .* \d+ passed; (?P<failed>\d+) failed;", re.MULTILINE)

Run = Mapping[str, Any]
Row = dict[str, Any]

__all__ = ["next_seed", "row_of", "summarise"]


def row_of(seed: int, violations: int, runs: Sequence[Run]) -> Row:
    """A chunk's raw figures from how many invariants broke and a line per run."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for run in runs:
        for name, counts in run["handlers"].items():
            done[name] += counts[0]
            refused[name] += counts[1]
    return {
        "code": runs[0]["code"] if runs else "",
        "seed": seed,
        "runs": len(runs),
        "calls": done.total(),
        "reverted": refused.total(),
        "handlers": {name: [done[name], refused[name]] for name in sorted(done)},
        "liquidations": sum(run["liquidations"] for run in runs),
        "violations": violations,
        "drift": max((run["drift"] for run in runs), default=0),
    }


def handlers(rows: Iterable[Row]) -> dict[str, list[int]]:
    """Handler -> calls that did something, calls refused, over all chunks."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        for name, counts in row["handlers"].items():
            sums[name] = [a + b for a, b in zip(sums.get(name, (0, 0)), counts, strict=True)]
    return sums


def summarise(rows: Sequence[Row]) -> dict[str, int | float]:
    """The campaign's figures from the raw ones of its chunks."""
    calls = sum(row["calls"] for row in rows)
    return {
        "calls": calls,
        "reverted": sum(row["reverted"] for row in rows),
        "liquidations": sum(row["liquidations"] for row in rows),
        "violations": sum(row["violations"] for row in rows),
        "max_drift_units": max((row["drift"] for row in rows), default=0),
        "per_handler_min_share": min(done for done, _ in handlers(rows).values()) * 10_000 // calls / 10_000 if calls else 0.0,  # down
    }


def next_seed(first: int, taken: Iterable[int]) -> int:
    used = set(taken)
    while first in used:
        first += 1
    return first


def played(code: str) -> list[Row]:
    """The chunks on this byte code; a line cut short by a kill counts for nothing."""
    rows = []
    for line in CAMPAIGN.read_text().splitlines() if CAMPAIGN.is_file() else ():
        try:
            row: Row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row["code"] == code:
            rows.append(row)
    return rows


def play(seed: int, runs: int, depth: int) -> Row:
    """One chunk. Exits with forge's own words where it gives no result; a broken invariant is a result."""
    report = REPORTS / f"chunk-{seed:x}.jsonl"
    failures = REPORTS / f"failures-{seed:x}"
    report.unlink(missing_ok=True)
    shutil.rmtree(failures, ignore_errors=True)
    settings = {
        "INVARIANT_RUNS": runs,
        "INVARIANT_DEPTH": depth,
        "FUZZ_SEED": hex(seed),
        # Of its own: forge would play another chunk's counterexample first.
        "INVARIANT_FAILURE_PERSIST_DIR": str(failures.relative_to(ROOT)),
    }
    began = time.monotonic()
    forge = subprocess.run(
        [FORGE, "test", "--color", "never", "--match-contract", "^LedgerInvariants$"],  # --json adds hundreds of MB of traces
        cwd=ROOT,
        env=os.environ
        | {f"FOUNDRY_{name}": str(value) for name, value in settings.items()}
        | {"CAMPAIGN_REPORT": str(report.relative_to(ROOT))},
        capture_output=True,
        text=True,
        check=False,
    )
    result = RESULT.search(forge.stdout)
    if result is None:
        sys.exit(f"forge gave no result (exit code {forge.returncode}):\n{forge.stdout[-4000:]}{forge.stderr[-4000:]}")
    violations = int(result["failed"])
    if violations:
        print(f"seed {seed:#x}:\n{forge.stdout[:20_000]}", file=sys.stderr)
    # Forge plays the last run's end twice, for its own report.
    lines = report.read_text().splitlines()[:runs] if report.is_file() else []
    report.unlink(missing_ok=True)
    shutil.rmtree(failures, ignore_errors=True)
    return row_of(seed, violations, [json.loads(line) for line in lines]) | {"seconds": round(time.monotonic() - began, 1)}


def campaign(options: argparse.Namespace, code: str) -> list[Row]:
    """Chunks until there are enough calls on this byte code, or one broke an invariant."""
    rows = played(code)
    running: dict[Future[Row], int] = {}
    with ThreadPoolExecutor(options.jobs) as pool, CAMPAIGN.open("a") as log:
        while True:
            enough = sum(row["calls"] for row in rows) >= options.calls or any(row["violations"] for row in rows)
            while not enough and len(running) < options.jobs:
                seed = next_seed(options.seed, [*running.values(), *(row["seed"] for row in rows)])
                running[pool.submit(play, seed, options.runs, options.depth)] = seed
            if not running:
                return rows
            for chunk in wait(running, return_when=FIRST_COMPLETED).done:
                running.pop(chunk)
                row = chunk.result()
                if row["code"] not in ("", code):
                    sys.exit("the contracts or the campaign changed meanwhile: start again")
                rows.append(row | {"code": code})
                print(json.dumps(rows[-1]), file=log, flush=True)
                print(f"seed {row['seed']:#x}, {row['seconds']} s: {json.dumps(summarise(rows))}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the long invariant campaign, or what is left of it.")
    parser.add_argument("--calls", type=int, default=5_000_000, help="that did not revert, over all chunks")
    parser.add_argument("--runs", type=int, default=16, help="of each chunk")
    parser.add_argument("--depth", type=int, default=32, help="bursts of a run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="chunks at a time")
    parser.add_argument("--seed", type=lambda text: int(text, 0), default=0x64707265, help="of the first chunk")
    parser.add_argument("--fresh", action="store_true", help="forget the chunks played so far")
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        CAMPAIGN.unlink(missing_ok=True)
    subprocess.run([FORGE, "build", "tests/forge/invariants/Ledger.t.sol"], cwd=ROOT, check=True, capture_output=True)
    code = play(options.seed, runs=1, depth=1)["code"]
    rows = campaign(options, code)
    (REPORTS / "handlers.json").write_text(json.dumps(handlers(rows), indent=1))
    summary = summarise(rows)
    if summary["per_handler_min_share"] < LEAST_SHARE:
        print(f"the rarest handler is below {LEAST_SHARE:.0%} of the calls: its code is hardly tested", file=sys.stderr)
    print(json.dumps(summary))
    return 1 if summary["violations"] or summary["per_handler_min_share"] < LEAST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
