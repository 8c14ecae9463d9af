"""Breaks what can break and looks at what is left: one row of evidence per fault in out/chaos.json, the sums as the last line.

    python -m scripts.chaos [--kills 50] [--depths 1-20] [--only name] [--short]        (make chaos)

Exit code 1 where a fault was not survived, or a control was not caught.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.venue import Plan
from scripts.anvil import ROOT
from scripts.chaos.evidence import Row
from scripts.chaos.faults import CONTROLS, FAULTS, Fault, kills, reorganisations
from scripts.chaos.ground import Ground
from scripts.processes import exit_on_sigterm

__all__ = ["main", "play"]

SHORT = (
    "rpc drops",
    "rpc invents head",
    "rpc empty logs",
    "websocket",
    "fees",
    "leader killed",
    "disk full",
    "clock skew",
    "database corrupted",
)


def play(faults: list[tuple[str, Fault]], folder: Path, plan: Plan, seed: int = 1, *, controls: bool = True) -> dict[str, Any]:
    """The evidence of all of them, as it is written to chaos.json."""
    rows: list[Row] = []
    caught: dict[str, bool] = {}
    dice = random.Random(seed)
    with Ground(folder, plan) as ground:
        for name, fault in faults:
            row = fault(ground, dice)
            rows.append(row)
            mark = "ok " if row.recovered else "BAD"
            print(f"  {mark} {name:26} {row.seconds:6.1f} s  {row.detail or row.error}", flush=True)
            if not row.recovered:
                print(f"      {json.dumps(asdict(row))}", flush=True)
        if controls:
            for name, fault, is_caught in CONTROLS:
                caught[name] = is_caught(fault(ground, dice))
                print(f"  {'ok ' if caught[name] else 'BAD'} control: {name}", flush=True)
    takeovers = [row.takeover_ms for row in rows if row.takeover_ms is not None]
    return {
        "summary": {
            "faults": len(rows),
            "recovered": sum(row.recovered for row in rows),
            "lost": sum(row.lost for row in rows),
            "double_sent": sum(row.double_sent for row in rows),
            "takeover_ms_max": max(takeovers, default=None),
        },
        "stale_sent": sum(row.stale_sent for row in rows),
        "left": sorted({account for row in rows for account in row.left}),
        "controls_caught": caught,
        "rows": [{**asdict(row), "recovered": row.recovered} for row in rows],
    }


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.chaos", description="Breaks what can break and looks at what is left.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--depths", type=int, default=20, help="reorganisations of depth 1 to this")
    parser.add_argument("--only", nargs="+", help="names of faults")
    parser.add_argument("--short", action="store_true", help="three kills, three depths, a part of the faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "out" / "chaos.json")
    options = parser.parse_args()
    depths = [1, 5, 20] if options.short else list(range(1, options.depths + 1))
    faults = kills(3 if options.short else options.kills) + reorganisations(depths)
    faults += [(name, fault) for name, fault in FAULTS if not options.short or name in SHORT]
    if options.only:
        faults = [(name, fault) for name, fault in faults if any(name.startswith(wanted) for wanted in options.only)]
    started = time.monotonic()
    singles = 40 + 3 * len(faults)
    evidence = play(faults, ROOT / "out" / "chaos", Plan(2 * singles, 2, singles, 0), options.seed)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(evidence, indent=1))
    print(f"  {time.monotonic() - started:.0f} s, evidence in {options.output.name}", flush=True)
    print(json.dumps(evidence["summary"]))
    summary = evidence["summary"]
    return 0 if summary["recovered"] == summary["faults"] and all(evidence["controls_caught"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
