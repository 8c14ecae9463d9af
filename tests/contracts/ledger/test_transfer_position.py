"""Ledger.transferPosition: cost, realised profit, flips, rounding, limits."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.ledger.conftest import BTC_PERP, CALL, EXPIRY, ISOLATED, PERP, TRADE, WAD
from tests.reverts import reverts

Trade = Callable[..., Any]
Read = Callable[..., tuple[int, int]]


def test_opens_both_sides(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 2_000 * WAD)
    assert position(buyer) == (3 * WAD, 6_000 * WAD)
    assert position(seller) == (-3 * WAD, -6_000 * WAD)
    assert ledger.positionSize(buyer, PERP) == 3 * WAD
    assert ledger.positionSize(seller, PERP) == -3 * WAD
    assert tuple(ledger.position(seller, PERP)) == (-3 * WAD, -6_000 * WAD)
    assert tuple(ledger.position(seller, BTC_PERP)) == (0, 0)
    assert (ledger.cash(buyer), ledger.costs(buyer)) == (0, 6_000 * WAD)
    assert (ledger.cash(seller), ledger.costs(seller)) == (0, -6_000 * WAD)
    assert ledger.openInterest(PERP) == 3 * WAD
    assert ledger.account(buyer)[2] == 1


def test_says_what_both_sides_hold(trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 2_000 * WAD)
    receipt = trade(buyer, seller, WAD, 2_100 * WAD)
    events = [dict(e) for e in receipt.events["PositionChanged"]]
    common = {"instrument": PERP, "fundingIndex": 0, "price": 2_100 * WAD}
    assert events == [
        {"account": seller, "size": -2 * WAD, "cost": -4_000 * WAD, **common},
        {"account": buyer, "size": 2 * WAD, "cost": 4_000 * WAD, **common},
    ]
    cash = [(e["account"], e["reason"], e["change"], e["cash"]) for e in receipt.events["CashChanged"]]
    assert cash == [(seller, TRADE, -100 * WAD, -100 * WAD), (buyer, TRADE, 100 * WAD, 100 * WAD)]


def test_opening_moves_no_cash(trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 2_000 * WAD)
    assert "CashChanged" not in trade(seller, buyer, WAD, 2_200 * WAD).events


def test_closing_realises_pro_rata(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    trade(seller, buyer, 1 * WAD, 2_000 * WAD)
    trade(seller, buyer, 3 * WAD, 2_400 * WAD)  # average 2,300
    trade(buyer, seller, 1 * WAD, 2_500 * WAD)
    assert position(buyer) == (3 * WAD, 6_900 * WAD)
    assert ledger.cash(buyer) == 200 * WAD
    assert ledger.cash(seller) == -200 * WAD
    assert ledger.openInterest(PERP) == 3 * WAD
    trade(buyer, seller, 3 * WAD, 2_000 * WAD)
    assert position(buyer) == position(seller) == (0, 0)
    assert len(ledger.positions(buyer)) == len(ledger.positions(seller)) == 0
    assert ledger.cash(buyer) == (200 - 900) * WAD
    assert ledger.cash(seller) == (900 - 200) * WAD
    assert ledger.costs(buyer) == ledger.costs(seller) == 0
    assert ledger.openInterest(PERP) == 0


def test_flip_closes_fully_and_opens_the_rest(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    trade(seller, buyer, 2 * WAD, 1_000 * WAD)
    trade(buyer, seller, 5 * WAD, 1_100 * WAD)
    assert position(buyer) == (-3 * WAD, -3_300 * WAD)
    assert position(seller) == (3 * WAD, 3_300 * WAD)
    assert ledger.cash(buyer) == 200 * WAD
    assert ledger.cash(seller) == -200 * WAD
    assert ledger.openInterest(PERP) == 3 * WAD


def test_third_party_takes_over(ledger: Any, trade: Trade, account_of: Any, carol: Any, buyer: int, seller: int) -> None:
    newcomer = account_of(carol)
    trade(seller, buyer, 2 * WAD, 1_000 * WAD)
    trade(buyer, newcomer, 2 * WAD, 1_250 * WAD)
    assert ledger.cash(buyer) == 500 * WAD
    assert ledger.openInterest(PERP) == 2 * WAD
    assert [ledger.positionSize(a, PERP) for a in (buyer, seller, newcomer)] == [0, -2 * WAD, 2 * WAD]


def test_price_of_zero(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 5 * WAD, CALL)
    trade(buyer, seller, WAD, 0, CALL)  # an option may be worthless
    assert ledger.cash(buyer) == -5 * WAD
    assert ledger.cash(seller) == 5 * WAD


def test_notional_is_up_for_the_buyer_and_down_for_the_seller(position: Read, trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, 1, 1)  # 1e-36 USD
    assert position(buyer) == (1, 1)
    assert position(seller) == (-1, 0)


def test_realised_profit_is_down_for_each(ledger: Any, position: Read, trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 1)  # cost 3e-18: a third of it per contract
    trade(seller, buyer, 4 * WAD, 0)  # 7 contracts for 3e-18
    trade(buyer, seller, 2 * WAD, 1)
    # The buyer sells 2 of 7 for 2e-18; 6/7e-18 of cost closes, rounded up to 1: realised 1.
    # The seller's cost is -3e-18; -6/7e-18 closes, rounded up to 0: realised -2.
    assert ledger.cash(buyer) == 1
    assert position(buyer) == (5 * WAD, 2)
    assert ledger.cash(seller) == -2
    assert position(seller) == (-5 * WAD, -3)


def test_random_trades_follow_exact_arithmetic(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    """Against fractions: nobody gets more than exactly pro rata, nobody loses more than a unit per trade, nothing leaks."""
    draw = random.Random(2)
    exact = {buyer: [Fraction(0)] * 3, seller: [Fraction(0)] * 3}  # size, cost, cash
    trades = 60
    for _ in range(trades):
        size = draw.choice([draw.randrange(1, 10), draw.randrange(1, 10**20)])
        price = draw.choice([draw.randrange(0, 10), draw.randrange(1, 10**23)])
        sides = (buyer, seller) if draw.random() < 0.5 else (seller, buyer)
        trade(sides[1], sides[0], size, price)
        for account, change in zip(sides, (size, -size), strict=True):
            held, cost, cash = exact[account]
            closed = 0 if held * change >= 0 else held if abs(change) > abs(held) else -change
            share = cost * Fraction(closed, held) if held else Fraction(0)
            cash += Fraction(closed * price, WAD) - share
            cost += Fraction((change + closed) * price, WAD) - share
            exact[account] = [held + change, cost, cash]
    for account, (held, cost, cash) in exact.items():
        assert position(account)[0] == held
        assert ledger.costs(account) == position(account)[1]
        balance = ledger.cash(account) - ledger.costs(account)
        assert 0 <= (cash - cost) - balance <= trades
        assert abs(position(account)[1] - cost) <= 2 * trades
    drift = -sum(ledger.cash(a) - ledger.costs(a) for a in exact)
    assert 0 <= drift <= trades
    assert drift > 0  # odd sizes and prices: some rounding took place


def test_swap_and_pop_keeps_the_others(ledger: Any, trade: Trade, position: Read, buyer: int, seller: int) -> None:
    instruments = [Instrument.call(0, EXPIRY, strike).pack() for strike in (1_000, 2_000, 3_000, 4_000)]
    for number, instrument in enumerate(instruments, 1):
        trade(seller, buyer, number * WAD, number * 100 * WAD, instrument)
    words = ledger.book(buyer)[3]
    trade(buyer, seller, 2 * WAD, 300 * WAD, instruments[1])
    assert ledger.account(buyer)[2] == 3
    assert [i for i, _, _ in ledger.positions(buyer)] == [instruments[0], instruments[3], instruments[2]]
    assert list(ledger.book(buyer)[3]) == [words[0], words[3], words[2]]
    for number in (1, 3, 4):
        assert position(buyer, instruments[number - 1]) == (number * WAD, number * number * 100 * WAD)
    assert position(buyer, instruments[1]) == (0, 0)
    trade(buyer, seller, 4 * WAD, 400 * WAD, instruments[3])
    trade(buyer, seller, 3 * WAD, 300 * WAD, instruments[2])
    trade(buyer, seller, 1 * WAD, 100 * WAD, instruments[0])
    assert len(ledger.positions(buyer)) == 0
    assert ledger.costs(buyer) == 0


def test_refuses_zero_size(trade: Trade, buyer: int, seller: int) -> None:
    with reverts("ZeroSize"):
        trade(seller, buyer, 0, WAD)


def test_refuses_one_account_on_both_sides(trade: Trade, buyer: int) -> None:
    with reverts("SameAccount", buyer):
        trade(buyer, buyer, WAD, WAD)


@pytest.mark.parametrize("side", ["buyer", "seller"])
@pytest.mark.parametrize("unknown", [0, 99], ids=["house", "never opened"])
def test_refuses_unknown_accounts(trade: Trade, buyer: int, unknown: int, side: str) -> None:
    with reverts("UnknownAccount", unknown):
        trade(*((buyer, unknown) if side == "buyer" else (unknown, buyer)), WAD, WAD)


@pytest.mark.parametrize(("size", "shown"), [(2**95, 2**95), (2**128, 2**128), (2**256 - 1, 2**255 - 1)])
def test_refuses_sizes_beyond_a_slot(trade: Trade, buyer: int, seller: int, size: int, shown: int) -> None:
    with reverts("SizeOutOfRange", shown):
        trade(seller, buyer, size, WAD)


def test_refuses_a_position_that_grows_beyond_its_slot(trade: Trade, position: Read, buyer: int, seller: int) -> None:
    largest = 2**95 - 1
    trade(seller, buyer, largest, 1)
    assert position(buyer)[0] == largest
    with reverts("SizeOutOfRange", 2**95):
        trade(seller, buyer, 1, 1)


def test_refuses_prices_beyond_their_type(trade: Trade, buyer: int, seller: int) -> None:
    with reverts("PriceOutOfRange", 2**127):
        trade(seller, buyer, 1, 2**127)


def test_refuses_costs_beyond_their_type(trade: Trade, buyer: int, seller: int) -> None:
    size, price = 2**94, 2**100
    with reverts("AmountOutOfRange", -(-size * price // WAD)):
        trade(seller, buyer, size, price)


def test_refuses_more_positions_than_the_limit(trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, WAD, PERP, limit=1)
    trade(seller, buyer, WAD, WAD, PERP, limit=1)  # no new position
    with reverts("TooManyPositions", buyer, 1):
        trade(seller, buyer, WAD, WAD, BTC_PERP, limit=1)


def test_isolated_holds_one_instrument(trade: Trade, account_of: Any, carol: Any, seller: int) -> None:
    isolated = account_of(carol, ISOLATED)
    trade(seller, isolated, WAD, WAD, PERP)
    trade(isolated, seller, 2 * WAD, WAD, PERP)  # may flip
    with reverts("IsolatedHoldsOne", isolated, PERP, BTC_PERP):
        trade(seller, isolated, WAD, WAD, BTC_PERP)
    trade(seller, isolated, WAD, WAD, PERP)  # flat
    trade(seller, isolated, WAD, WAD, BTC_PERP)


def test_realised_profit_is_floored_not_truncated(ledger: Any, trade: Trade, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3, WAD // 2)  # 1.5e-18: buyer pays 2, seller gets 1
    trade(buyer, seller, 1, WAD // 4)  # 0.25e-18: back for 1 and 0
    buyer_exact = floor(Fraction(0) - Fraction(2, 3))
    seller_exact = floor(Fraction(-1) + Fraction(1, 3))
    assert ledger.cash(buyer) == buyer_exact == -1
    assert ledger.cash(seller) == seller_exact == -1
