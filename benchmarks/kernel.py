"""Every account, every scenario, every tick: the kernels and what people would use instead, side by side in one run.

Times are minima of repeats of the wall clock; figures that matter are ratios inside one run. The last line is JSON.

python -m benchmarks.kernel [--quick] [--skip-large] [--chart docs/kernels.svg]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.sparse import csr_array

from benchmarks.chart import draw
from benchmarks.kernel_book import PARAMETERS, make_book, make_market, make_table
from keeper.kernels.incremental import IncrementalBook
from keeper.kernels.layout import SegmentLayout
from keeper.kernels.market import MarketVector
from keeper.kernels.prepared import PreparedBook
from keeper.kernels.pricing import _greeks, greeks
from keeper.kernels.reduction import read_grid
from keeper.margin import Book, margin
from keeper.model import MarginMode, Market
from keeper.pricing import black76, price_table

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".toolchain" / "peers" / "bin" / "python"
RAY = ROOT / ".toolchain" / "ray" / "bin" / "python"
ROW = 320  # bytes of the grid that a position reads


def best(run: Callable[[], object], seconds: float, least: int = 3) -> float:
    """Least wall time of repeats that fill `seconds`, in seconds; the first call is not counted."""
    run()
    fastest, until, done = float("inf"), time.perf_counter() + seconds, 0
    while done < least or time.perf_counter() < until:
        started = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - started)
        done += 1
    return fastest


def say(name: str, value: str) -> None:
    print(f"  {name:<66} {value}", flush=True)


def probe(prepared: PreparedBook) -> tuple[Callable[[], object], int]:
    """The committed read-only kernel over a grid of the same size on the same threads, and the bytes that a call reads."""
    threads, grid = prepared.threads, prepared.table.flat_grid
    count = len(prepared.book.table) * 40 // 32 * 32
    sums, repeats = np.zeros(8 * threads), 16  # the first finds the caches as the others left them
    return lambda: read_grid(grid, count, repeats, sums, threads), threads * repeats * count * 8


def alternating(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Least wall time of each, taken in turns so that all see the same machine."""
    fastest = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or fastest[next(iter(runs))] == float("inf"):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            fastest[name] = min(fastest[name], time.perf_counter() - started)
    return fastest


def numpy_csr(book: Book, market: Market) -> Callable[[], object]:
    """The vectorised numpy grid and a scipy CSR product, then the least of each row: pricing, reduction, W."""
    matrix = csr_array((book.size, book.instrument.astype(np.int32), book.segment_start), shape=(book.segments, len(book.table)))
    scenarios = len(PARAMETERS.scenarios)

    def run() -> object:
        grid = price_table(book.table, market, PARAMETERS).grid
        return np.maximum(0.0, -(matrix @ grid)[:, :scenarios].min(axis=1))

    return run


def py_vollib_vectorized(book: Book, market: Market, sample: int, repeats: int) -> float | None:
    """Seconds that it would take for every position x scenario, from a sample; None without its environment."""
    if not PEERS.exists():
        return None
    priced = price_table(book.table, market, PARAMETERS)
    options = np.flatnonzero(book.table.is_option)
    rng = np.random.default_rng(3)
    which = rng.choice(options, sample)
    shock = rng.choice(priced.shocks.spot[0], sample)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.npz"
        q = priced.quotes
        np.savez(
            path, F=q.forward[which] * (1.0 + shock), K=book.table.strike[which], tau=q.tau[which], rate=q.rate[which], vol=q.vol[which],
            call=book.table.kind[which] == 2,
        )  # fmt: skip
        command = [str(PEERS), str(ROOT / "benchmarks" / "peers.py"), str(path), str(repeats)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    return float(json.loads(done.stdout.splitlines()[-1])["ns"]) * 1e-9 * book.positions * len(PARAMETERS.scenarios)


def incremental_ticks(book: Book, market: Market, ticks: int, seed: int = 5, every: int = 100) -> dict[str, float]:
    """Amortised microseconds per tick of the seeded path, one tick a second at 60 % a year, everything that a tick causes
    included, also the first; and how many accounts differ from a full pass, compared `every` so many ticks (not timed)."""
    oracle, incremental = PreparedBook.of(book, market, PARAMETERS), IncrementalBook(PreparedBook.of(book, market, PARAMETERS, 1))
    start = oracle.table.vector(market)
    plan = oracle.table.plan
    owner = plan.slot_underlying[len(plan.underlyings) :]
    moves = np.random.default_rng(seed).normal(0.0, 0.6 / np.sqrt(365 * 86_400), (ticks, len(plan.underlyings)))
    path = np.exp(np.cumsum(moves, axis=0))
    # Compiling is not a tick.
    warm = IncrementalBook(PreparedBook.of(make_book(1000, book.table, market), market, PARAMETERS, 1))
    for k in (0, 1, ticks - 1):
        warm.tick(_moved(start, path[k], owner, k))
    spent, busy, missed, spurious = 0.0, 0.0, 0, 0
    incremental.tick(start)
    for k in range(ticks):
        vector = _moved(start, path[k], owner, k + 1)
        started, began = time.perf_counter(), time.thread_time()
        incremental.tick(vector)
        spent, busy = spent + time.perf_counter() - started, busy + time.thread_time() - began
        if k % every == 0 or k == ticks - 1:
            below = oracle.figures(vector).health < 1.0
            missed += int((below & (incremental.below == 0)).sum())
            spurious += int((~below & (incremental.below == 1)).sum())
    first, began = time.perf_counter(), time.thread_time()
    incremental.refresh(start)  # what the first tick of a fresh process costs once it is compiled
    whole = time.perf_counter() - first
    spent, busy = spent + whole, busy + time.thread_time() - began
    near = int((np.abs(oracle.figures(start).health - 1.0) < 0.01).sum())
    return {
        "us": spent / ticks * 1e6,
        "cpu_us": busy / ticks * 1e6,
        "full_ms": whole * 1e3,
        "evaluated": incremental.count.evaluated / ticks,
        "near": near,
        "missed": missed,
        "spurious": spurious,
    }


def _moved(start: MarketVector, factor: np.ndarray, owner: np.ndarray, seconds: int) -> MarketVector:
    return replace(
        start,
        time=start.time + seconds,
        spot=start.spot * factor,
        mark=start.mark * factor,
        forward=start.forward * factor[owner],
        token_price=start.token_price * factor[1],
    )


def ray_workers(positions: int, seconds: float) -> dict[str, float] | None:
    """ms per tick of one process, of one and of two Ray workers; None without Ray's environment."""
    if not RAY.exists():
        return None
    command = [str(RAY), "-W", "ignore", "-m", "benchmarks.sharding", str(positions), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return {name: float(value) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}


def greeks_ns(seconds: float) -> float:
    """ns per instrument of the eight outputs, one core."""
    market = make_market()
    table = make_table(market)
    quotes = price_table(table, market, PARAMETERS).quotes
    rows = np.flatnonzero(table.is_option)[: len(table) // 8 * 8]
    width = len(rows) // 8 * 8
    rows = rows[:width]
    sign = np.where(table.kind[rows] == 2, 1.0, -1.0)
    inputs = np.ascontiguousarray([quotes.forward[rows], table.strike[rows], quotes.tau[rows], quotes.vol[rows], quotes.rate[rows], sign])
    outputs = np.zeros(8 * width)
    return best(lambda: _greeks(inputs.reshape(-1), outputs, width), seconds) / width * 1e9


def price_error(count: int) -> float:
    """Largest error of a price against 50 digits, in units of F (of the price where that is more)."""
    rng = np.random.default_rng(9)
    F, tau, vol = 10.0 ** rng.uniform(0, 5, count), 10.0 ** rng.uniform(-4, 0.5, count), 10.0 ** rng.uniform(-1.3, 0.5, count)
    K, rate, call = F * np.exp(rng.normal(0, 1, count) * vol * np.sqrt(tau)), rng.uniform(-0.05, 0.2, count), rng.random(count) < 0.5
    ours = greeks(F, K, tau, vol, rate, call).price
    worst = 0.0
    with mp.workdps(50):
        for i in range(count):
            f, k, t, v, r = (mp.mpf(float(x[i])) for x in (F, K, tau, vol, rate))
            d1 = mp.log(f / k) / (v * mp.sqrt(t)) + v * mp.sqrt(t) / 2
            d2 = d1 - v * mp.sqrt(t)
            exact = mp.exp(-r * t) * (f * mp.ncdf(d1) - k * mp.ncdf(d2) if call[i] else k * mp.ncdf(-d2) - f * mp.ncdf(-d1))
            worst = max(worst, float(abs(mp.mpf(float(ours[i])) - exact) / max(f, exact)))
    return worst


def main() -> None:  # noqa: C901 - one line of the table after the other
    parser = argparse.ArgumentParser(description="kernel benchmark")
    parser.add_argument("--quick", action="store_true", help="a tenth of the repeats, no 1e7 positions, no long paths")
    parser.add_argument("--chart", type=Path, help="where to draw time against positions (SVG)")
    options = parser.parse_args()
    seconds = 0.3 if options.quick else 3.0
    result: dict[str, float | None] = {}
    market = make_market()
    table = make_table(market)
    contenders: dict[str, dict[int, float]] = {}

    def record(name: str, positions: int, value: float | None) -> None:
        if value is not None:
            contenders.setdefault(name, {})[positions] = value

    sizes = [10_000, 100_000, 1_000_000] if options.quick else [10_000, 100_000, 1_000_000, 10_000_000]
    print(f"{len(table)} instruments, {len(PARAMETERS.scenarios)} scenarios padded to 40, accounts: P / 10, {os.cpu_count()} cores")
    for positions in sizes:
        book = make_book(positions, table, market)
        prepared = PreparedBook.of(book, market, PARAMETERS)
        vector = prepared.table.vector(market)
        losses = np.empty(book.segments)
        losses[prepared.segment_order] = prepared.stress_losses(market)
        if positions <= 1_000_000:
            expected = margin(book.in_mode(MarginMode.CROSS), market, PARAMETERS).stress.loss
            unit = np.abs(book.size).sum() / book.segments * 80_000.0
            if not np.abs(losses - expected).max() <= 1e-12 * unit:
                sys.exit("the kernels and the reference differ")
        print(f"P = {positions:,}: {book.accounts:,} accounts, {book.segments:,} segments")
        read, read_bytes = probe(prepared)
        times = alternating(
            {
                "stress": lambda prepared=prepared: prepared.stress_losses(market),
                "reduce": lambda prepared=prepared: prepared.reduce(),
                "probe": read,
                "figures": lambda prepared=prepared: prepared.figures(market),
                "side by side": lambda prepared=prepared: prepared.side_by_side(market),
            },
            seconds * (6 if positions == 1_000_000 else 2),
        )
        speed = read_bytes / times["probe"] / 1e9
        share = positions * ROW / times["reduce"] / 1e9 / speed
        say("pricing and stress reduction of all accounts", f"{times['stress'] * 1e3:9.3f} ms")
        say("  reduction alone", f"{times['reduce'] * 1e3:9.3f} ms, {share:.0%} of the probe's {speed:.0f} GB/s")
        pure = times["stress"]
        say(
            "with charges, groups, collateral, each account in its mode",
            f"{times['figures'] * 1e3:9.3f} ms, {times['figures'] / pure:.2f}x",
        )
        say(
            "and the rules of all three modes for every account",
            f"{times['side by side'] * 1e3:9.3f} ms, {times['side by side'] / pure:.2f}x",
        )
        record("kernels: pricing and stress", positions, times["stress"])
        record("kernels: everything", positions, times["figures"])
        if positions == 1_000_000:
            result |= {"p1e6_ms": times["stress"] * 1e3, "l2_share": share, "all_included_x": times["figures"] / pure}
            result["all_modes_x"] = times["side by side"] / pure
            prepared.table.price(vector)
            say(
                "  pricing of the grid alone",
                f"{best(lambda prepared=prepared, vector=vector: prepared.table.price(vector), seconds) * 1e3:9.3f} ms",
            )
            started = time.perf_counter()
            PreparedBook.of(book, market, PARAMETERS)
            SegmentLayout.of(book)
            say("  preparing the book, once", f"{(time.perf_counter() - started) * 1e3:9.3f} ms")
        if positions == 10_000_000:
            result["p1e7_ms"] = times["stress"] * 1e3
        csr = best(numpy_csr(book, market), seconds)
        record("numpy grid and scipy CSR", positions, csr)
        say("vectorised numpy grid and scipy CSR product", f"{csr * 1e3:9.3f} ms, {csr / pure:.1f}x")
        pvv = py_vollib_vectorized(book, market, 20_000 if options.quick else 200_000, 3 if options.quick else 5)
        record("py_vollib_vectorized per position and scenario", positions, pvv)
        say(
            "py_vollib_vectorized 0.1.1 per position and scenario, from a sample",
            f"{pvv:9.3f} s,  {pvv / pure:,.0f}x" if pvv else "not installed",
        )
        if positions <= 1_000_000:
            whole = best(lambda book=book: margin(book, market, PARAMETERS), seconds / 3, 1)
            record("reference: everything (numpy)", positions, whole)
            say(
                "the reference keeper.margin, everything",
                f"{whole * 1e3:9.3f} ms, {whole / times['figures']:.1f}x of the kernels' everything",
            )
        if positions == 1_000_000:
            result |= {"x_pvv": pvv / pure if pvv else None, "x_numpy_csr": csr / pure}
        del prepared, book
    calm = incremental_ticks(
        make_book(1_000_000, table, market, portfolio_share=0.9, cushion=5.0), market, 1_000 if options.quick else 10_000
    )
    say(
        f"incremental tick, P = 1e6, {calm['evaluated']:.1f} accounts evaluated per tick",
        f"{calm['us']:9.1f} us, {calm['cpu_us']:.1f} of processor",
    )
    say("  its pass over all accounts, boxes included", f"{calm['full_ms']:9.3f} ms")
    say("  accounts within 1 % of a health of 1", f"{calm['near']:9}")
    say("  missed / spurious against full passes", f"{calm['missed']} / {calm['spurious']}")
    result |= {"incremental_us": calm["us"], "incremental_cpu_us": calm["cpu_us"], "missed": calm["missed"], "spurious": calm["spurious"]}
    result["greeks_ns"] = greeks_ns(seconds)
    say("eight outputs per instrument, one core", f"{result['greeks_ns']:9.2f} ns")
    reference = (
        best(lambda: black76.greeks(np.full(2000, 3000.0), np.linspace(1000, 9000, 2000), 0.2, 0.6, 0.03, True), seconds / 3) / 2000 * 1e9
    )
    say("  the reference in numpy", f"{reference:9.2f} ns")
    result["price_err_F"] = price_error(300 if options.quick else 3000)
    say("largest price error against 50 digits", f"{result['price_err_F']:.2g} F")
    sharded = ray_workers(1_000_000 if options.quick else 10_000_000, 10 * seconds)
    if sharded:
        say("everything in one process and thread, P as above", f"{sharded['local']:9.3f} ms")
        say("  over Ray, one worker: added per tick", f"{sharded['one'] - sharded['local']:9.3f} ms")
        say("  over Ray, two workers: throughput / (2 x one worker)", f"{sharded['two']:9.3f} ms, {sharded['efficiency']:.0%}")
        result |= {"ray_efficiency": sharded["efficiency"], "ray_added_ms": sharded["one"] - sharded["local"]}
    if options.chart:
        draw(contenders, options.chart)
        say("chart", str(options.chart))
    print(json.dumps({key: float(f"{value:.4g}") if value is not None else None for key, value in result.items()}))


if __name__ == "__main__":
    main()
