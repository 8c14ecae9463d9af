"""Sparse times dense with a running worst case: positions x scenario grid -> losses, requirements, figures.

Every position reads one row of the grid, five cache lines; nothing else in the loop waits. The scenario P&L of a segment
lives in five registers and is never written to memory.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keeper.kernels.access import item, load, take
from keeper.kernels.compilation import ParallelKernel, forced_inline
from keeper.kernels.pricing import COLUMNS
from keeper.kernels.vectors import blend_first, fma, smaller, smallest, splat, total

__all__ = ["BATCH", "read_grid", "stress_losses", "worst_of"]

BATCH = 16
"""Chunks that a thread takes at once. They are neighbours in memory, so that what is read of the book remains a stream."""


@forced_inline
def worst_of(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, scenarios: int) -> Any:
    """The least over the first `scenarios` of 40 lanes; the rest are no scenarios and do not count."""
    infinite = splat(np.inf)
    a4 = blend_first(scenarios - 32, a4, infinite)
    if scenarios < 32:
        a3 = blend_first(scenarios - 24, a3, infinite)
        a2 = blend_first(scenarios - 16, a2, infinite)
        a1 = blend_first(scenarios - 8, a1, infinite)
        a0 = blend_first(scenarios, a0, infinite)
    return smallest(smaller(smaller(smaller(a0, a1), smaller(a2, a3)), a4))


@ParallelKernel
def stress_losses(
    grid: Any, instrument: Any, size: Any, chunk_position: Any, chunk_length: Any, chunk_segment: Any, chunk_count: Any,
    scenarios: int, losses: Any, counter: Any, threads: int,
) -> None:  # fmt: skip
    """W of every segment of a SegmentLayout, in its order: losses [G] = max(0, -min over scenarios of the P&L).

    counter [1]: zero; the threads take BATCH chunks at a time from it, so that one that is held up does not hold up the others."""
    for _thread in numba.prange(threads):
        while True:
            batch = take(counter) * BATCH
            if batch >= len(chunk_position):
                break
            for chunk in range(batch, min(batch + BATCH, len(chunk_position))):
                p, length, g = chunk_position[chunk], chunk_length[chunk], chunk_segment[chunk]
                for segment in range(g, g + chunk_count[chunk]):
                    a0 = splat(0.0)
                    a1, a2, a3, a4 = a0, a0, a0, a0
                    for _ in range(length):
                        at, contracts = np.int64(item(instrument, p)) * COLUMNS, splat(item(size, p))
                        a0 = fma(contracts, load(grid, at), a0)
                        a1 = fma(contracts, load(grid, at + 8), a1)
                        a2 = fma(contracts, load(grid, at + 16), a2)
                        a3 = fma(contracts, load(grid, at + 24), a3)
                        a4 = fma(contracts, load(grid, at + 32), a4)
                        p += 1
                    losses[segment] = max(0.0, -worst_of(a0, a1, a2, a3, a4, scenarios))


@ParallelKernel
def read_grid(grid: Any, count: int, repeats: int, sums: Any, threads: int) -> None:
    """The probe: every thread reads the first `count` doubles (a multiple of 32) `repeats` times and adds them up."""
    for thread in numba.prange(threads):
        a = splat(0.0)
        b, c, d = a, a, a
        for _ in range(repeats):
            for i in range(0, count, 32):
                a = a + load(grid, i)
                b = b + load(grid, i + 8)
                c = c + load(grid, i + 16)
                d = d + load(grid, i + 24)
        sums[8 * thread] = total(a + b + c + d)
