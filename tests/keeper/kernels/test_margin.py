"""The kernels against the reference: every figure of every account, all rules reached, to 1e-12 of gross notional."""

import logging
from dataclasses import fields, replace

import numpy as np
import pytest

from keeper import kernels, margin
from keeper.errors import BookError, MarketError, ParameterError
from keeper.kernels import Engine, switch
from keeper.kernels.prepared import AccountFigures, PreparedBook
from keeper.margin import Book, MarginResult
from keeper.model import MarginMode, Market, Parameters
from keeper.pricing import PricedTable
from tests.keeper.kernels.conftest import GROUPS, SPOTS, TABLES, book_of, make_market

LIMIT = 1e-12


def unit_of(result: MarginResult) -> np.ndarray:
    """Gross notional, or the cash and collateral of an account that has more of those: no sum is more exact than its terms."""
    book = result.book
    money = np.abs(book.cash) + book.collateral.sum(axis=1) * 4000.0
    money += np.bincount(book.position_account, np.abs(book.cost), book.accounts)
    return np.maximum(np.maximum(result.gross_notional, money), 1.0)


def compare(ours: AccountFigures | MarginResult, theirs: MarginResult) -> None:
    unit = unit_of(theirs)
    for item in fields(AccountFigures):
        if item.name != "health":
            difference = np.abs(getattr(ours, item.name) - getattr(theirs, item.name)) / unit
            assert difference.max() <= LIMIT, (item.name, int(difference.argmax()))
    finite = np.isfinite(theirs.health)
    assert (ours.health[~finite] == theirs.health[~finite]).all()
    kept = theirs.maintenance[finite] - theirs.long_options[finite]
    scale = unit[finite] * (1.0 + np.abs(theirs.health[finite])) / kept
    assert (np.abs(ours.health[finite] - theirs.health[finite]) <= LIMIT * scale).all()


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("table", TABLES)
def test_every_figure_of_random_books(table: str, groups: str) -> None:
    parameters, market = TABLES[table], make_market(GROUPS[groups])
    for seed in range(3):
        book = book_of(parameters, seed)
        expected = margin.margin(book, market, parameters)
        assert reached(expected), "the books are expected to reach every rule"
        prepared = PreparedBook.of(book, market, parameters)
        compare(prepared.in_book_order(prepared.figures(market)), expected)


def reached(result: MarginResult) -> bool:
    charged = all((getattr(result.charges, item.name) > 0.0).any() for item in fields(result.charges) if item.name != "spot_contingency")
    capped = result.charges.gamma.max() > 0.0
    floor = result.stress_requirement == result.parameters.notional_floor * result.gross_notional
    return bool(charged and capped and floor.any() and (~floor).any() and np.isinf(result.health).any())


@pytest.mark.parametrize("mode", MarginMode)
def test_all_modes_side_by_side(mode: MarginMode) -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    book = book_of(parameters, 5).in_mode(mode)
    expected = margin.margin(book, market, parameters)
    standard = margin.margin(book.in_mode(MarginMode.CROSS), market, parameters)
    prepared = PreparedBook.of(book, market, parameters)
    ours, others = (prepared.in_book_order(each) for each in prepared.side_by_side(market))
    compare(ours, expected)
    unit = unit_of(expected)
    for figures, theirs in (
        (others.stress_requirement, expected.stress_requirement),
        (others.standard_initial, standard.initial),
        (others.standard_maintenance, standard.maintenance),
        (others.long_options, standard.long_options),
    ):
        assert (np.abs(figures - theirs) <= LIMIT * unit).all()


@pytest.mark.parametrize("mode", [None, *MarginMode])
@pytest.mark.parametrize("groups", GROUPS)
def test_books_without_steep_gamma_take_the_short_loop(groups: str, mode: MarginMode | None) -> None:
    market = make_market(GROUPS[groups])
    steep = TABLES["35 scenarios"]
    parameters = replace(steep, gamma_tenor=0.0)
    book = book_of(parameters, 4) if mode is None else book_of(parameters, 4).in_mode(mode)
    expected, standard = (margin.margin(each, market, parameters) for each in (book, book.in_mode(MarginMode.CROSS)))
    prepared = PreparedBook.of(book, market, parameters)
    ours, others = (prepared.in_book_order(each) for each in prepared.side_by_side(market))
    assert prepared.table.fused
    assert not prepared.table.steep.any()
    compare(ours, expected)
    compare(prepared.in_book_order(prepared.figures(market)), expected)
    unit = unit_of(expected)
    alone = (expected.book.mode == MarginMode.PORTFOLIO) | ~expected.book.collateral.any(axis=1)
    assert (np.abs(others.stress_requirement - expected.stress_requirement)[alone] <= LIMIT * unit[alone]).all()
    assert (np.abs(others.standard_maintenance - standard.maintenance) <= LIMIT * unit).all()
    with_steep = PreparedBook.of(book, market, steep)
    with_steep.figures(market)
    assert with_steep.table.steep.any(), "the same book is expected to take the other loop where gamma counts"


def test_sums_stand_in_the_rows_where_there_is_room() -> None:
    fused = {name: PreparedBook.of(book_of(each, 1, 5), make_market(), each).table.fused for name, each in TABLES.items()}
    assert fused == {"35 scenarios": True, "23 scenarios": True, "40 scenarios": False, "3 scenarios, no collateral": True}


def test_a_moving_market_on_one_preparation() -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    book = book_of(parameters, 11)
    prepared = PreparedBook.of(book, market, parameters)
    moves = ((0, 0.7, 0), (1, 1.9, 3_600), (7, 0.3, 86_400), (1, 0.98, 200_000), (0, 1.5, 20_000_000))
    for underlying, factor, seconds in moves:
        market = replace(market.moved(underlying, factor, ("WETH",) if underlying == 1 else ()), time=market.time + seconds)
        compare(prepared.in_book_order(prepared.figures(market)), margin.margin(book, market, parameters))


@pytest.mark.parametrize("threads", [1, 2])
def test_stress_losses_of_segments(threads: int) -> None:
    for name in ("35 scenarios", "3 scenarios, no collateral"):
        parameters, market = TABLES[name], make_market(())
        book = book_of(parameters, 3).in_mode(MarginMode.CROSS)  # nothing joins
        prepared = PreparedBook.of(book, market, parameters, threads)
        losses = np.empty(book.segments)
        losses[prepared.segment_order] = prepared.stress_losses(market)
        expected = margin.margin(book, market, parameters)
        unit = np.maximum(expected.gross_notional[book.segment_account], 1.0)
        assert (np.abs(losses - expected.stress.loss) <= LIMIT * unit).all()


def test_the_switch_gives_the_reference_result() -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    book = book_of(parameters, 8)
    expected = margin.margin(book, market, parameters)
    ours = kernels.margin(book, market, parameters, engine=Engine.KERNELS)
    again = kernels.margin(book, replace(market, time=market.time + 60), parameters)
    assert isinstance(ours, MarginResult)
    assert (again.equity != ours.equity).any(), "the second tick must not share the arrays of the first"
    compare(ours, expected)
    for item in fields(PricedTable):
        figures = getattr(ours.priced, item.name)
        if isinstance(figures, np.ndarray):
            assert figures == pytest.approx(getattr(expected.priced, item.name), rel=1e-12, abs=2e-15 * SPOTS[0]), item.name
    for item in fields(type(expected.priced.quotes)):
        assert getattr(ours.priced.quotes, item.name) == pytest.approx(getattr(expected.priced.quotes, item.name), rel=1e-14), item.name
    unit = unit_of(expected)
    assert (np.abs(ours.stress_requirement - expected.stress_requirement) <= LIMIT * unit).all()
    assert (ours.shortfall == ours.maintenance - ours.margin_equity_maintenance).all()
    held = np.flatnonzero(expected.stress.held)
    at_ours = expected.stress.pnl[held, ours.stress.worst_index[held]]
    assert (np.abs(at_ours + expected.stress.loss[held]) <= LIMIT * unit[book.segment_account[held]]).all() or (at_ours > 0).any()
    for row in range(0, book.accounts, 37):
        assert margin.witness(ours, row).underlyings == tuple(ours.stress.worst_index[legs(expected, row)].tolist())
    assert ours.leverage == pytest.approx(expected.leverage, rel=1e-9)
    for part in ("charges", "greeks", "joined", "groups", "standard"):
        assert type(getattr(ours, part)) is type(getattr(expected, part))


def legs(result: MarginResult, row: int) -> np.ndarray:
    portfolio = result.book.mode[row] == MarginMode.PORTFOLIO
    return np.flatnonzero((result.book.segment_account == row) & result.stress.held & portfolio)


def test_the_reference_stands_in_for_broken_kernels(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    parameters, market = TABLES["23 scenarios"], make_market()
    book = book_of(parameters, 2, 20)
    monkeypatch.setattr(switch, "why_not_kernels", lambda: "numba is not installed")
    with caplog.at_level(logging.WARNING):
        result = kernels.margin(book, market, parameters)
    assert type(result) is MarginResult
    assert "numba is not installed" in caplog.text
    with pytest.raises(BookError, match="numba is not installed"):
        kernels.margin(book, market, parameters, engine="kernels")


def small(parameters: Parameters) -> Book:
    return book_of(parameters, 1, 30)


@pytest.mark.parametrize("engine", [Engine.KERNELS, Engine.REFERENCE])
def test_both_refuse_the_same(engine: Engine) -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    book = small(parameters)

    def refused(error: type[Exception], changed: Market, match: str) -> None:
        with pytest.raises(error, match=match):
            kernels.margin(book, changed, parameters, engine=engine)

    without = {index: u for index, u in market.underlyings.items() if index != 7}
    refused(MarketError, Market(market.time, without, (), market.token_prices), "underlying 7")
    no_expiry = {**market.underlyings, 0: replace(market.underlyings[0], expiries=market.underlyings[0].expiries[:-1])}
    refused(MarketError, replace(market, underlyings=no_expiry), "expected a forward for expiry")
    bare = tuple(replace(e, svi=None) for e in market.underlyings[0].expiries)
    refused(MarketError, replace(market, underlyings={**market.underlyings, 0: replace(market.underlyings[0], expiries=bare)}), "SVI slice")
    refused(MarketError, replace(market, token_prices={"USDT": 1.0}), "price of the collateral token WETH")
    scaled = {**market.underlyings, 1: replace(market.underlyings[1], spot_scale=6.0)}
    refused(ParameterError, replace(market, underlyings=scaled), "spot_scale")
    with pytest.raises(BookError, match="collateral"):
        kernels.margin(book, market, TABLES["3 scenarios, no collateral"], engine=engine)


def test_a_figure_that_is_not_finite_names_its_account() -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    book = small(parameters)
    size = book.size.copy()
    size[len(size) // 2] = 1e308
    broken = replace(book, size=size)
    wrong = int(broken.account_id[broken.position_account[len(size) // 2]])
    with pytest.raises(BookError, match=f"account {wrong} "), np.errstate(all="ignore"):
        kernels.margin(broken, market, parameters, engine=Engine.KERNELS)


def test_spots_are_those_of_the_market() -> None:
    assert {index: u.spot for index, u in make_market().underlyings.items()} == SPOTS
