"""Stress losses: the grid reduced over positions, the worst scenario per underlying, the common one per group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from keeper.errors import MarketError
from keeper.margin.book import Book
from keeper.model import MarginMode, Market
from keeper.pricing import PricedTable

__all__ = ["GroupLosses", "JoinedCollateral", "StressLosses", "group_losses", "join_collateral", "stress_losses"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JoinedCollateral:
    """Collateral that joins the legs of its underlying (PORTFOLIO): quantity [G] units of underlying, value [G] USD."""

    quantity: Floats
    value: Floats


@dataclass(frozen=True, slots=True)
class StressLosses:
    """pnl [G, S]: weighted P&L per segment and scenario, USD; worst_index [G]: the lowest index among the worst;
    loss [G]: W = max(0, -pnl at the worst); held [G]: the segment has legs (positions or joined collateral)."""

    pnl: Floats
    worst_index: Indices
    loss: Floats
    held: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GroupLosses:
    """N groups. segment_group [G]: -1 where the underlying has none; kappa [N]; held [A, N]: the account has legs in the
    group; pnl [A, N, S]; worst_index [A, N]; joint [A, N]: J = max over scenarios of -sum pnl, may be negative (0 where
    not held); sum_loss [A, N]: sum of the members' W."""

    segment_group: Indices
    kappa: Floats
    held: NDArray[np.bool_]
    pnl: Floats
    worst_index: Indices
    joint: Floats
    sum_loss: Floats


def join_collateral(book: Book, prices: Floats) -> JoinedCollateral:
    """The collateral of PORTFOLIO accounts that joins each segment (margin.md section 2); prices [K] USD per token."""
    quantity, value = np.zeros((2, book.segments))
    portfolio = book.mode[book.segment_account] == MarginMode.PORTFOLIO
    for k, token in enumerate(book.tokens):
        if token.underlying is None:
            continue
        here = np.flatnonzero(portfolio & (book.segment_underlying == token.underlying))
        amount = book.collateral[book.segment_account[here], k]
        quantity[here] += amount
        value[here] += amount * prices[k]
    return JoinedCollateral(quantity, value)


def segment_rows(book: Book, priced: PricedTable) -> Indices:
    """[G] row of each segment's underlying in the market. Raises MarketError where the market does not quote it."""
    known = priced.quotes.underlyings
    unknown = np.setdiff1d(book.segment_underlying.astype(np.int64), known)
    if unknown.size:
        raise MarketError(f"expected collateral that joins one of the underlyings {known.tolist()}, got {unknown[0]}")
    return np.searchsorted(known, book.segment_underlying.astype(np.int64))


def position_matrix(book: Book) -> csr_array:
    """Sizes as a sparse matrix [G, I]."""
    return csr_array((book.size, book.instrument.astype(np.int32), book.segment_start), shape=(book.segments, len(book.table)))


def stress_losses(book: Book, priced: PricedTable, joined: JoinedCollateral) -> StressLosses:
    """pnl_u(s) and W_u of every segment: margin.md section 2."""
    S = priced.scenarios
    pnl = np.ascontiguousarray((position_matrix(book) @ priced.grid)[:, :S])
    with_tokens = np.flatnonzero(joined.value)
    row = segment_rows(book, priced)[with_tokens]
    pnl[with_tokens] += joined.value[with_tokens, None] * (priced.shocks.spot[row] * priced.shocks.weight)
    worst = np.argmin(pnl, axis=1)
    loss = np.maximum(0.0, -pnl[np.arange(book.segments), worst])
    held = (np.diff(book.segment_start) > 0) | (joined.quantity > 0.0)
    return StressLosses(pnl, worst, loss, held)


def group_losses(book: Book, market: Market, stress: StressLosses) -> GroupLosses:
    """J_g of every account and group, the same scenario index for all members: margin.md section 4."""
    A, N, S = book.accounts, len(market.groups), stress.pnl.shape[1]
    of_underlying = np.full(256, -1, dtype=np.int64)
    for number, group in enumerate(market.groups):
        of_underlying[list(group.members)] = number
    segment_group = of_underlying[book.segment_underlying]
    inside = np.flatnonzero((segment_group >= 0) & stress.held)
    cell = book.segment_account[inside] * N + segment_group[inside]
    held = np.zeros(A * N, dtype=np.bool_)
    held[cell] = True
    gather = csr_array((np.ones(len(inside)), (cell, inside)), shape=(A * N, book.segments))
    pnl = np.asarray(gather @ stress.pnl)
    worst = np.argmin(pnl, axis=1)
    return GroupLosses(
        segment_group=segment_group,
        kappa=np.array([group.kappa for group in market.groups], dtype=np.float64),
        held=held.reshape(A, N),
        pnl=pnl.reshape(A, N, S),
        worst_index=worst.reshape(A, N),
        joint=(0.0 - pnl[np.arange(A * N), worst]).reshape(A, N),
        sum_loss=np.asarray(gather @ stress.loss).reshape(A, N),
    )
