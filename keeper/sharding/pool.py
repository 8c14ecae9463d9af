"""One call for all shards: the market goes out as a few hundred numbers, the accounts that matter come back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError
from keeper.kernels.market import MarketPlan, MarketVector
from keeper.kernels.prepared import AccountFigures
from keeper.margin import Book
from keeper.model import Market, Parameters
from keeper.sharding.shard import Rows, Shard, part_of, split_accounts

__all__ = ["Backend", "LocalPool", "Pool", "TickResult", "open_pool"]

IMBALANCE = 1.2
"""A book that has grown is split anew where the largest shard would hold more than this times its share of the positions."""


class Backend(StrEnum):
    """LOCAL: shards in this process, one after the other, each in its threads; RAY: one actor per shard."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class TickResult:
    """rows [N]: rows of the book below the health asked for, ascending; figures: theirs, in that order."""

    rows: Rows
    figures: AccountFigures


class Pool(ABC):
    """Shards of one book. markets to come have the underlyings and groups of `market`."""

    def __init__(self, book: Book, market: Market, parameters: Parameters, workers: int) -> None:
        if workers < 1:
            raise BookError(f"expected at least one worker, got {workers}")
        self.book, self.parameters, self.workers = book, parameters, workers
        self._underlyings, self._groups = tuple(market.underlyings), market.groups
        self._plan = MarketPlan.of(book.table, self._underlyings, tuple(c.token for c in parameters.collateral))
        self._split = split_accounts(book, workers)
        for shard in range(workers):
            self._build(shard)

    @abstractmethod
    def _build(self, shard: int) -> None:
        """Makes the worker of a shard, from the book: at the start, after a change, and where a worker was lost."""

    @abstractmethod
    def _ask(self, vector: MarketVector, health: float) -> list[tuple[Rows, NDArray[np.float64]]]:
        """What every shard answers."""

    @abstractmethod
    def close(self) -> None:
        """Ends the workers."""

    def below(self, market: Market | MarketVector, health: float = 1.0) -> TickResult:
        """Every account with a health below `health`. Raises as PreparedBook.figures."""
        vector = market if isinstance(market, MarketVector) else self._plan.read(market)
        answers = self._ask(vector, health)
        rows = np.concatenate([rows for rows, _ in answers])
        table = np.concatenate([figures for _, figures in answers])
        order = np.argsort(rows)
        return TickResult(rows[order], AccountFigures(*table[order].T))

    def replace(self, book: Book) -> int:
        """Goes on with a changed book of the same accounts in the same rows, new ones at the end; returns how many shards
        were built anew. New accounts go to the shard with the fewest positions; where that leaves the shards out of
        balance, or the instruments differ, all accounts are split again."""
        known = self.book.accounts
        if book.accounts < known or (book.account_id[:known] != self.book.account_id).any():
            raise BookError(f"expected the {known} accounts of the book first, in their rows")
        counts = np.bincount(book.position_account, minlength=book.accounts)
        same_table = book.table.instruments == self.book.table.instruments
        changed = set(range(self.workers))
        if same_table:
            touched = _changed_rows(self.book, book)
            changed = {shard for shard, rows in enumerate(self._split) if touched[rows].any()}
        load = np.array([counts[rows].sum() for rows in self._split])
        added: list[list[int]] = [[] for _ in range(self.workers)]
        for row in range(known, book.accounts):
            shard = int(load.argmin())
            added[shard].append(row)
            load[shard] += counts[row]
            changed.add(shard)
        split = [np.concatenate([rows, np.array(more, dtype=np.int64)]) for rows, more in zip(self._split, added, strict=True)]
        if load.max() > IMBALANCE * max(1.0, load.mean()):
            split, changed = split_accounts(book, self.workers), set(range(self.workers))
        self.book, self._split = book, split
        self._plan = MarketPlan.of(book.table, self._underlyings, self._plan.tokens)
        for shard in sorted(changed):
            self._build(shard)
        return len(changed)

    def positions(self) -> NDArray[np.int64]:
        """[workers] positions that each shard holds."""
        counts = np.bincount(self.book.position_account, minlength=self.book.accounts)
        return np.array([counts[rows].sum() for rows in self._split])


class LocalPool(Pool):
    """All shards in this process. threads: of each shard's kernels."""

    def __init__(self, book: Book, market: Market, parameters: Parameters, workers: int = 1, threads: int = 1) -> None:
        self._shards: dict[int, Shard] = {}
        self._threads = threads
        super().__init__(book, market, parameters, workers)

    def _build(self, shard: int) -> None:
        rows = self._split[shard]
        self._shards[shard] = Shard(part_of(self.book, rows), rows, self.parameters, self._underlyings, self._groups, self._threads)

    def _ask(self, vector: MarketVector, health: float) -> list[tuple[Rows, NDArray[np.float64]]]:
        return [self._shards[shard].below(vector, health) for shard in range(self.workers)]

    def close(self) -> None:
        self._shards.clear()


def open_pool(book: Book, market: Market, parameters: Parameters, workers: int = 1, backend: Backend | str = Backend.LOCAL) -> Pool:
    """A pool of `workers` shards. RAY needs the optional extra: pip install 'dpre[ray]'. Raises BookError without it."""
    if Backend(backend) is Backend.LOCAL:
        return LocalPool(book, market, parameters, workers)
    from keeper.sharding.actors import RayPool  # noqa: PLC0415 - it builds on this module

    try:
        return RayPool(book, market, parameters, workers)
    except ImportError as error:
        raise BookError(f"expected Ray for backend 'ray' (pip install 'dpre[ray]'): {error}") from error


def _changed_rows(old: Book, new: Book) -> NDArray[np.bool_]:
    """[accounts of old] whether anything of the account differs. Both books have the same instrument table."""
    known = old.accounts
    changed = (old.mode != new.mode[:known]) | (old.cash != new.cash[:known]) | (old.collateral != new.collateral[:known]).any(axis=1)
    before = np.bincount(old.position_account, minlength=known)
    after = np.bincount(new.position_account, minlength=new.accounts)[:known]
    changed |= before != after
    mine = new.position_account < known
    kept_old, kept_new = ~changed[old.position_account], np.zeros(new.positions, dtype=np.bool_)
    kept_new[mine] = ~changed[new.position_account[mine]]
    different = (
        (old.instrument[kept_old] != new.instrument[kept_new])
        | (old.size[kept_old] != new.size[kept_new])
        | (old.cost[kept_old] != new.cost[kept_new])
    )
    changed[old.position_account[kept_old][different]] = True
    return np.asarray(changed)
