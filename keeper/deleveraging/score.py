"""Who of the holders of a side would be closed first: contracts/waterfall/DeleveragingScore.sol in float64, and the light that it gives
an account before anything happens.

    score    = profit ratio x leverage                              1e-9, rounded down
    ratio    = (size x mark - cost + profit realised lately) / |cost|
    leverage = maintenance requirement / margin equity, long options that support nothing on neither side; a requirement of CROSS or
               ISOLATED counts as many times as a perpetual alone needs more by stress than by the first tier

The contract computes every score itself: these select whom to name to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keeper.errors import AccountError
from keeper.model import WAD, Account, Instrument, MarginMode
from keeper.monitoring import Assessment
from keeper.portfolio import Side
from keeper.pricing import InstrumentTable, price_table

__all__ = ["Holder", "Light", "holders", "lights"]

_MAX_FACTOR = (2**96 - 1) / WAD
_MAX_SCORE = 2**64 - 1
_SCORE_UNIT = 1e9
FIFTHS = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """size: contracts 1e18, > 0; profit: USD; score: 1e-9, 0 where it has no profit or no margin equity; equity: USD, of the account."""

    account: int
    size: int
    profit: float
    score: int
    equity: float


@dataclass(frozen=True, slots=True)
class Light:
    """The account's place among the holders of its side of `instrument`. light: 5 is among the first fifth (by size) to be closed, 1 among
    the last, 0 has no profit and is not closed; ahead: share of the side that ranks higher."""

    instrument: Instrument
    light: int
    score: int
    ahead: float


def holders(assessment: Assessment, sides: Iterable[Side]) -> dict[Side, list[Holder]]:
    """All priced holders of each side, highest score first, equal ones by their number. One pass over the accounts."""
    wanted = {side: list[Account]() for side in sides}
    instruments = {instrument for instrument, _ in wanted}
    unpriced = set(assessment.unpriced)
    for account in assessment.state.accounts.values():
        if account.id in unpriced:
            continue
        for instrument in instruments & account.positions.keys():
            side = instrument, account.positions[instrument].size.raw > 0
            if side in wanted:
                wanted[side].append(account)
    everybody = {account.id: account for found in wanted.values() for account in found}
    leverages = _leverages(assessment, everybody.values())
    marks = _marks(assessment, instruments) if everybody else {}
    found = {}
    for side, accounts in wanted.items():
        scale = _standard_scale(assessment, side[0].underlying)
        ranked = [_holder(assessment, account, side[0], (marks[side[0]], scale), *leverages[account.id]) for account in accounts]
        found[side] = sorted(ranked, key=lambda holder: (-holder.score, holder.account))
    return found


def lights(assessment: Assessment, account: int) -> list[Light]:
    """Of every position of the account, as `Nominations.quintile` with all other holders tells them. Raises AccountError for an account
    that does not exist or cannot be priced."""
    held = assessment.state.accounts.get(account)
    if held is None or account in assessment.unpriced:
        raise AccountError(f"expected an account that can be priced, got {account}")
    sides = [(instrument, position.size.raw > 0) for instrument, position in sorted(held.positions.items())]
    ranking = holders(assessment, sides)
    found = []
    for side in sides:
        own = next(holder for holder in ranking[side] if holder.account == account)
        total = sum(holder.size for holder in ranking[side])
        above = sum(holder.size for holder in ranking[side] if holder.score > own.score)
        light = 0 if own.profit <= 0.0 else FIFTHS - FIFTHS * above // total
        found.append(Light(side[0], light, own.score, above / total))
    return found


def _holder(
    assessment: Assessment,
    account: Account,
    instrument: Instrument,
    mark_and_scale: tuple[float, float],
    maintenance: float,
    free: float,
    equity: float,
) -> Holder:
    """mark_and_scale: USD, and what brings a standard margin to the measure of stress; maintenance, free: requirement and margin equity
    without the long options that support nothing; equity: of the account."""
    mark, scale = mark_and_scale
    if account.mode is not MarginMode.PORTFOLIO:
        maintenance *= scale
    position, realised = account.positions[instrument], assessment.state.realised.get(account.id)
    profit = position.size.to_float() * mark - position.cost.to_float()
    if realised is not None:
        profit += realised.unvested(assessment.block.time, assessment.state.vesting) / WAD
    score = 0
    if profit > 0.0 and maintenance > 0.0 and free > 0.0:
        score = int(_ratio(profit, abs(position.cost.to_float())) * _ratio(maintenance, free) * _SCORE_UNIT)
    return Holder(account.id, abs(position.size.raw), profit, min(score, _MAX_SCORE), equity)


def _standard_scale(assessment: Assessment, underlying: int) -> float:
    """`DeleveragingScore.standardScaleDown`."""
    parameters, spot_scale = assessment.parameters, assessment.state.table.spot_scale(underlying)
    worst = max((abs(each.spot_shock) * each.weight * (spot_scale if each.core else 1.0) for each in parameters.scenarios), default=0.0)
    least = parameters.tier_1_maintenance
    return max(worst * parameters.maintenance_factor / least, 1.0) if least else 1.0


def _ratio(x: float, y: float) -> float:
    """Something over nothing is the largest there is."""
    return _MAX_FACTOR if y == 0.0 else min(x / y, _MAX_FACTOR)


def _leverages(assessment: Assessment, accounts: Iterable[Account]) -> dict[int, tuple[float, float, float]]:
    """Account -> (maintenance, margin equity, both without long options that support nothing; equity), USD."""
    figures = assessment.figures
    order = np.argsort(figures.account_id, kind="stable")
    listed = list(accounts)
    rows = order[np.searchsorted(figures.account_id, [account.id for account in listed], sorter=order)] if listed else order[:0]
    # Paid-up long options support nothing but themselves in the sums of standard margins; in stress they are part of the book.
    options = {
        instrument
        for account in listed
        if account.mode is not MarginMode.PORTFOLIO
        for instrument, position in account.positions.items()
        if instrument.is_option and position.size.raw > 0
    }
    marks = _marks(assessment, options)
    found = {}
    for account, row in zip(listed, rows.tolist(), strict=True):
        free = 0.0
        if account.mode is not MarginMode.PORTFOLIO:
            free = sum(max(0.0, each.size.to_float()) * marks[i] for i, each in account.positions.items() if i in marks)
        maintenance, margin_equity = float(figures.maintenance[row]), float(figures.margin_equity_maintenance[row])
        found[account.id] = maintenance - free, margin_equity - free, float(figures.equity[row])
    return found


def _marks(assessment: Assessment, instruments: Iterable[Instrument]) -> dict[Instrument, float]:
    """USD per contract."""
    listed = sorted(instruments)
    if not listed:
        return {}
    priced = price_table(InstrumentTable.of(listed), assessment.market, assessment.parameters)
    return dict(zip(listed, priced.value.tolist(), strict=True))
