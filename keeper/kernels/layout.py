"""The book in the order that the reduction wants, made once per book.

Accounts of one signature (mode, and per underlying the number of positions) stand together, those that begin with the
same instrument next to each other. Inside a signature no loop changes its length, so that no branch is mispredicted, and
rows of the grid are found in the nearest cache more often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.errors import MarketError
from keeper.kernels.accounts import AHEAD, ALONE, CHUNK, CLOSES, JOINS
from keeper.kernels.charges import NETTED
from keeper.kernels.memory import line_aligned
from keeper.margin import Book
from keeper.margin.book import sum_by
from keeper.model import CorrelationGroup, Kind, MarginMode

__all__ = ["AccountLayout", "SegmentLayout"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AccountLayout:
    """A accounts in Q signatures of Z segments in all, P positions, C chunks, K tokens.

    row [A]: the account's row in the book; first [A + 1] position; instrument [P + AHEAD] (uint16 where it fits, zeros in
    the end); opens [P]: NETTED where another expiry than the previous position's begins, in a segment's first position unless
    it is undated, else 0; size [P]. Of each segment [G], those of a signature by underlying, then by account: contracts, sum
    of |size|; shorts, calls sold net of those bought and puts likewise, per expiry; perps, sum of their |size|. funds [A]:
    cash - cost of all positions; collateral [K A], by token. Eight places after the ends of these can be read.
    signature_start [Q + 1] into: held (added to an account: its place in contracts, shorts, perps), length, underlying (row in
    the market), group (-1: none), role [Z]. portfolio, joins [Q]: 1 where the accounts are margined by stress, and where some
    hold collateral. chunk_signature, chunk_start, chunk_count [C].
    """

    row: Indices
    first: Indices
    instrument: NDArray[np.unsignedinteger[Any]]
    opens: NDArray[np.uint8]
    size: Floats
    contracts: Floats
    shorts: Floats
    perps: Floats
    funds: Floats
    collateral: Floats
    signature_start: Indices
    held: Indices
    length: Indices
    underlying: Indices
    group: Indices
    role: Indices
    portfolio: Indices
    joins: Indices
    chunk_signature: Indices
    chunk_start: Indices
    chunk_count: Indices

    @classmethod
    def of(cls, book: Book, underlyings: tuple[int, ...], groups: tuple[CorrelationGroup, ...]) -> AccountLayout:
        """underlyings: those of the market, ascending. Raises MarketError for collateral that joins one not among them."""
        A, P = book.accounts, book.positions
        segment_row = _market_rows(book, underlyings)
        group_of = np.full(len(underlyings), -1, dtype=np.int64)
        for number, group in enumerate(groups):
            group_of[[u for u, index in enumerate(underlyings) if index in group.members]] = number
        # Segments of one group one after the other; those without a group first.
        order = np.lexsort((segment_row, group_of[segment_row], book.segment_account))
        lengths = np.diff(book.segment_start)[order]
        owner, under = book.segment_account[order], segment_row[order]
        per_account = np.bincount(owner, minlength=A)
        first_segment = np.concatenate([[0], np.cumsum(per_account)])

        most = int(per_account.max(initial=0))
        column = np.arange(len(order)) - first_segment[owner]
        described = np.full((A, 2 * most + 3), -1, dtype=np.int64)
        described[:, 0] = book.mode == MarginMode.PORTFOLIO
        described[:, 1] = (book.collateral > 0.0).any(axis=1)
        described[:, 2] = per_account
        described[owner, 3 + 2 * column] = under
        described[owner, 4 + 2 * column] = lengths
        starts = book.segment_start[:-1][order]
        begins = np.full(A, -1, dtype=np.int64)
        filled = np.flatnonzero(lengths > 0)[::-1]
        begins[owner[filled]] = book.instrument[starts[filled]]
        accounts = np.lexsort((begins, *described.T[::-1]))
        described = described[accounts]
        new = np.ones(A, dtype=np.bool_)
        new[1:] = (described[1:] != described[:-1]).any(axis=1)
        signature_first = np.flatnonzero(new)
        Q = len(signature_first)

        counts = per_account[accounts[signature_first]]
        signature_start = np.concatenate([[0], np.cumsum(counts)])
        which = np.repeat(signature_first, counts)
        place = np.arange(signature_start[-1]) - np.repeat(signature_start[:-1], counts)
        under_z, length_z = described[which, 3 + 2 * place], described[which, 4 + 2 * place]
        group_z = group_of[under_z] if len(group_of) else under_z
        role = np.full(len(which), ALONE, dtype=np.int64)
        with_next = np.append((which[1:] == which[:-1]) & (group_z[1:] == group_z[:-1]), False) & (group_z >= 0)
        role[with_next] = JOINS
        role[1:][with_next[:-1] & ~with_next[1:]] = CLOSES

        total = np.zeros(A, dtype=np.int64)
        np.add.at(total, owner, lengths)
        first = np.concatenate([[0], np.cumsum(total[accounts])])
        # Positions: account by account, its segments in the order above.
        by_account = _expand(first_segment[:-1][accounts], per_account[accounts])
        positions = _expand(starts[by_account], lengths[by_account])
        instrument = book.instrument[positions]
        opens = np.zeros(P, dtype=np.uint8)
        if P:
            opens[1:] = NETTED * (book.bucket[positions][1:] != book.bucket[positions][:-1])
            begin = np.cumsum(lengths[by_account]) - lengths[by_account]
            begin = begin[lengths[by_account] > 0]
            opens[begin] = NETTED * (book.table.expiry[instrument[begin]] != 0)
        cost = sum_by(book.position_account, book.cost, A)

        sizes = np.diff(np.append(signature_first, A))
        pieces = -(-sizes // CHUNK)
        chunk_signature = np.repeat(np.arange(Q), pieces)
        inside = np.arange(len(chunk_signature)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        chunk_start = signature_first[chunk_signature] + inside * CHUNK
        chunk_count = np.minimum(CHUNK, signature_first[chunk_signature] + sizes[chunk_signature] - chunk_start)
        size = line_aligned(P)
        size[:] = book.size[positions]
        # Segments of one signature by underlying, then by account, so that eight accounts are read at once.
        owners = np.repeat(sizes, counts)
        held_z = np.concatenate([[0], np.cumsum(owners)])[:-1] - np.repeat(signature_first, counts)
        account = np.repeat(np.arange(A), per_account[accounts])
        segment_z = np.repeat(signature_start[:-1], sizes)[account] + column[by_account]
        spread = np.empty(len(by_account), dtype=np.int64)
        spread[held_z[segment_z] + account] = order[by_account]
        contracts, shorts, perps = (_with_room(figures[spread]) for figures in _held(book))
        return cls(
            row=accounts,
            first=first,
            instrument=np.append(instrument, np.zeros(AHEAD, dtype=instrument.dtype)),
            opens=opens,
            size=size,
            contracts=contracts,
            shorts=shorts,
            perps=perps,
            funds=_with_room(book.cash[accounts] - cost[accounts]),
            collateral=_with_room(book.collateral[accounts].T.reshape(-1)),
            signature_start=signature_start,
            held=held_z,
            length=length_z,
            underlying=under_z,
            group=group_z,
            role=role,
            portfolio=described[signature_first, 0] if A else np.zeros(0, dtype=np.int64),
            joins=described[signature_first, 1] if A else np.zeros(0, dtype=np.int64),
            chunk_signature=chunk_signature,
            chunk_start=chunk_start,
            chunk_count=chunk_count,
        )

    def tiled(self, sizes: Floats, kind: NDArray[np.uint8], funds: Floats) -> AccountLayout:
        """K variants of the only account of this layout. sizes [K, P] in its order of positions; kind [P] of their
        instruments; funds [K]."""
        count, P = sizes.shape
        size = line_aligned(max(1, count * P))[: count * P]
        size[:] = sizes.reshape(-1)
        owner = np.repeat(np.arange(len(self.length)), self.length)
        in_segment = owner[:, None] == np.arange(len(self.length))
        opens = np.flatnonzero((self.opens != 0) | (np.diff(owner, prepend=-1) != 0))
        in_bucket = (np.searchsorted(opens, np.arange(P), side="right") - 1)[:, None] == np.arange(len(opens))
        sold = np.zeros((count, len(opens)))
        for option in (Kind.CALL, Kind.PUT):
            sold += np.maximum(0.0, -(sizes * (kind == option)) @ in_bucket)
        amounts = np.abs(sizes)
        chunks = np.arange(0, count, CHUNK)
        return replace(
            self,
            row=np.arange(count),
            first=np.arange(count + 1) * P,
            instrument=np.append(np.tile(self.instrument[:P], count), self.instrument[P:]),
            opens=np.tile(self.opens, count),
            size=size,
            contracts=_with_room((amounts @ in_segment).T.reshape(-1)),
            shorts=_with_room((sold @ in_segment[opens]).T.reshape(-1)),
            perps=_with_room(((amounts * (kind == Kind.PERP)) @ in_segment).T.reshape(-1)),
            funds=_with_room(funds),
            collateral=_with_room(np.repeat(self.collateral, count)),
            held=count * np.arange(len(self.length)),
            chunk_signature=np.zeros(len(chunks), dtype=np.int64),
            chunk_start=chunks,
            chunk_count=np.minimum(CHUNK, count - chunks),
        )


@dataclass(frozen=True, slots=True)
class SegmentLayout:
    """The same for single segments, where only the stress losses are wanted: sorted by length, underlying and first
    instrument. segment [G]: number in the book; instrument, size [P]; chunk_position, chunk_length, chunk_segment,
    chunk_count [C]: first position, positions per segment, first segment and number of segments of each chunk."""

    segment: Indices
    instrument: NDArray[np.unsignedinteger[Any]]
    size: Floats
    chunk_position: Indices
    chunk_length: Indices
    chunk_segment: Indices
    chunk_count: Indices

    @classmethod
    def of(cls, book: Book) -> SegmentLayout:
        lengths = np.diff(book.segment_start)
        begins = np.full(book.segments, -1, dtype=np.int64)
        begins[lengths > 0] = book.instrument[book.segment_start[:-1][lengths > 0]]
        order = np.lexsort((begins, book.segment_underlying, lengths))
        lengths = lengths[order]
        positions = _expand(book.segment_start[:-1][order], lengths)
        position = np.concatenate([[0], np.cumsum(lengths)])
        opens = np.flatnonzero(np.diff(lengths, prepend=-1))
        sizes = np.diff(np.append(opens, len(order)))
        pieces = -(-sizes // (2 * CHUNK))
        inside = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        chunk_segment = np.repeat(opens, pieces) + inside * 2 * CHUNK
        chunk_count = np.minimum(2 * CHUNK, np.repeat(opens + sizes, pieces) - chunk_segment)
        size = line_aligned(book.positions)
        size[:] = book.size[positions]
        return cls(
            segment=order,
            instrument=np.ascontiguousarray(book.instrument[positions]),
            size=size,
            chunk_position=position[chunk_segment],
            chunk_length=lengths[chunk_segment],
            chunk_segment=chunk_segment,
            chunk_count=chunk_count,
        )


def _market_rows(book: Book, underlyings: tuple[int, ...]) -> Indices:
    known = np.array(underlyings, dtype=np.int64)
    wanted = book.segment_underlying.astype(np.int64)
    unknown = np.setdiff1d(wanted, known)
    if unknown.size:
        raise MarketError(f"expected collateral that joins one of the underlyings {list(underlyings)}, got {unknown[0]}")
    return np.searchsorted(known, wanted)


def _held(book: Book) -> tuple[Floats, Floats, Floats]:
    """contracts, shorts and perps of AccountLayout [G], in the order of the book."""
    kind, segment = book.table.kind[book.instrument], book.position_segment
    sold = np.zeros(len(book.bucket_segment))
    for option in (Kind.CALL, Kind.PUT):
        sold += np.maximum(0.0, -sum_by(book.bucket, np.where(kind == option, book.size, 0.0), len(sold)))
    contracts = np.abs(book.size)
    return (
        sum_by(segment, contracts, book.segments),
        sum_by(book.bucket_segment, sold, book.segments),
        sum_by(segment, np.where(kind == Kind.PERP, contracts, 0.0), book.segments),
    )


def _with_room(values: Floats) -> Floats:
    """The same values, with eight zeros behind them that a kernel may read."""
    return np.append(values, np.zeros(8))[: len(values)]


def _expand(starts: Indices, counts: Indices) -> Indices:
    """start, start + 1, .. of each run, one after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
