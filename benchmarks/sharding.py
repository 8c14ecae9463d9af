"""Ray against one process: python -m benchmarks.sharding POSITIONS SECONDS, in an environment with Ray. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import ray

from benchmarks.kernel_book import PARAMETERS, make_book, make_market, make_table
from keeper.sharding import LocalPool
from keeper.sharding.actors import RayPool


def alternating(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    fastest = dict.fromkeys(runs, float("inf"))
    until = time.perf_counter() + seconds
    for run in runs.values():
        run()
    while time.perf_counter() < until:
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            fastest[name] = min(fastest[name], time.perf_counter() - started)
    return fastest


def main(positions: int, seconds: float) -> None:
    market = make_market()
    book = make_book(positions, make_table(market), market, cushion=5.0)
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    local, one, two = LocalPool(book, market, PARAMETERS, 1), RayPool(book, market, PARAMETERS, 1), RayPool(book, market, PARAMETERS, 2)
    times = alternating({"local": lambda: local.below(market), "one": lambda: one.below(market), "two": lambda: two.below(market)}, seconds)
    expected = local.below(market).rows
    if not all((pool.below(market).rows == expected).all() for pool in (one, two)):
        sys.exit("the pools differ")
    for pool in (one, two):
        pool.close()
    print(json.dumps({**{name: value * 1e3 for name, value in times.items()}, "efficiency": times["one"] / (2 * times["two"])}))


if __name__ == "__main__":
    main(int(float(sys.argv[1])), float(sys.argv[2]))
