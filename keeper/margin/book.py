"""All accounts as arrays, in the layout that the reduction reads.

Positions are stored by segment, compressed sparse rows: one segment per (account, underlying) that the account has a
position in, or collateral that may join the legs of. Inside a segment they are ordered by expiry, so that the legs of
one expiry form a run, the bucket that charges net over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import BookError
from keeper.model import Account, Collateral, Instrument, MarginMode, Parameters, to_floats
from keeper.pricing import InstrumentTable

__all__ = ["Book", "Leg", "sum_by"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_UNDERLYINGS = 256


@dataclass(frozen=True, slots=True)
class Leg:
    """A change of position: instrument; size: signed contracts, not zero; price: USD per contract, None for the mark."""

    instrument: Instrument
    size: float
    price: float | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.size) or self.size == 0.0:
            raise BookError(f"leg in {self.instrument}: expected a finite size other than 0, got {self.size!r}")
        if self.price is not None and not (np.isfinite(self.price) and self.price >= 0.0):
            raise BookError(f"leg in {self.instrument}: expected a finite price >= 0, got {self.price!r}")


@dataclass(frozen=True, slots=True)
class Book:
    """A accounts, K collateral tokens, P positions in I instruments, G segments, B buckets. Build with `from_accounts`
    or `from_arrays`; the constructor does not check.

    account_id [A]; mode [A] (MarginMode); cash [A] USD; collateral [A, K] whole tokens; tokens [K];
    segment_account [G] row in [A]; segment_underlying [G] index 0..255; segment_start [G + 1]: positions of segment g are
    start[g]..start[g + 1] - 1; instrument [P] row in the table (uint16 where it fits); size [P] contracts; cost [P] USD;
    bucket [P], ascending; bucket_segment [B]; bucket_first [B]: the first position of each bucket.
    """

    table: InstrumentTable
    tokens: tuple[Collateral, ...]
    account_id: NDArray[np.uint64]
    mode: NDArray[np.uint8]
    cash: Floats
    collateral: Floats
    segment_account: Indices
    segment_underlying: NDArray[np.uint8]
    segment_start: Indices
    instrument: NDArray[np.uint16] | NDArray[np.uint32]
    size: Floats
    cost: Floats
    bucket: Indices
    bucket_segment: Indices
    bucket_first: Indices

    @property
    def accounts(self) -> int:
        """A"""
        return len(self.account_id)

    @property
    def segments(self) -> int:
        """G"""
        return len(self.segment_account)

    @property
    def positions(self) -> int:
        """P"""
        return len(self.size)

    @property
    def position_segment(self) -> Indices:
        """[P] the segment of each position."""
        return np.repeat(np.arange(self.segments), np.diff(self.segment_start))

    @property
    def position_account(self) -> Indices:
        """[P] the account row of each position."""
        return self.segment_account[self.position_segment]

    def row(self, account_id: int) -> int:
        """The row of an account. Raises BookError for an account that is not in the book."""
        found = np.flatnonzero(self.account_id == account_id)
        if not found.size:
            raise BookError(f"expected an account of the book, got id {account_id}")
        return int(found[0])

    @classmethod
    def from_accounts(cls, accounts: Iterable[Account], parameters: Parameters) -> Book:
        """The accounts in the order given; amounts become the nearest doubles. Raises BookError for a collateral token
        that the parameters do not accept and for ids given twice."""
        listed = list(accounts)
        columns = {accepted.token: k for k, accepted in enumerate(parameters.collateral)}
        collateral = np.zeros((len(listed), len(columns)))
        for row, account in enumerate(listed):
            for token, quantity in account.collateral.items():
                if token not in columns:
                    raise BookError(f"account {account.id}: expected collateral among {list(columns)}, got {token}")
                collateral[row, columns[token]] = quantity.to_float()
        held = [(row, i, p) for row, account in enumerate(listed) for i, p in account.positions.items()]
        table = InstrumentTable.of(i for _, i, _ in held)
        rows = table.rows()
        return cls.from_arrays(
            table,
            parameters,
            account_id=[account.id for account in listed],
            mode=[account.mode for account in listed],
            cash=to_floats(account.cash for account in listed),
            collateral=collateral,
            position_account=[row for row, _, _ in held],
            position_instrument=[rows[i] for _, i, _ in held],
            size=to_floats(p.size for _, _, p in held),
            cost=to_floats(p.cost for _, _, p in held),
        )

    @classmethod
    def from_arrays(
        cls,
        table: InstrumentTable,
        parameters: Parameters,
        *,
        account_id: ArrayLike,
        mode: ArrayLike,
        cash: ArrayLike,
        collateral: ArrayLike,
        position_account: ArrayLike,
        position_instrument: ArrayLike,
        size: ArrayLike,
        cost: ArrayLike,
    ) -> Book:
        """account_id, mode, cash [A]; collateral [A, K] in the order of parameters.collateral; position_account (row in
        [A]), position_instrument (row in the table), size, cost [P], in any order.

        Positions of one account in one instrument are added up; where their sizes cancel, the cost is realised into cash
        (equity does not change). Raises BookError for arrays that do not fit together, rows that do not exist, modes that
        are none, collateral below zero, and for anything that is not finite.
        """
        ids = np.asarray(account_id, dtype=np.uint64)
        count = len(ids)
        if len(np.unique(ids)) != count:
            raise BookError("expected each account id once")
        modes = np.asarray(mode, dtype=np.int64)
        if modes.shape != (count,) or (modes.size and not 0 <= modes.min() <= modes.max() <= max(MarginMode)):
            raise BookError(f"mode: expected {count} margin modes of 0 to {int(max(MarginMode))}, got {modes}")
        money = _floats("cash", cash, (count,)).copy()
        tokens = _floats("collateral", collateral, (count, len(parameters.collateral)))
        if tokens.size and tokens.min() < 0.0:
            raise BookError(f"collateral: expected >= 0, got {tokens.min()}")
        owner = _rows("position_account", position_account, count)
        which = _rows("position_instrument", position_instrument, len(table))
        sizes, costs = _floats("size", size, owner.shape), _floats("cost", cost, owner.shape)
        if which.shape != owner.shape:
            raise BookError(f"position_instrument: expected shape {owner.shape}, got {which.shape}")

        owner, which, sizes, costs = _merged(table, owner, which, sizes, costs)
        closed = sizes == 0.0
        np.subtract.at(money, owner[closed], costs[closed])
        owner, which, sizes, costs = owner[~closed], which[~closed], sizes[~closed], costs[~closed]

        key = owner * _UNDERLYINGS + table.underlying[which].astype(np.int64)
        joining = [
            np.flatnonzero(tokens[:, k] > 0.0) * _UNDERLYINGS + accepted.underlying
            for k, accepted in enumerate(parameters.collateral)
            if accepted.underlying is not None
        ]
        segments = np.unique(np.concatenate([key, *joining])) if joining else np.unique(key)
        starts = np.append(np.searchsorted(key, segments), len(key))
        opens = np.ones(len(key), dtype=np.bool_)
        opens[1:] = (key[1:] != key[:-1]) | (table.expiry[which[1:]] != table.expiry[which[:-1]])
        first = np.flatnonzero(opens)
        return cls(
            table=table,
            tokens=parameters.collateral,
            account_id=ids,
            mode=modes.astype(np.uint8),
            cash=money,
            collateral=tokens,
            segment_account=segments // _UNDERLYINGS,
            segment_underlying=(segments % _UNDERLYINGS).astype(np.uint8),
            segment_start=starts,
            instrument=which.astype(np.uint16 if len(table) <= 2**16 else np.uint32),
            size=sizes,
            cost=costs,
            bucket=np.cumsum(opens) - 1,
            bucket_segment=np.searchsorted(segments, key[first]),
            bucket_first=first,
        )

    def in_mode(self, mode: MarginMode) -> Book:
        """The same book as if every account were margined in `mode`."""
        return replace(self, mode=np.full(self.accounts, mode, dtype=np.uint8))

    def select(self, rows: ArrayLike, extra: Sequence[Instrument] = ()) -> Book:
        """The accounts of these rows alone, with a table of only the instruments they hold, plus `extra`."""
        kept = np.asarray(rows, dtype=np.int64).reshape(-1)
        if kept.size and not 0 <= kept.min() <= kept.max() < self.accounts:
            raise BookError(f"expected rows of 0 to {self.accounts - 1}, got {kept}")
        new_row = np.full(self.accounts, -1, dtype=np.int64)
        new_row[kept] = np.arange(len(kept))
        owner = new_row[self.position_account]
        mine = owner >= 0
        used = np.unique(self.instrument[mine])
        table = InstrumentTable.of([*(self.table.instruments[i] for i in used), *extra])
        return Book.from_arrays(
            table,
            _accepting(self.tokens),
            account_id=self.account_id[kept],
            mode=self.mode[kept],
            cash=self.cash[kept],
            collateral=self.collateral[kept],
            position_account=owner[mine],
            position_instrument=np.searchsorted(used, self.instrument[mine]),
            size=self.size[mine],
            cost=self.cost[mine],
        )

    def with_trades(self, row: int, instruments: Sequence[int], sizes: ArrayLike, prices: ArrayLike, cash_change: float = 0.0) -> Book:
        """The book after account `row` traded `sizes` [N] of the table rows `instruments` [N] at `prices` [N] USD and its
        cash changed. What a trade realises stays in the cost of the position while that is open: equity is the same."""
        cash = self.cash.copy()
        cash[row] += cash_change
        dsize = np.asarray(sizes, dtype=np.float64)
        return Book.from_arrays(
            self.table,
            _accepting(self.tokens),
            account_id=self.account_id,
            mode=self.mode,
            cash=cash,
            collateral=self.collateral,
            position_account=np.append(self.position_account, np.full(len(instruments), row)),
            position_instrument=np.append(self.instrument.astype(np.int64), np.asarray(instruments, dtype=np.int64)),
            size=np.append(self.size, dsize),
            cost=np.append(self.cost, dsize * np.asarray(prices, dtype=np.float64)),
        )


def sum_by(rows: Indices, values: Floats, count: int) -> Floats:
    """[count] sums of values [N] by rows [N] of 0..count - 1, added in the order given."""
    return np.asarray(np.bincount(rows, values, count), dtype=np.float64)


def _merged(
    table: InstrumentTable, owner: Indices, which: Indices, sizes: Floats, costs: Floats
) -> tuple[Indices, Indices, Floats, Floats]:
    """Sorted by account, underlying, expiry, kind and strike; positions in the same instrument added up."""
    rank = np.empty(len(table), dtype=np.int64)
    rank[np.lexsort((table.strike, table.kind, table.expiry, table.underlying))] = np.arange(len(table))
    key = owner * len(table) + rank[which]
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    if not first.size:
        return owner, which, sizes, costs
    ordered = order[first]
    return owner[ordered], which[ordered], np.add.reduceat(sizes[order], first), np.add.reduceat(costs[order], first)


def _accepting(tokens: tuple[Collateral, ...]) -> Parameters:
    return Parameters(collateral=tokens)


def _floats(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise BookError(f"{name}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise BookError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][:3]}")
    return array


def _rows(name: str, values: ArrayLike, count: int) -> Indices:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise BookError(f"{name}: expected a vector of row numbers, got {array.dtype} of shape {array.shape}")
    if array.size and not 0 <= array.min() <= array.max() < count:
        raise BookError(f"{name}: expected rows of 0 to {count - 1}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)
