"""While tripped, withdrawals value each leg at the worse of its price now and before the trip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from keeper.pricing import InstrumentTable, price_table
from scripts.demo.crash import market_of, parameters
from scripts.deploy import SETTLEMENT
from tests.reverts import reverts

WAD = 10**18
ETH, BTC = 0, 1
PERP = Instrument.perp(ETH)
BEFORE = 3_400.0

pytestmark = pytest.mark.usefixtures("strict_breaker")


@pytest.fixture
def trips(project: Any, deployment: Any) -> Any:
    return project.TripDiscount.at(deployment.address("TripDiscount"))


@pytest.fixture
def gained() -> Callable[..., float]:
    """What one contract gained by the spot's move from `before`, the surface as it is: the keeper's prices, in floats."""

    def difference(market: dict[str, Any], instrument: Instrument, before: float) -> float:
        now = market_of(market)
        then = now.moved(instrument.underlying, before / now.underlying(instrument.underlying).spot)
        table = InstrumentTable.of([instrument])
        (present,), (past,) = (price_table(table, m, parameters()).value for m in (now, then))
        return float(present - past)

    return difference


@pytest.fixture
def parties(account_of: Any, alice: Any, bob: Any, publish: Any, trade_at_mark: Any) -> tuple[Any, Any]:
    """Long and short of ten perps."""
    long = account_of(alice, MarginMode.CROSS, usdc=20_000)
    short = account_of(bob, MarginMode.CROSS, usdc=60_000)
    publish()
    trade_at_mark(long, short, PERP, 10)
    return long, short


def test_nothing_without_a_trip(trips: Any, parties: Any, publish: Any) -> None:
    publish({"ETH": 3_800.0})  # 12 %: no trip
    assert [tuple(trips.discount(party.account)) for party in parties] == [(0, 0), (0, 0)]


@pytest.mark.parametrize(("spot", "winner"), [(4_080.0, 0), (2_720.0, 1)], ids=["up", "down"])
def test_the_gain_of_the_jump_does_not_count(trips: Any, parties: Any, confirm: Any, spot: float, winner: int) -> None:
    confirm({"ETH": spot})
    assert tuple(trips.discount(parties[winner].account)) == (6_800 * WAD, 0)  # 10 contracts x 680 USD
    assert tuple(trips.discount(parties[1 - winner].account)) == (0, 0)  # its present price is the worse one


def test_while_a_jump_is_held_nothing_has_moved_yet(trips: Any, parties: Any, publish: Any, breaker: Any) -> None:
    publish({"ETH": 4_080.0})
    assert breaker.stateOf(ETH) == 1
    assert [tuple(trips.discount(party.account)) for party in parties] == [(0, 0), (0, 0)]


def test_it_ends_with_the_timer(trips: Any, parties: Any, confirm: Any, publish: Any, move_time: Any, breaker: Any) -> None:
    confirm({"ETH": 4_080.0})
    move_time(300)
    publish({"ETH": 4_080.0})
    assert breaker.stateOf(ETH) == 0
    assert tuple(trips.discount(parties[0].account)) == (0, 0)


def test_others_trips_do_not_matter(trips: Any, parties: Any, confirm: Any) -> None:
    confirm({"BTC": 130_000.0})
    assert tuple(trips.discount(parties[0].account)) == (0, 0)


def test_what_the_guardian_holds_discounts_nothing(trips: Any, parties: Any, publish: Any, breaker: Any, guardian: Any) -> None:
    breaker.tighten(ETH, 1, {"from": guardian})
    publish({"ETH": 3_800.0})
    assert tuple(trips.discount(parties[0].account)) == (0, 0)


@pytest.mark.parametrize("spot", [4_080.0, 2_720.0])
def test_each_leg_by_itself(
    trips: Any,
    account_of: Any,
    alice: Any,
    bob: Any,
    publish: Any,
    trade_at_mark: Any,
    confirm: Any,
    expiries: Any,
    gained: Any,
    spot: float,
) -> None:
    """Gains of one leg do not make up for another: the sum of each leg's own worse price, against the keeper's prices."""
    holder = account_of(alice, MarginMode.PORTFOLIO, usdc=500_000, weth=3)
    other = account_of(bob, MarginMode.PORTFOLIO, usdc=500_000)
    month = expiries[1]
    legs = (
        (PERP, 5),
        (Instrument.future(ETH, month), -4),
        (Instrument.call(ETH, month, 3_500), 6),
        (Instrument.put(ETH, month, 3_300), 7),
        (Instrument.call(ETH, expiries[2], 4_000), -8),
    )
    publish()
    for instrument, size in legs:
        buyer, seller = (holder, other) if size > 0 else (other, holder)
        trade_at_mark(buyer, seller, instrument, abs(size))
        publish()
    market = confirm({"ETH": spot})
    expected = sum(max(0.0, size * gained(market, instrument, BEFORE)) for instrument, size in legs)
    assert sum(size * gained(market, instrument, BEFORE) for instrument, size in legs) != pytest.approx(expected, rel=1e-2)
    found, collateral = trips.discount(holder.account)
    assert found / WAD == pytest.approx(expected, rel=1e-6)
    assert collateral == 3 * max(0, int(spot - BEFORE)) * WAD


def test_a_withdrawal_counts_the_discount(
    clearing: Any, ledger: Any, trips: Any, parties: Any, confirm: Any, publish: Any, alice: Any, move_time: Any, engine: Any
) -> None:
    """The winner of a jump cannot take its gain out while tripped; without the gain it may withdraw as ever."""
    long, _ = parties
    confirm({"ETH": 4_080.0})
    assert tuple(trips.discount(long.account)) == (6_800 * WAD, 0)
    free = 20_000 * WAD - engine.requirement(long.account)[0]  # what is left without the gain, fees aside
    publish({"ETH": 4_080.0})
    with reverts("InsufficientInitialMargin"):
        clearing.withdraw(long.account, SETTLEMENT, (free + 10 * WAD) // 10**12 * 10**12, alice, {"from": alice})
    clearing.withdraw(long.account, SETTLEMENT, (free - 100 * WAD) // 10**12 * 10**12, alice, {"from": alice})


def test_a_token_that_counts_for_nothing_changes_nothing(
    project: Any, clearing: Any, vault: Any, governance: Any, trips: Any, parties: Any, confirm: Any, publish: Any, alice: Any
) -> None:
    """Listed, without a row in the parameters; the tokens before it in the list are not held."""
    long, _ = parties
    token, index = project.TokenMock.deploy("Odd", "ODD", 18, {"from": alice}), vault.tokenCount()
    vault.list(token, {"from": governance})
    token.mint(alice, 5 * WAD, {"from": alice})
    token.approve(vault, 5 * WAD, {"from": alice})
    clearing.deposit(long.account, index, 5 * WAD, {"from": alice})
    confirm({"ETH": 4_080.0})
    assert tuple(trips.discount(long.account)) == (6_800 * WAD, 0)
    publish({"ETH": 4_080.0})
    clearing.withdraw(long.account, SETTLEMENT, WAD, alice, {"from": alice})


def test_no_withdrawals_while_halted(clearing: Any, parties: Any, publish: Any, breaker: Any, guardian: Any, alice: Any) -> None:
    publish()
    breaker.tighten(ETH, 2, {"from": guardian})
    with reverts("WithdrawalsHalted", parties[0].account, 2):
        clearing.withdraw(parties[0].account, SETTLEMENT, 10**18, alice, {"from": alice})
