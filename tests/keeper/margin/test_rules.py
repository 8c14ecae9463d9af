"""Rules of margin.md that have a figure one can work out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from keeper.margin import Book, Leg, MarginResult, account_margin, account_report, attribution, liquidation_prices, margin, what_if
from keeper.model import (
    DPRE_1,
    Account,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    SviSlice,
    UnderlyingMarket,
    Wad,
)

DAY = 86_400
NOW = 1_780_000_000
MONTH = NOW + 30 * DAY


def flat(vol: float, forward: float, days: float) -> ExpiryMarket:
    years = days / 365
    variance = vol * vol * years
    return ExpiryMarket(NOW + round(days * DAY), forward, 0.0, SviSlice(variance, 0.0, 0.0, 0.0, 0.1, forward, years))


QUIET = Market(NOW, {0: UnderlyingMarket(100.0, 100.0, expiries=(flat(0.5, 100.0, 1), flat(0.5, 100.0, 30)))})


def trader(mode: MarginMode, cash: float, positions: dict[Instrument, tuple[float, float]], **collateral: int) -> Account:
    return Account(
        1,
        "0x01",
        mode,
        Wad.from_float(cash),
        {token: Wad.whole(quantity) for token, quantity in collateral.items()},
        {i: Position(Wad.from_float(size), Wad.from_float(cost)) for i, (size, cost) in positions.items()},
    )


def margin_of(account: Account, market: Market, parameters: Parameters = DPRE_1) -> MarginResult:
    return margin(Book.from_accounts([account], parameters), market, parameters)


def test_delta_equivalent_of_perps_futures_and_calls() -> None:
    """100 perps + 50 futures + 200 calls of delta 0.6 = 270 units (margin.md section 7)."""
    stdev = 0.5 * np.sqrt(30 / 365)
    strike = round(100.0 * float(np.exp(0.5 * stdev**2 - ndtri(0.6) * stdev)), 8)
    legs = {Instrument.perp(0): 100.0, Instrument.future(0, MONTH): 50.0, Instrument.call(0, MONTH, strike): 200.0}
    account = trader(MarginMode.PORTFOLIO, 1e6, {i: (size, 0.0) for i, size in legs.items()})
    report = account_margin(account, QUIET, DPRE_1)
    assert report.underlyings[0].greeks["delta"] == pytest.approx(270.0, abs=1e-5)
    assert report.underlyings[0].delta_notional == pytest.approx(27_000.0, abs=1e-3)


def test_a_lone_perp_in_portfolio_asks_the_widest_core_move_and_the_roll() -> None:
    result = margin_of(trader(MarginMode.PORTFOLIO, 1e3, {Instrument.perp(0): (10.0, 1_000.0)}), QUIET)
    assert result.initial[0] == pytest.approx(0.18 * 1_000 + 0.01 * 1_000, rel=1e-12)
    assert result.maintenance[0] == pytest.approx(0.8 * 190.0, rel=1e-12)
    assert result.health[0] == pytest.approx(1_000.0 / (0.8 * 190.0), rel=1e-12)


def test_paid_up_long_options_stand_aside_of_health() -> None:
    """(margin equity - L) / (MM - L); nothing else required: unbounded, with the sign of what is left."""
    call, perp = Instrument.call(0, MONTH, 100), Instrument.perp(0)
    mark = float(margin_of(trader(MarginMode.CROSS, 0.0, {call: (1.0, 0.0)}), QUIET).equity[0])
    for mode in (MarginMode.CROSS, MarginMode.ISOLATED):
        paid = margin_of(trader(mode, 10.0 * mark, {call: (10.0, 10.0 * mark)}), QUIET)
        assert paid.initial[0] == paid.maintenance[0] == pytest.approx(10.0 * mark)
        assert paid.health[0] == np.inf
        short_of_it = margin_of(trader(mode, 9.0 * mark, {call: (10.0, 10.0 * mark)}), QUIET)
        assert short_of_it.health[0] == -np.inf
    mixed = margin_of(trader(MarginMode.CROSS, 10.0 * mark + 50.0, {call: (10.0, 10.0 * mark), perp: (10.0, 1_000.0)}), QUIET)
    assert mixed.health[0] == pytest.approx(50.0 / (0.025 * 1_000.0), rel=1e-12)
    assert margin_of(trader(MarginMode.PORTFOLIO, 9.0, {call: (10.0, 9.0)}), QUIET).long_options[0] == 0.0


def test_collateral_joins_the_legs_in_portfolio_only(market: Market, parameters: Parameters) -> None:
    call = Instrument.call(1, MONTH, 3_300)
    held = {mode: margin_of(trader(mode, 0.0, {call: (-100.0, -5_000.0)}, WETH=100), market, parameters) for mode in MarginMode}
    joined, cross = held[MarginMode.PORTFOLIO], held[MarginMode.CROSS]
    value = 100 * 3_001.0
    assert joined.margin_equity_initial[0] == joined.equity[0] == cross.equity[0]
    assert cross.margin_equity_initial[0] == pytest.approx(cross.equity[0] - 0.20 * value, rel=1e-12)
    assert cross.margin_equity_maintenance[0] == pytest.approx(cross.equity[0] - 0.15 * value, rel=1e-12)
    assert joined.charges.spot_contingency[0] == pytest.approx(0.03 * value, rel=1e-12)
    naked = margin_of(trader(MarginMode.PORTFOLIO, 0.0, {call: (-100.0, -5_000.0)}), market, parameters)
    assert joined.stress.worst_index[0] != naked.stress.worst_index[0]
    up_tail = 34  # +500 %: the covered call gains there, the naked one is lost
    assert joined.stress.pnl[0, up_tail] - naked.stress.pnl[0, up_tail] == pytest.approx(value * 5.0 * 0.02772, rel=1e-12)


def test_expired_legs_keep_their_value_and_lose_their_risk() -> None:
    settled = ExpiryMarket(NOW - DAY, 90.0, settlement=95.0)
    market = Market(NOW, {0: UnderlyingMarket(100.0, 100.0, expiries=(settled,))})
    legs = {Instrument.put(0, NOW - DAY, 100): (-2.0, -8.0), Instrument.future(0, NOW - DAY): (1.0, 94.0)}
    result = margin_of(trader(MarginMode.PORTFOLIO, 50.0, legs), market)
    assert result.equity[0] == pytest.approx(50.0 - 2 * 5.0 + 8.0 + 95.0 - 94.0)
    assert not result.stress.pnl.any()
    assert (result.greeks.delta[0], result.charges.roll[0], result.charges.rate[0]) == (0.0, 0.0, 0.0)


def test_attribution_adds_up_and_a_linear_book_is_all_delta(result: MarginResult) -> None:
    parts = attribution(result)
    at_worst = result.stress.pnl[np.arange(result.book.segments), result.stress.worst_index]
    total = parts.delta + parts.gamma + parts.vega + parts.tail
    np.testing.assert_allclose(total, -at_worst, rtol=1e-9, atol=1e-6)
    perp = attribution(margin_of(trader(MarginMode.PORTFOLIO, 0.0, {Instrument.perp(0): (1.0, 100.0)}), QUIET))
    assert [perp.delta[0], perp.gamma[0], perp.vega[0]] == pytest.approx([18.0, 0.0, 0.0])
    assert perp.tail[0] == pytest.approx(0.0, abs=1e-12)


def test_attribution_of_a_straddle_to_vega() -> None:
    """A vol shock alone: the vega part is the first order of the loss, the tail what is left of it."""
    still = replace(DPRE_1, scenarios=tuple(s for s in DPRE_1.scenarios if s.spot_shock == 0.0))
    straddle = {make(0, MONTH, 100): (-10.0, 0.0) for make in (Instrument.call, Instrument.put)}
    result = margin_of(trader(MarginMode.PORTFOLIO, 0.0, straddle), QUIET, still)
    parts = attribution(result)
    assert parts.vega[0] == pytest.approx(-result.greeks.vega[0] * 0.25, rel=1e-12)
    assert parts.delta[0] == parts.gamma[0] == 0.0
    assert abs(parts.tail[0]) < 0.01 * parts.vega[0]


class TestWhatIf:
    """Margin after a list of legs."""

    def test_legs_at_mark_leave_equity_and_match_a_book_that_holds_them(
        self, book: Book, accounts: tuple[Account, ...], market: Market, parameters: Parameters
    ) -> None:
        for row in range(0, 60, 7):
            held = next(iter(accounts[row].positions), Instrument.perp(0))
            legs = [Leg(Instrument.call(1, MONTH, 3_000), -3.0), Leg(held, 0.5), Leg(Instrument.perp(2), 20.0)]
            answer = what_if(book, row, legs, market, parameters)
            assert answer.after.equity[0] == pytest.approx(answer.before.equity[0], rel=1e-12, abs=1e-6)
            sizes = {i: p.size.to_float() for i, p in accounts[row].positions.items()}
            for leg in legs:
                sizes[leg.instrument] = sizes.get(leg.instrument, 0.0) + leg.size
            direct = replace(accounts[row], positions={i: Position(Wad.from_float(s), Wad(0)) for i, s in sizes.items()})
            expected = margin(Book.from_accounts([direct], parameters), market, parameters)
            assert answer.after.initial[0] == pytest.approx(expected.initial[0], rel=1e-12)
            assert answer.after.maintenance[0] == pytest.approx(expected.maintenance[0], rel=1e-12)

    def test_a_price_away_from_mark_costs_the_difference(self) -> None:
        book = Book.from_accounts([trader(MarginMode.CROSS, 100.0, {Instrument.perp(0): (2.0, 190.0)})], DPRE_1)
        answer = what_if(book, 0, [Leg(Instrument.perp(0), 3.0, price=101.0)], QUIET, DPRE_1, cash_change=-7.0)
        assert answer.after.equity[0] == pytest.approx(answer.before.equity[0] - 3.0 - 7.0)
        closed = what_if(book, 0, [Leg(Instrument.perp(0), -2.0, price=99.0)], QUIET, DPRE_1)
        assert (closed.after.initial[0], closed.after.gross_notional[0]) == (0.0, 0.0)
        assert closed.after.equity[0] == pytest.approx(100.0 + 2.0 * 99.0 - 190.0)


class TestLiquidationPrices:
    """Margin equity = maintenance margin, others fixed, basis and vols unchanged."""

    def test_of_a_perp_is_the_closed_form(self) -> None:
        """cash + size (M - entry) = 2.5 % |size| M."""
        for size, cash in ((10.0, 100.0), (-10.0, 100.0)):
            account = trader(MarginMode.ISOLATED, cash, {Instrument.perp(0): (size, size * 100.0)})
            prices = liquidation_prices(Book.from_accounts([account], DPRE_1), 0, 0, QUIET, DPRE_1)
            expected = (size * 100.0 - cash) / (size - 0.025 * abs(size))
            assert (prices.below if size > 0 else prices.above) == pytest.approx(expected, rel=1e-12)
            assert (prices.above if size > 0 else prices.below) is None

    def test_of_a_short_straddle_lie_on_both_sides(self) -> None:
        straddle = {make(0, MONTH, 100): (-10.0, -60.0) for make in (Instrument.call, Instrument.put)}
        account = trader(MarginMode.PORTFOLIO, 500.0, straddle)
        prices = liquidation_prices(Book.from_accounts([account], DPRE_1), 0, 0, QUIET, DPRE_1)
        assert prices.below is not None
        assert prices.above is not None
        assert prices.below < 100.0 < prices.above
        for spot in (prices.below, prices.above):
            moved = margin_of(account, QUIET.moved(0, spot / 100.0))
            assert moved.shortfall[0] == pytest.approx(0.0, abs=1e-8)
        for spot in np.linspace(prices.below, prices.above, 50)[1:-1]:
            assert margin_of(account, QUIET.moved(0, float(spot) / 100.0)).shortfall[0] < 0.0

    def test_collateral_of_the_underlying_moves_along(self, market: Market, parameters: Parameters) -> None:
        """100 WETH against a short of 100 ETH perps: cash 50,000 fixed, the token's haircut grows with the price."""
        account = trader(MarginMode.CROSS, 20_000.0, {Instrument.perp(1): (-100.0, -299_500.0)}, WETH=100)
        prices = liquidation_prices(Book.from_accounts([account], parameters), 0, 1, market, parameters)
        # 20,000 + 299,500 - 299,500 f + 0.85 * 300,100 f = 0.025 * 299,500 f
        factor = 319_500.0 / (299_500.0 - 0.85 * 300_100.0 + 0.025 * 299_500.0)
        assert prices.above == pytest.approx(3_000.0 * factor, rel=1e-12)
        assert prices.below is None


def test_the_report_shows_the_three_modes_and_says_what_the_result_says(
    result: MarginResult, market: Market, parameters: Parameters
) -> None:
    row = next(r for r in range(result.book.accounts) if result.book.mode[r] == 2 and result.groups.held[r].any())
    report = account_report(result.book, row, market, parameters)
    assert report.account_id == result.book.account_id[row]
    assert report.initial == pytest.approx(result.initial[row], rel=1e-12)
    assert report.modes[MarginMode.PORTFOLIO].initial == report.initial
    cross, isolated = report.modes[MarginMode.CROSS], report.modes[MarginMode.ISOLATED]
    assert cross == isolated
    assert cross.initial == pytest.approx(margin(result.book.in_mode(MarginMode.CROSS), market, parameters).initial[row], rel=1e-12)
    assert report.modes[report.mode].capital_efficiency == pytest.approx(report.gross_notional / report.initial)
    credit = sum(group.credit for group in report.groups)
    charges = sum(sum(u.charges.values()) for u in report.underlyings)
    losses = sum(u.stress_loss for u in report.underlyings)
    assert report.initial == pytest.approx(losses - credit + charges, rel=1e-9)
    for underlying in report.underlyings:
        assert sum(underlying.attribution.values()) == pytest.approx(underlying.stress_loss, rel=1e-9, abs=1e-6)
        assert underlying.liquidation is not None


def test_requirements_do_not_depend_on_cash_and_equity_does_one_for_one(
    result: MarginResult, market: Market, parameters: Parameters
) -> None:
    richer = margin(replace(result.book, cash=result.book.cash + 1_000.0), market, parameters)
    np.testing.assert_array_equal(richer.initial, result.initial)
    np.testing.assert_allclose(richer.equity - result.equity, 1_000.0, rtol=1e-9)


def test_a_second_index_with_the_same_loss_does_not_displace_the_first() -> None:
    """Ties go to the lowest index: a perp loses the same whatever the vol does."""
    for size, first in ((1.0, 0), (-1.0, 24)):
        result = margin_of(trader(MarginMode.PORTFOLIO, 0.0, {Instrument.perp(0): (size, 0.0)}), QUIET)
        assert result.stress.worst_index[0] == first
