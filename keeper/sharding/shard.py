"""A shard: some accounts of a book, all of its instruments, evaluated by the kernels in one thread or a few."""

from __future__ import annotations

import heapq
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from keeper.kernels.market import MarketVector
from keeper.kernels.prepared import AccountFigures, PreparedBook
from keeper.margin import Book
from keeper.model import CorrelationGroup, Parameters

__all__ = ["Shard", "part_of", "split_accounts"]

Rows = NDArray[np.int64]


def split_accounts(book: Book, shards: int) -> list[Rows]:
    """Rows of the book for each shard: as equal in positions as greedy assignment makes them, largest accounts first."""
    counts = np.bincount(book.position_account, minlength=book.accounts) + 1  # an account without positions costs something too
    load = [(0, shard) for shard in range(shards)]
    owner = np.empty(book.accounts, dtype=np.int64)
    big = np.argsort(counts, kind="stable")[::-1]
    # Only the largest need care: the rest, dealt in turns, cannot differ by more than one of theirs.
    careful = big[: max(64 * shards, int(np.searchsorted(-counts[big], -64)))]
    for row in careful.tolist():
        least, shard = heapq.heappop(load)
        owner[row] = shard
        heapq.heappush(load, (least + int(counts[row]), shard))
    rest = big[len(careful) :]
    turn = np.array([shard for _, shard in sorted(load)])
    # Back and forth, so that no shard always gets the larger of two neighbours.
    deal = np.concatenate([turn, turn[::-1]])
    owner[rest] = deal[np.arange(len(rest)) % len(deal)]
    return [np.flatnonzero(owner == shard) for shard in range(shards)]


def part_of(book: Book, rows: Rows) -> Book:
    """The accounts of `rows` alone with the whole instrument table, so that one market vector fits every part."""
    new_row = np.full(book.accounts, -1, dtype=np.int64)
    new_row[rows] = np.arange(len(rows))
    owner = new_row[book.position_account]
    mine = owner >= 0
    return Book.from_arrays(
        book.table,
        Parameters(collateral=book.tokens),
        account_id=book.account_id[rows],
        mode=book.mode[rows],
        cash=book.cash[rows],
        collateral=book.collateral[rows],
        position_account=owner[mine],
        position_instrument=book.instrument[mine],
        size=book.size[mine],
        cost=book.cost[mine],
    )


class Shard:
    """Accounts `rows` of a larger book; `part` holds them."""

    def __init__(
        self,
        part: Book,
        rows: Rows,
        parameters: Parameters,
        underlyings: tuple[int, ...],
        groups: tuple[CorrelationGroup, ...],
        threads: int = 1,
    ) -> None:
        self.rows = rows
        self._prepared = PreparedBook(part, parameters, underlyings, groups, threads)

    def below(self, vector: MarketVector, health: float) -> tuple[Rows, NDArray[np.float64]]:
        """Rows of the larger book with a health below `health`, [N], and their figures [N, 8]."""
        figures = self._prepared.figures(vector)
        found = np.flatnonzero(figures.health < health)
        table = np.stack([getattr(figures, item.name)[found] for item in fields(AccountFigures)], axis=1)
        return self.rows[self._prepared.row[found]], table
