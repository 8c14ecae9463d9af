"""Carry: funding of perps and shared losses, against exact fractions."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.contracts.ledger.conftest import BTC_PERP, CALL, DEPOSIT, PERP, WAD
from tests.reverts import reverts

FUNDING, LOSS_SHARE = 8, 10
DAY = 86_400
LONGEST = 2**24 - 1
HOUSE = 0


@pytest.fixture
def at(anvil: Anvil) -> Callable[[int], None]:
    """The next block's time, seconds from the latest."""
    return lambda seconds: anvil.rpc("evm_setNextBlockTimestamp", anvil.time() + seconds)


def test_longs_pay_shorts(ledger: Any, module: Any, trade: Any, at: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 2_000 * WAD)
    rate = 7 * 10**14 + 1
    receipt = ledger.setFundingRate(0, rate, DAY, {"from": module})
    since, until = receipt.timestamp, receipt.timestamp + DAY
    assert dict(receipt.events["FundingRateSet"]) == {
        "underlying": 0,
        "ratePerSecond": rate,
        "fundingIndex": 0,
        "since": since,
        "until": until,
        "ended": False,
    }
    assert tuple(ledger.fundingRate(0)) == (rate, until)
    at(1_000)
    receipt = ledger.accrue(buyer)
    owed = 3 * rate * 1_000
    assert [dict(e) for e in receipt.events["CashChanged"]] == [{"account": buyer, "reason": FUNDING, "change": -owed, "cash": -owed}]
    assert [dict(e) for e in receipt.events["CarryRealised"]] == [{"account": buyer, "instrument": PERP, "fundingIndex": rate * 1_000}]
    assert tuple(ledger.accrued(seller)) == (-owed, 0)
    assert ledger.book(seller)[1] == ledger.cash(seller) - ledger.costs(seller) + owed
    assert tuple(ledger.carry(PERP)) == (rate * 1_000, rate * 1_000)
    assert tuple(ledger.carry(BTC_PERP)) == (0, 0)


def test_a_negative_rate_pays_longs(ledger: Any, module: Any, trade: Any, at: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 2_000 * WAD)
    ledger.setFundingRate(0, -(10**15), DAY, {"from": module})
    at(60)
    ledger.accrue(seller)
    assert ledger.cash(seller) == -60 * 10**15
    assert tuple(ledger.accrued(buyer)) == (-60 * 10**15, 0)


def test_a_rate_ends(ledger: Any, module: Any, trade: Any, at: Any, anvil: Anvil, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 2_000 * WAD)
    until = ledger.setFundingRate(0, 10**15, 100, {"from": module}).timestamp + 100
    for time, seconds in ((until - 1, 99), (until, 100), (until + 1, 100), (until + DAY, 100)):
        anvil.rpc("evm_setNextBlockTimestamp", time)
        anvil.mine()
        assert tuple(ledger.carry(PERP)) == (seconds * 10**15, seconds * 10**15)
        assert ledger.accrued(buyer)[0] == seconds * 10**15
    since = ledger.setFundingRate(0, -(10**15), 50, {"from": module})
    assert since.events["FundingRateSet"]["fundingIndex"] == 10**17
    at(1_000)
    ledger.accrue(buyer)
    assert ledger.cash(buyer) == -5 * 10**16


def test_an_index_that_does_not_fit(ledger: Any, module: Any, anvil: Anvil) -> None:
    for _ in range(2):
        ledger.setFundingRate(0, 2**79 - 1, LONGEST, {"from": module})
        anvil.advance(LONGEST)
    with reverts("AmountOutOfRange", 2 * LONGEST * (2**79 - 1)):
        ledger.setFundingRate(0, 0, 0, {"from": module})


def test_a_trade_realises_it_and_begins_anew(
    ledger: Any, module: Any, trade: Any, at: Any, account_of: Any, carol: Any, buyer: int, seller: int
) -> None:
    trade(seller, buyer, 2 * WAD, 1_000 * WAD)
    ledger.setFundingRate(0, 10**16, DAY, {"from": module})
    at(100)
    newcomer = account_of(carol)
    at(100)
    receipt = trade(seller, newcomer, WAD, 1_000 * WAD)
    elapsed = ledger.carry(PERP)[0] // 10**16
    entries = {e["account"]: e["fundingIndex"] for e in receipt.events["PositionChanged"]}
    assert entries == {newcomer: elapsed * 10**16, seller: elapsed * 10**16}
    assert ledger.cash(seller) == 2 * elapsed * 10**16
    assert tuple(ledger.accrued(newcomer)) == tuple(ledger.accrued(seller)) == (0, 0)
    assert tuple(ledger.accrued(buyer)) == (2 * elapsed * 10**16, 0)


def test_closing_and_flipping_realise_it(ledger: Any, module: Any, trade: Any, at: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 2 * WAD, 1_000 * WAD)
    ledger.setFundingRate(0, 10**16, DAY, {"from": module})
    at(50)
    trade(buyer, seller, 5 * WAD, 1_000 * WAD)  # both flip
    assert (ledger.cash(buyer), ledger.cash(seller)) == (-(10**18), 10**18)
    at(10)
    receipt = trade(seller, buyer, 3 * WAD, 1_000 * WAD)  # both close
    assert (ledger.cash(buyer), ledger.cash(seller)) == (-7 * 10**17, 7 * 10**17)
    assert [e["fundingIndex"] for e in receipt.events["PositionChanged"]] == [0, 0]


def test_each_rounding_goes_against_the_account(ledger: Any, module: Any, trade: Any, at: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD // 3, 0)
    ledger.setFundingRate(0, 1, DAY, {"from": module})
    at(1)
    ledger.accrue(buyer)
    assert ledger.cash(buyer) == -1  # a third, up
    at(1)
    ledger.accrue(seller)
    assert ledger.cash(seller) == 0  # two thirds, down


def test_random_rates_and_trades_follow_exact_arithmetic(
    ledger: Any, module: Any, trade: Any, at: Any, account_of: Any, alice: Any, bob: Any, carol: Any
) -> None:
    """Nobody receives more than exactly, nobody pays a unit more per change, and the books lose less than a unit per change."""
    draw = random.Random(8)
    accounts = [account_of(who) for who in (alice, bob, carol)]
    size, exact, changes = dict.fromkeys(accounts, 0), dict.fromkeys(accounts, Fraction(0)), dict.fromkeys(accounts, 0)
    rate, since = 0, 0
    price = 1_000 * WAD

    def advance(now: int) -> None:
        nonlocal since
        for account in accounts:
            exact[account] -= Fraction(size[account] * rate * (now - since), WAD)
        since = now

    for _ in range(40):
        at(draw.randrange(1, 10_000))
        if draw.random() < 0.3:
            new = draw.randrange(-(10**15), 10**15)
            advance(ledger.setFundingRate(0, new, LONGEST, {"from": module}).timestamp)
            rate = new
        else:
            short, long = draw.sample(accounts, 2)
            quantity = draw.choice([draw.randrange(1, 1_000), draw.randrange(1, 10**20)])
            advance(trade(short, long, quantity, price).timestamp)
            size[long] += quantity
            size[short] -= quantity
            for account in (short, long):
                changes[account] += 1
    at(977)
    advance(ledger.setFundingRate(0, 0, DAY, {"from": module}).timestamp)
    total = Fraction(0)
    for account in accounts:
        ledger.accrue(account)
        assert tuple(ledger.accrued(account)) == (0, 0)
        # All trades are at one price, so that only funding and the roundings of notionals are left.
        balance = ledger.cash(account) - ledger.costs(account) + Fraction(size[account] * price, WAD)
        assert 0 <= exact[account] - balance <= 2 * changes[account] + 1
        total += balance
    assert sum(exact.values()) == 0
    assert -sum(changes.values()) * 2 - 3 <= total <= 0
    assert max(abs(amount) for amount in exact.values()) > WAD


def test_a_shared_loss_is_borne_pro_rata(
    ledger: Any, module: Any, trade: Any, account_of: Any, carol: Any, buyer: int, seller: int
) -> None:
    other, debtor = account_of(carol), account_of(carol)
    trade(seller, buyer, 2 * WAD, 50 * WAD, CALL)
    trade(seller, other, WAD, 50 * WAD, CALL)
    receipt = ledger.shareLoss(debtor, CALL, True, 100 * WAD, {"from": module})
    step = ceil(Fraction(100 * WAD, 3))
    event = dict(receipt.events["LossShared"])
    assert event == {
        "debtor": debtor,
        "instrument": CALL,
        "longs": True,
        "amount": 100 * WAD,
        "lossIndex": step,
        "rounding": 3 * step - 100 * WAD,
    }
    assert ledger.cash(debtor) == 100 * WAD
    assert ledger.cash(HOUSE) == 3 * step - 100 * WAD
    assert (ledger.accrued(buyer)[0], ledger.accrued(other)[0], ledger.accrued(seller)[0]) == (2 * step, step, 0)
    ledger.accrue(buyer)
    trade(other, seller, WAD, 50 * WAD, CALL)
    assert (ledger.cash(buyer), ledger.cash(other)) == (-2 * step, -step)
    assert tuple(ledger.carry(CALL)) == (step, 0)


def test_shorts_share_too_and_who_comes_later_does_not(
    ledger: Any, module: Any, trade: Any, account_of: Any, carol: Any, buyer: int, seller: int
) -> None:
    debtor = account_of(carol)
    trade(seller, buyer, 4 * WAD, 50 * WAD, CALL)
    receipt = ledger.shareLoss(debtor, CALL, False, 8 * WAD, {"from": module})
    assert receipt.events["LossShared"]["lossIndex"] == -2 * WAD
    late = account_of(carol)
    trade(late, buyer, 4 * WAD, 50 * WAD, CALL)
    assert (ledger.accrued(seller)[0], ledger.accrued(late)[0], ledger.accrued(buyer)[0]) == (8 * WAD, 0, 0)
    ledger.shareLoss(debtor, CALL, False, 8 * WAD, {"from": module})
    assert (ledger.accrued(seller)[0], ledger.accrued(late)[0]) == (12 * WAD, 4 * WAD)
    receipt = ledger.accrue(seller)
    assert [(e["account"], e["reason"], e["change"]) for e in receipt.events["CashChanged"]] == [(seller, LOSS_SHARE, -12 * WAD)]


def test_a_perp_bears_both(ledger: Any, module: Any, trade: Any, at: Any, account_of: Any, carol: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 2 * WAD, 50 * WAD)
    ledger.setFundingRate(0, 10**15, DAY, {"from": module})
    at(1_000)
    ledger.shareLoss(account_of(carol), PERP, False, WAD, {"from": module})
    at(1_000)
    ledger.setFundingRate(0, 0, DAY, {"from": module})
    longs, shorts = ledger.carry(PERP)
    assert shorts == longs - WAD // 2
    assert (ledger.accrued(buyer)[0], ledger.accrued(seller)[0]) == (2 * longs, -2 * longs + WAD)


def test_nobody_to_share_with(ledger: Any, module: Any, buyer: int) -> None:
    with reverts("NoHolders", CALL, True):
        ledger.shareLoss(buyer, CALL, True, WAD, {"from": module})
    with reverts("UnderlyingOutOfRange", 32, 32):
        ledger.shareLoss(buyer, 32 << 96, True, WAD, {"from": module})
    with reverts("UnknownAccount", 99):
        ledger.accrue(99)


def test_rates_that_do_not_fit(ledger: Any, module: Any) -> None:
    with reverts("RateOutOfRange", 2**79):
        ledger.setFundingRate(0, 2**79, DAY, {"from": module})


def test_only_modules(ledger: Any, alice: Any, buyer: int) -> None:
    for call in (
        lambda: ledger.setFundingRate(0, 1, DAY, {"from": alice}),
        lambda: ledger.shareLoss(buyer, PERP, True, 1, {"from": alice}),
        lambda: ledger.settlePosition(buyer, PERP, 1, {"from": alice}),
        lambda: ledger.setDebitRate(1, {"from": alice}),
        lambda: ledger.setProfitVesting(3_600, {"from": alice}),
        lambda: ledger.setMode(buyer, 0, {"from": alice}),
        lambda: ledger.setEntity(buyer, 1, {"from": alice}),
        lambda: ledger.setDeficit(buyer, True, {"from": alice}),
    ):
        with reverts("NotAModule", alice):
            call()


def test_accruing_changes_no_equity(ledger: Any, module: Any, trade: Any, at: Any, buyer: int, seller: int) -> None:
    ledger.changeCash(buyer, 10 * WAD, DEPOSIT, {"from": module})
    trade(seller, buyer, 2 * WAD, 50 * WAD)
    ledger.setFundingRate(0, 10**15, DAY, {"from": module})
    at(1_000)
    ledger.setFundingRate(0, 0, DAY, {"from": module})
    before = ledger.book(buyer)[1], ledger.book(seller)[1]
    ledger.accrue(buyer)
    ledger.accrue(seller)
    assert (ledger.book(buyer)[1], ledger.book(seller)[1]) == before
    assert ledger.cash(buyer) == 10 * WAD - 2 * ledger.carry(PERP)[0] != 10 * WAD
