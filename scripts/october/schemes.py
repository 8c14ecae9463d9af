"""What other venues' rules would have taken from the same winners for the same deficits.

All three close the bankrupt accounts' legs at their bankruptcy prices. They differ in who is closed and how much:

* *greedy*: winners in the order of the same score, each with its whole position (the queue of the large perpetual venues as described
  in Hyperliquid's documentation of auto-deleveraging and in arXiv 2602.15182): the last one closed for a leg is closed beyond it;
* *pro rata*: every winner on the other side, in proportion to size.

Nothing of a contract is used here; sizes are contracts, money is USD, both floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Close", "Holder", "Leg", "Outcome", "greedy", "outcome", "pro_rata"]

_NOTHING = 1e-9
_CENT = 0.01


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg of a bankrupt account. size: signed; haircut: USD per contract that a counterparty receives less than at the mark."""

    account: int
    instrument: int
    size: float
    haircut: float


@dataclass(frozen=True, slots=True)
class Holder:
    """A winner. size: signed; score: who ranks higher is closed first."""

    account: int
    instrument: int
    size: float
    score: float


@dataclass(frozen=True, slots=True)
class Close:
    """size: contracts > 0 taken off the position; haircut: USD in total."""

    account: int
    instrument: int
    size: float
    haircut: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """haircut: USD; touched: accounts that paid a cent or more; closed: accounts with a position closed; hedges_broken: closed
    accounts whose net delta grew in some underlying; unhedged: by how much, USD."""

    haircut: float
    touched: int
    closed: int
    hedges_broken: int
    unhedged: float


def greedy(legs: Iterable[Leg], holders: Iterable[Holder]) -> list[Close]:
    """Whole positions from the top of the queue until the leg is covered."""
    closes = []
    queues = _sides(holders)
    for leg in legs:
        left, queue = abs(leg.size), queues.get((leg.instrument, leg.size < 0.0), [])
        while left > _NOTHING and queue:
            first = queue.pop(0)
            closes.append(Close(first.account, first.instrument, abs(first.size), abs(first.size) * leg.haircut))
            left -= abs(first.size)
    return closes


def pro_rata(legs: Iterable[Leg], holders: Iterable[Holder]) -> list[Close]:
    """The same share of every winner's position."""
    closes = []
    sides = _sides(holders)
    totals = {side: sum(abs(holder.size) for holder in held) for side, held in sides.items()}
    wanted: dict[tuple[int, bool], list[float]] = {}
    for leg in legs:
        size_and_haircut = wanted.setdefault((leg.instrument, leg.size < 0.0), [0.0, 0.0])
        size_and_haircut[0] += abs(leg.size)
        size_and_haircut[1] += abs(leg.size) * leg.haircut
    for side, (size, haircut) in wanted.items():
        for holder in sides.get(side, []):
            share = abs(holder.size) / totals[side]
            closes.append(Close(holder.account, holder.instrument, min(size, totals[side]) * share, haircut * share))
    return closes


def outcome(
    closes: Sequence[Close],
    deltas: Mapping[int, Mapping[int, float]],
    underlying_of: Mapping[int, int],
    spots: Mapping[int, float],
    sizes: Mapping[tuple[int, int], float],
    shared: Mapping[int, float] | None = None,
) -> Outcome:
    """deltas: account -> underlying -> coins, before; sizes: (account, instrument) -> signed position before; shared: what the loss index
    took of accounts beyond the closes, USD."""
    changed: dict[int, dict[int, float]] = {}
    for close in closes:
        underlying = underlying_of[close.instrument]
        position = sizes[close.account, close.instrument]
        by_underlying = changed.setdefault(close.account, {})
        by_underlying[underlying] = by_underlying.get(underlying, 0.0) - (close.size if position > 0.0 else -close.size)
    broken, unhedged = 0, 0.0
    for account, by_underlying in changed.items():
        grown = sum(
            max(0.0, abs(deltas[account].get(underlying, 0.0) + change) - abs(deltas[account].get(underlying, 0.0))) * spots[underlying]
            for underlying, change in by_underlying.items()
        )
        if grown > 1.0:
            broken, unhedged = broken + 1, unhedged + grown
    paid: dict[int, float] = dict(shared or {})
    for close in closes:
        paid[close.account] = paid.get(close.account, 0.0) + close.haircut
    total = sum(paid.values())
    return Outcome(total, sum(amount >= _CENT for amount in paid.values()), len(changed), broken, unhedged)


def _sides(holders: Iterable[Holder]) -> dict[tuple[int, bool], list[Holder]]:
    """(instrument, longs) -> the side, highest score first; only who has a score."""
    found: dict[tuple[int, bool], list[Holder]] = {}
    for holder in holders:
        if holder.score > 0.0:
            found.setdefault((holder.instrument, holder.size > 0.0), []).append(holder)
    for held in found.values():
        held.sort(key=lambda holder: -holder.score)
    return found
