"""Two hours of a simulated market in minutes: does the keeper stay as it was?

    python -m scripts.soak [--seconds 7200]        (make soak)

A block every two seconds of chain time, as fast as the node makes them; every block brings a price of a walk that goes down far enough for
accounts to fall one after the other. Looked at: the keeper's memory over time, whether its state is the chain's, what it logged as an
error. The last line is one JSON object; exit code 1 where memory grew, state drifted or an exception was not handled.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.venue import Plan
from scripts.anvil import ROOT
from scripts.chaos.evidence import Row, examine
from scripts.chaos.ground import BELOW, Ground, lines
from scripts.processes import exit_on_sigterm

__all__ = ["Soak", "main", "play"]

BLOCK_S = 2
GROWTH_LIMIT = 0.10
"""Of the median memory of the last quarter over that of the second: caches fill in the first."""
SAMPLE_EVERY = 25  # blocks


@dataclass(frozen=True, slots=True)
class Soak:
    """seconds: of chain time; rss_mb: median memory of the second and of the last quarter; drift: whether the states differ at the end,
    and how often the keeper found so itself; exceptions: not handled; errors: lines of level error."""

    seconds: int
    blocks: int
    wall_seconds: float
    fallen: int
    liquidated: int
    rss_mb: tuple[float, float]
    growth: float
    drift: int
    exceptions: int
    errors: int
    left: int

    @property
    def passed(self) -> bool:
        return self.growth <= GROWTH_LIMIT and not (self.drift or self.exceptions or self.left)


def play(folder: Path, seconds: int, singles: int = 120, seed: int = 3) -> Soak:
    """Raises GroundError and ChildError."""
    dice, started = random.Random(seed), time.monotonic()
    blocks = seconds // BLOCK_S
    with Ground(folder, Plan(2 * singles, 2, singles, 0)) as ground:
        ground.anvil.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
        keeper = ground.keeper("soaked", jobs__snapshot_every=10)
        keeper.start()
        keeper.wait_for("started", 60.0)
        keeper.wait_for("assessed", 60.0)
        ground.pause()
        row = Row("soak", "", ground.nonce())
        first_block, begun = ground.head() + 1, ground.anvil.time()
        top, bottom = ground.venue.singles[0][1], ground.venue.singles[-1][1] * BELOW
        memory: list[float] = []
        price, step = top, 0
        while ground.anvil.time() - begun < seconds:
            # A walk around a line from the first account's price to the last one's.
            line = top + (bottom - top) * min(1.0, step / blocks)
            price += 0.2 * (line - price) + dice.gauss(0.0, 0.00005) * top
            ground.publish(price)
            step += 1
            if step % SAMPLE_EVERY == 0:
                memory.append(_rss_mb(keeper.pid))
                keeper.require_running()
        ground.publish(bottom)
        ground.go_on()
        ground.wait_until_safe()
        time.sleep(0.5)
        row.fallen = [number for number, level in ground.venue.singles if level >= bottom]
        examine(ground, row, first_block, [folder / "soaked" / "keeper.sqlite"], [folder / "soaked" / "keeper.sqlite"])
        simulated, wall = ground.anvil.time() - begun, time.monotonic() - started
        log = folder / "soaked" / "keeper.log"
    quarter = max(1, len(memory) // 4)
    early, late = statistics.median(memory[quarter : 2 * quarter] or memory), statistics.median(memory[-quarter:])
    return Soak(
        seconds=simulated,
        blocks=step,
        wall_seconds=round(wall, 1),
        fallen=len(row.fallen),
        liquidated=len(row.liquidated),
        rss_mb=(round(early, 1), round(late, 1)),
        growth=round(late / early - 1.0, 4),
        drift=int(row.chain_hash != row.keeper_hash) + len(lines(log, "state_differs_from_chain")) + row.lost,
        exceptions=len(lines(log, "uncaught")) + sum("exception" in entry for entry in lines(log, "account_failed")),
        errors=_errors(log),
        left=len(row.left),
    )


def _rss_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _errors(log: Path) -> int:
    with log.open(errors="replace") as file:
        return sum('"level": "error"' in line or '"level": "critical"' in line for line in file)


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description="Two hours of a simulated market in minutes.")
    parser.add_argument("--seconds", type=int, default=7_200, help="of chain time")
    found = play(ROOT / "out" / "soak", parser.parse_args().seconds)
    print(json.dumps({**asdict(found), "passed": found.passed}))
    return 0 if found.passed else 1


if __name__ == "__main__":
    sys.exit(main())
