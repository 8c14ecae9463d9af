"""Settlement: futures and options closed at the fixed price, by anybody, in any pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from scripts.anvil import Anvil
from tests.reverts import reverts

WAD = 10**18
ETH = 0


@pytest.fixture
def expiry(expiries: tuple[int, ...]) -> int:
    return expiries[0]


@pytest.fixture
def legs(expiry: int) -> dict[str, Instrument]:
    return {
        "perp": Instrument.perp(ETH),
        "future": Instrument.future(ETH, expiry),
        "call": Instrument.call(ETH, expiry, 3_300),
        "put": Instrument.put(ETH, expiry, 3_300),
        "worthless": Instrument.call(ETH, expiry, 9_000),
    }


@pytest.fixture
def parties(account_of: Any, publish: Any, trade_at_mark: Any, legs: dict[str, Instrument], alice: Any, bob: Any, carol: Any) -> list[Any]:
    """Three accounts with every kind of leg, opened well before the expiry."""
    found = [account_of(who, MarginMode.PORTFOLIO, usdc=200_000) for who in (alice, bob, carol)]
    publish()
    one, two, three = found
    trade_at_mark(one, two, legs["perp"], 1)
    trade_at_mark(one, two, legs["future"], 2)
    publish()
    trade_at_mark(two, three, legs["call"], 3)
    trade_at_mark(three, one, legs["put"], 1.5)
    publish()
    trade_at_mark(one, three, legs["worthless"], 4)
    return found


@pytest.fixture
def expire(anvil: Anvil, publish: Any, expiry: int, expiries: tuple[int, ...]) -> Callable[[float], None]:
    """To after the expiry, with one spot through the whole window."""

    def wait(spot: float) -> None:
        from scripts.market_path import OPENING_SPOTS, market_at  # noqa: PLC0415 - beside its only use

        anvil.advance(expiry - 3_600 - anvil.time())
        publish({"ETH": spot})
        anvil.advance(expiry + 60 - anvil.time())
        publish(market=market_at(anvil.time(), expiries[1:], OPENING_SPOTS | {"ETH": spot}))

    return wait


def values(price: int) -> dict[str, int]:
    return {"future": price, "call": max(price - 3_300 * WAD, 0), "put": max(3_300 * WAD - price, 0), "worthless": 0}


@pytest.mark.parametrize("spot", [3_450.0, 3_111.0])
def test_everybody_is_paid_what_the_price_says(
    ledger: Any,
    engine: Any,
    settlement: Any,
    parties: list[Any],
    legs: dict[str, Instrument],
    expire: Any,
    expiry: int,
    stranger: Any,
    spot: float,
) -> None:
    expire(spot)
    price = settlement.fix(ETH, expiry, {"from": stranger}).return_value
    assert price == int(spot) * WAD
    pays = values(price)
    before = {}
    for party in parties:
        held = {instrument: (size, cost) for instrument, size, cost in ledger.positions(party.account)}
        exact = sum(
            held[legs[name].pack()][0] * value // WAD - held[legs[name].pack()][1]
            for name, value in pays.items()
            if legs[name].pack() in held
        )
        before[party.account] = (ledger.cash(party.account), exact, engine.requirement(party.account)["equity"])
    receipt = settlement.settle([p.account for p in parties], ETH, expiry, {"from": stranger})
    assert receipt.return_value == 8
    settled = {e["account"]: e["positions"] for e in receipt.events["PositionsSettled"]}
    assert settled == {parties[0].account: 3, parties[1].account: 2, parties[2].account: 3}
    for party in parties:
        cash, exact, equity = before[party.account]
        assert abs(ledger.cash(party.account) - cash - exact) <= 3  # roundings of each leg
        assert abs(engine.requirement(party.account)["equity"] - equity) <= 3  # the engine valued it so before
    left = {instrument for p in parties for instrument, _, _ in ledger.positions(p.account)}
    assert left == {legs["perp"].pack()}
    assert -8 <= ledger.inTransit() <= 0
    for name in pays:
        assert tuple(ledger.openInterestSides(legs[name].pack())) == (0, 0)
        assert settlement.settlementValue(legs[name].pack()) == pays[name]
    assert ledger.openInterestOf(ETH) == WAD  # the perp's


def test_settles_at_the_engines_marks(
    engine: Any, settlement: Any, parties: list[Any], legs: dict[str, Instrument], expire: Any, expiry: int, stranger: Any
) -> None:
    expire(3_450.0)
    settlement.fix(ETH, expiry, {"from": stranger})
    dated = [leg.pack() for name, leg in legs.items() if name != "perp"]
    marks, _ = engine.marks(dated)
    assert list(marks) == [settlement.settlementValue(leg) for leg in dated]


def test_resumes_where_it_stopped(
    ledger: Any, settlement: Any, parties: list[Any], expire: Any, expiry: int, stranger: Any, alice: Any
) -> None:
    expire(3_450.0)
    settlement.fix(ETH, expiry, {"from": stranger})
    total, last = 0, ledger.accountCount()
    first = settlement.settleNext(ETH, expiry, last - 1, {"from": stranger})
    total, done = first.return_value
    assert not done
    assert settlement.visited(ETH, expiry) == last - 1
    assert ledger.inTransit() != 0  # one side is paid, the other is not
    second = settlement.settleNext(ETH, expiry, 1_000, {"from": alice})
    positions, done = second.return_value
    assert done
    assert total + positions == 8
    assert dict(second.events["SettlementAdvanced"]) == {"underlying": ETH, "expiry": expiry, "account": last}
    assert -8 <= ledger.inTransit() <= 0
    again, done = settlement.settleNext(ETH, expiry, 1_000, {"from": alice}).return_value
    assert (again, done) == (0, True)


def test_twice_is_once(ledger: Any, settlement: Any, parties: list[Any], expire: Any, expiry: int, stranger: Any) -> None:
    expire(3_450.0)
    settlement.fix(ETH, expiry, {"from": stranger})
    accounts = [p.account for p in parties]
    settlement.settle([*accounts, accounts[0]], ETH, expiry, {"from": stranger})
    cash = [ledger.cash(a) for a in accounts]
    assert settlement.settle(accounts, ETH, expiry, {"from": stranger}).return_value == 0
    assert [ledger.cash(a) for a in accounts] == cash


def test_nothing_before_the_price_is_fixed(
    settlement: Any, parties: list[Any], legs: dict[str, Instrument], expire: Any, expiry: int, stranger: Any
) -> None:
    accounts = [p.account for p in parties]
    with reverts("NotExpired", ETH, expiry, ...):
        settlement.fix(ETH, expiry, {"from": stranger})
    for call in (
        lambda: settlement.settle(accounts, ETH, expiry, {"from": stranger}),
        lambda: settlement.settleNext(ETH, expiry, 10, {"from": stranger}),
        lambda: settlement.settlementValue(legs["call"].pack()),
    ):
        with reverts("NotFixed", ETH, expiry):
            call()
    expire(3_450.0)
    with reverts("NotFixed", ETH, expiry):
        settlement.settle(accounts, ETH, expiry, {"from": stranger})
    settlement.fix(ETH, expiry, {"from": stranger})
    with reverts("AlreadySettled", ETH, expiry, 3_450 * WAD):
        settlement.fix(ETH, expiry, {"from": stranger})
    with reverts("NotFixed", ETH, 0):
        settlement.settlementValue(legs["perp"].pack())
    unknown = 9 << 104 | legs["future"].pack() % 2**104
    with reverts("UnknownInstrument", unknown):
        settlement.settlementValue(unknown)


def test_who_cannot_pay_is_left_with_a_debt(
    ledger: Any,
    settlement: Any,
    account_of: Any,
    publish: Any,
    trade_at_mark: Any,
    legs: dict[str, Instrument],
    expire: Any,
    expiry: int,
    alice: Any,
    bob: Any,
    stranger: Any,
) -> None:
    poor, rich = account_of(alice, MarginMode.CROSS, usdc=900), account_of(bob, MarginMode.CROSS, usdc=100_000)
    publish()
    trade_at_mark(rich, poor, legs["future"], 2)
    expire(4_500.0)
    settlement.fix(ETH, expiry, {"from": stranger})
    settlement.settle([poor.account, rich.account], ETH, expiry, {"from": stranger})
    assert ledger.cash(poor.account) < -WAD
    assert len(ledger.positions(poor.account)) == 0
    assert ledger.inTransit() == 0


def test_gas_per_account(settlement: Any, parties: list[Any], expire: Any, expiry: int, stranger: Any, record_property: Any) -> None:
    """Bounded by the positions of the accounts named: a batch that is too large is cut."""
    expire(3_450.0)
    settlement.fix(ETH, expiry, {"from": stranger})
    one = settlement.settle([parties[0].account], ETH, expiry, {"from": stranger}).gas_used
    two = settlement.settle([p.account for p in parties[1:]], ETH, expiry, {"from": stranger}).gas_used
    record_property("gas_per_account", (one, two // 2))
    assert one < 300_000
    assert two < 600_000
