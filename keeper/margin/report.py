"""What is reported for an account (margin.md section 7), read off the vectorised result."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from keeper.margin.book import Book
from keeper.margin.charges import Charges, SegmentGreeks
from keeper.margin.requirement import MarginResult, modes_side_by_side
from keeper.margin.stress import position_matrix, segment_rows
from keeper.margin.whatif import LiquidationPrices, liquidation_prices
from keeper.margin.witness import Witness, witness
from keeper.model import Account, MarginMode, Market, Parameters

__all__ = [
    "AccountReport",
    "Attribution",
    "GroupReport",
    "ModeFigures",
    "UnderlyingReport",
    "account_margin",
    "account_report",
    "attribution",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attribution:
    """The worst scenario's loss by cause, USD, positive = loss, all [G]; the four add up to minus its P&L.

    delta: delta dS; gamma: gamma dS^2 / 2; vega: vega dv, each leg's own; tail: the remainder, higher order.
    """

    delta: Floats
    gamma: Floats
    vega: Floats
    tail: Floats


@dataclass(frozen=True, slots=True)
class UnderlyingReport:
    """One underlying of an account. worst_scenario: index; stress_loss: W, USD; charges, greeks, attribution: by name;
    delta_notional: delta-equivalent x spot, USD; liquidation: spots, None where they were not asked for."""

    underlying: int
    worst_scenario: int
    stress_loss: float
    attribution: dict[str, float]
    charges: dict[str, float]
    greeks: dict[str, float]
    delta_notional: float
    liquidation: LiquidationPrices | None


@dataclass(frozen=True, slots=True)
class GroupReport:
    """members: those with legs; sum_loss: sum of their W; joint_loss: J, USD; worst_scenario: the common index;
    credit: what the offset takes off the requirement, kappa (sum W - max(0, J))."""

    members: tuple[int, ...]
    sum_loss: float
    joint_loss: float
    worst_scenario: int
    credit: float


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """The account under one mode, USD; capital_efficiency: gross notional / initial margin, inf where none is asked."""

    initial: float
    maintenance: float
    margin_equity_initial: float
    margin_equity_maintenance: float
    health: float
    capital_efficiency: float


@dataclass(frozen=True, slots=True)
class AccountReport:
    """Everything of margin.md section 7 for one account, USD. `underlyings` ascending; `modes` all three."""

    account_id: int
    mode: MarginMode
    equity: float
    margin_equity_initial: float
    margin_equity_maintenance: float
    initial: float
    maintenance: float
    health: float
    gross_notional: float
    leverage: float
    witness: Witness
    underlyings: tuple[UnderlyingReport, ...]
    groups: tuple[GroupReport, ...]
    modes: dict[MarginMode, ModeFigures]


def attribution(result: MarginResult) -> Attribution:
    """Delta, gamma, vega and higher-order parts of every segment's worst scenario."""
    book, priced, worst = result.book, result.priced, result.stress.worst_index
    row, segment = segment_rows(book, priced), np.arange(book.segments)
    weight = priced.shocks.weight[worst]
    move = priced.shocks.spot[row, worst] * priced.quotes.spot[row]
    by_direction = np.asarray(position_matrix(book) @ (priced.vega[:, None] * priced.vol_move))
    delta = -weight * result.greeks.delta * move
    gamma = -weight * 0.5 * result.greeks.gamma * move * move
    vega = -weight * by_direction[segment, priced.shocks.vol[worst]]
    return Attribution(delta, gamma, vega, tail=-result.stress.pnl[segment, worst] - (delta + gamma + vega))


def account_report(book: Book, row: int, market: Market, parameters: Parameters, with_liquidation_prices: bool = True) -> AccountReport:
    """The report of the account in `row`. Liquidation prices cost some hundred revaluations of the account. Raises as
    `margin`."""
    alone = book.select([row])
    modes = modes_side_by_side(alone, market, parameters)
    mode = MarginMode(int(alone.mode[0]))
    result = modes[mode]
    parts = attribution(result)
    spots = result.priced.quotes.spot[segment_rows(alone, result.priced)]
    underlyings = tuple(
        UnderlyingReport(
            underlying=int(alone.segment_underlying[g]),
            worst_scenario=int(result.stress.worst_index[g]),
            stress_loss=float(result.stress.loss[g]),
            attribution=_at(parts, g),
            charges=_at(result.charges, g),
            greeks=_at(result.greeks, g),
            delta_notional=float(result.greeks.delta[g] * spots[g]),
            liquidation=(
                liquidation_prices(alone, 0, int(alone.segment_underlying[g]), market, parameters) if with_liquidation_prices else None
            ),
        )
        for g in range(alone.segments)
    )
    return AccountReport(
        account_id=int(alone.account_id[0]),
        mode=mode,
        equity=float(result.equity[0]),
        margin_equity_initial=float(result.margin_equity_initial[0]),
        margin_equity_maintenance=float(result.margin_equity_maintenance[0]),
        initial=float(result.initial[0]),
        maintenance=float(result.maintenance[0]),
        health=float(result.health[0]),
        gross_notional=float(result.gross_notional[0]),
        leverage=float(result.leverage[0]),
        witness=witness(result, 0),
        underlyings=underlyings,
        groups=_groups(result),
        modes={name: _figures(each) for name, each in modes.items()},
    )


def account_margin(account: Account, market: Market, parameters: Parameters) -> AccountReport:
    """The report of one account of the ledger, without liquidation prices. Raises as `Book.from_accounts` and `margin`."""
    return account_report(Book.from_accounts([account], parameters), 0, market, parameters, with_liquidation_prices=False)


def _groups(result: MarginResult) -> tuple[GroupReport, ...]:
    groups, book = result.groups, result.book
    reports = []
    for number in np.flatnonzero(groups.held[0]):
        sum_loss, joint = float(groups.sum_loss[0, number]), float(groups.joint[0, number])
        members = book.segment_underlying[(groups.segment_group == number) & result.stress.held]
        reports.append(
            GroupReport(
                members=tuple(members.tolist()),
                sum_loss=sum_loss,
                joint_loss=joint,
                worst_scenario=int(groups.worst_index[0, number]),
                credit=float(groups.kappa[number]) * (sum_loss - max(0.0, joint)),
            )
        )
    return tuple(reports)


def _figures(result: MarginResult) -> ModeFigures:
    initial, notional = float(result.initial[0]), float(result.gross_notional[0])
    return ModeFigures(
        initial=initial,
        maintenance=float(result.maintenance[0]),
        margin_equity_initial=float(result.margin_equity_initial[0]),
        margin_equity_maintenance=float(result.margin_equity_maintenance[0]),
        health=float(result.health[0]),
        capital_efficiency=notional / initial if initial > 0.0 else float("inf"),
    )


def _at(columns: Attribution | Charges | SegmentGreeks, g: int) -> dict[str, float]:
    return {item.name: float(getattr(columns, item.name)[g]) for item in fields(columns)}
