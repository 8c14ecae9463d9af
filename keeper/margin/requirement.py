"""Margin of all accounts at once, each in its own mode (margin.md sections 2 to 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError, MarketError
from keeper.margin.book import Book, sum_by
from keeper.margin.charges import Charges, SegmentGreeks, segment_charges, segment_greeks
from keeper.margin.standard import StandardMargin, standard_margin
from keeper.margin.stress import (
    GroupLosses,
    JoinedCollateral,
    StressLosses,
    group_losses,
    join_collateral,
    stress_losses,
)
from keeper.model import MarginMode, Market, Parameters
from keeper.pricing import PricedTable, price_table

__all__ = ["MarginResult", "margin", "modes_side_by_side", "stress_requirement"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarginResult:
    """Margin of the A accounts of `book`, USD.

    Per account [A]: initial, maintenance (requirements); equity (collateral at its price); margin_equity_initial,
    margin_equity_maintenance (collateral after the haircut; joined collateral in full); long_options: L, marks of long
    options that support nothing (CROSS, ISOLATED); health: (margin equity - L) / (maintenance - L) at maintenance
    haircuts, +inf where nothing is required and nothing owed, -inf where something is owed; gross_notional; leverage:
    gross notional / equity, inf without equity; stress_requirement: R of the PORTFOLIO rules for this book, whatever
    the mode (collateral joins only in PORTFOLIO).

    Per segment [G]: stress, charges, greeks, joined; per account and group: groups; per position [P]: standard.
    These are filled for every account, so that a report can show them in all modes.
    """

    book: Book
    market: Market
    parameters: Parameters
    priced: PricedTable
    initial: Floats
    maintenance: Floats
    equity: Floats
    margin_equity_initial: Floats
    margin_equity_maintenance: Floats
    long_options: Floats
    health: Floats
    gross_notional: Floats
    leverage: Floats
    stress_requirement: Floats
    joined: JoinedCollateral
    stress: StressLosses
    groups: GroupLosses
    greeks: SegmentGreeks
    charges: Charges
    standard: StandardMargin

    @property
    def shortfall(self) -> Floats:
        """[A] maintenance - margin equity: positive where the account may be liquidated in full."""
        return self.maintenance - self.margin_equity_maintenance

    @property
    def free_initial(self) -> Floats:
        """[A] margin equity at initial haircuts - initial margin: what new risk may use."""
        return self.margin_equity_initial - self.initial


def margin(book: Book, market: Market, parameters: Parameters, priced: PricedTable | None = None) -> MarginResult:
    """Margin of every account of the book.

    priced: the book's table priced in this market under these parameters, where the caller has it already.
    Raises MarketError where the market lacks an underlying, an expiry, a surface or a token price that the book needs,
    ParameterError where a spot shock reaches -100 %, BookError where the book accepts other collateral than the
    parameters or a figure is not finite.
    """
    if book.tokens != parameters.collateral:
        raise BookError(f"expected a book of the collateral {parameters.collateral}, got {book.tokens}")
    if priced is None:
        priced = price_table(book.table, market, parameters)
    elif priced.table is not book.table:
        raise BookError("expected a priced table of the book's own instruments, got another's")
    A, account, segment_account = book.accounts, book.position_account, book.segment_account
    prices = _token_prices(book, market)
    joined = join_collateral(book, prices)
    stress = stress_losses(book, priced, joined)
    groups = group_losses(book, market, stress)
    greeks = segment_greeks(book, priced, joined)
    charges = segment_charges(book, priced, joined, greeks, parameters)
    standard = standard_margin(book, priced, parameters)

    spot = priced.quotes.spot[priced.quotes.underlying_row][book.instrument]
    gross = sum_by(account, np.abs(book.size) * spot, A)
    charge_sum = sum_by(segment_account, charges.total, A)
    required = stress_requirement(book, stress.loss, groups, groups.joint, charge_sum, gross, parameters)

    portfolio = book.mode == MarginMode.PORTFOLIO
    initial = np.where(portfolio, required, sum_by(account, standard.initial, A))
    maintenance = np.where(portfolio, parameters.maintenance_factor * required, sum_by(account, standard.maintenance, A))
    long_options = np.where(portfolio, 0.0, sum_by(account, standard.long_option, A))

    unrealised = sum_by(account, book.size * priced.value[book.instrument] - book.cost, A)
    funds = book.cash + unrealised
    tokens = book.collateral * prices
    joins = portfolio[:, None] & np.array([t.underlying is not None for t in book.tokens], dtype=np.bool_)
    kept_initial = np.array([1.0 - t.haircut_initial for t in book.tokens])
    kept_maintenance = np.array([1.0 - t.haircut_maintenance for t in book.tokens])
    equity = funds + tokens.sum(axis=1)
    margin_equity_initial = funds + (tokens * np.where(joins, 1.0, kept_initial)).sum(axis=1)
    margin_equity_maintenance = funds + (tokens * np.where(joins, 1.0, kept_maintenance)).sum(axis=1)
    for name, figures in (("requirement", initial), ("equity", equity), ("maintenance", maintenance)):
        if not np.isfinite(figures).all():
            raise BookError(f"{name}: expected finite figures, account {book.account_id[np.argmin(np.isfinite(figures))]} has none")

    # Summed without the long options, not by subtraction: the difference would carry their rounding.
    binding = np.where(portfolio, maintenance, sum_by(account, standard.maintenance - standard.long_option, A))
    return MarginResult(
        book=book,
        market=market,
        parameters=parameters,
        priced=priced,
        initial=initial,
        maintenance=maintenance,
        equity=equity,
        margin_equity_initial=margin_equity_initial,
        margin_equity_maintenance=margin_equity_maintenance,
        long_options=long_options,
        health=_ratio(margin_equity_maintenance - long_options, binding),
        gross_notional=gross,
        leverage=np.where(gross > 0.0, _ratio(gross, np.maximum(equity, 0.0)), 0.0),
        stress_requirement=required,
        joined=joined,
        stress=stress,
        groups=groups,
        greeks=greeks,
        charges=charges,
        standard=standard,
    )


def stress_requirement(
    book: Book,
    loss: Floats,
    groups: GroupLosses,
    joint: Floats,
    charge_sum: Floats,
    gross_notional: Floats,
    parameters: Parameters,
) -> Floats:
    """R [A] of margin.md section 4 from W per segment [G] and J per account and group [A, N]:

    R = charges + sum of W outside groups + sum_g [(1 - kappa) sum W + kappa max(0, J)], at least the notional floor.
    Increasing in every W and J, which is what makes a witness a lower bound (section 5).
    """
    A, N = book.accounts, len(groups.kappa)
    outside = groups.segment_group < 0
    alone = sum_by(book.segment_account[outside], loss[outside], A)
    cell = book.segment_account[~outside] * N + groups.segment_group[~outside]
    sum_loss = sum_by(cell, loss[~outside], A * N).reshape(A, N)
    together = ((1.0 - groups.kappa) * sum_loss + groups.kappa * np.maximum(0.0, joint)).sum(axis=1)
    return np.asarray(np.maximum(charge_sum + alone + together, parameters.notional_floor * gross_notional))


def modes_side_by_side(book: Book, market: Market, parameters: Parameters) -> dict[MarginMode, MarginResult]:
    """The same book margined in each of the three modes, priced once.

    ISOLATED and CROSS ask the same of a position; they differ in what an account may hold and in what stands behind it.
    """
    priced = price_table(book.table, market, parameters)
    return {mode: margin(book.in_mode(mode), market, parameters, priced) for mode in MarginMode}


def _token_prices(book: Book, market: Market) -> Floats:
    """[K] USD per token; 0 for a token that nobody holds and the market does not quote."""
    prices = np.zeros(len(book.tokens))
    for k, token in enumerate(book.tokens):
        if token.token in market.token_prices:
            prices[k] = market.token_prices[token.token]
        elif book.collateral[:, k].any():
            raise MarketError(f"expected a price of the collateral token {token.token}, got {list(market.token_prices)}")
    return prices


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator >= 0; +inf or -inf by the sign of the numerator (0 counts as +) where that is 0."""
    positive = denominator > 0.0
    unbounded = np.where(numerator >= 0.0, np.inf, -np.inf)
    return np.asarray(np.where(positive, numerator / np.where(positive, denominator, 1.0), unbounded))
