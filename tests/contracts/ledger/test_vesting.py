"""Realised profit vests: between one period and two, never early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.contracts.ledger.conftest import WAD
from tests.reverts import reverts

DAY = 86_400


@pytest.fixture
def at(anvil: Anvil) -> Callable[[int], None]:
    """Mines a block that many seconds later."""

    def advance(seconds: int) -> None:
        anvil.rpc("evm_setNextBlockTimestamp", anvil.time() + seconds)
        anvil.mine()

    return advance


@pytest.fixture
def win(trade: Any, buyer: int, seller: int) -> Callable[[int], Any]:
    """The buyer realises that many USD, the seller loses them (< 0: the other way); the receipt."""

    def turn(profit: int) -> Any:
        trade(seller, buyer, WAD, 1_000 * WAD)
        return trade(buyer, seller, WAD, (1_000 + profit) * WAD)

    return turn


def counted_of(receipt: Any, account: int) -> list[int]:
    if "ProfitCounted" not in receipt.events:
        return []
    return [e["current"] for e in receipt.events["ProfitCounted"] if e["account"] == account]


def test_profit_counts_for_a_day_at_least_and_two_at_most(ledger: Any, win: Any, at: Any, buyer: int, seller: int) -> None:
    receipt = win(100)
    assert ledger.unvestedProfit(buyer) == 100 * WAD
    assert ledger.unvestedProfit(seller) == 0
    events = {e["account"]: (e["current"], e["previous"]) for e in receipt.events["ProfitCounted"]}
    assert events == {buyer: (100 * WAD, 0)}  # the seller had nothing that its loss could be taken off
    at(DAY - 10)
    assert ledger.unvestedProfit(buyer) == 100 * WAD
    at(DAY // 2)
    assert ledger.unvestedProfit(buyer) == 100 * WAD
    at(DAY // 2 + 20)
    assert ledger.unvestedProfit(buyer) == 0


def test_a_profit_late_in_the_period_does_not_vest_with_the_first(ledger: Any, win: Any, at: Any, buyer: int) -> None:
    win(100)
    at(DAY - 100)
    win(7)
    at(200)  # the buckets have turned
    win(3)
    assert ledger.unvestedProfit(buyer) == 110 * WAD
    at(DAY - 200)  # the first two turn out
    assert ledger.unvestedProfit(buyer) == 110 * WAD
    at(300)
    assert ledger.unvestedProfit(buyer) == 3 * WAD
    at(DAY)
    assert ledger.unvestedProfit(buyer) == 0


def test_losses_take_off_the_older_first_and_never_below_zero(ledger: Any, win: Any, at: Any, buyer: int) -> None:
    win(100)
    at(DAY + 10)
    win(50)
    receipt = win(-30)
    counted = next(e for e in receipt.events["ProfitCounted"] if e["account"] == buyer)
    assert (counted["current"], counted["previous"]) == (50 * WAD, 70 * WAD)
    win(-90)
    assert ledger.unvestedProfit(buyer) == 30 * WAD
    win(-90)
    assert ledger.unvestedProfit(buyer) == 0
    win(5)
    assert ledger.unvestedProfit(buyer) == 5 * WAD


def test_a_loss_beside_nothing_unvested_changes_nothing_later(ledger: Any, win: Any, at: Any, buyer: int) -> None:
    """No slot is written for it. Profits afterwards count for a day at least and two at most, wherever in the old pair's days they fall."""
    win(100)
    at(DAY // 2)
    win(-150)
    assert ledger.unvestedProfit(buyer) == 0
    at(DAY)  # the pair that stands there is of yesterday
    assert counted_of(win(-10), buyer) == []
    assert ledger.unvestedProfit(buyer) == 0
    assert counted_of(win(40), buyer) == [40 * WAD]  # the control
    assert ledger.unvestedProfit(buyer) == 40 * WAD
    at(DAY - 10)
    assert ledger.unvestedProfit(buyer) == 40 * WAD
    at(DAY + 20)
    assert ledger.unvestedProfit(buyer) == 0


def test_opening_realises_nothing(ledger: Any, trade: Any, buyer: int, seller: int) -> None:
    assert "ProfitCounted" not in trade(seller, buyer, WAD, 1_000 * WAD).events
    assert "ProfitCounted" not in trade(buyer, seller, WAD, 1_000 * WAD).events


def test_the_period_is_governed(ledger: Any, module: Any, win: Any, at: Any, buyer: int) -> None:
    assert ledger.profitVesting() == DAY
    assert dict(ledger.setProfitVesting(3_600, {"from": module}).events["ProfitVestingSet"]) == {"period": 3_600}
    win(10)
    at(3_500)
    assert ledger.unvestedProfit(buyer) == 10 * WAD
    at(3_800)
    assert ledger.unvestedProfit(buyer) == 0
    for wrong in (3_599, 30 * DAY + 1):
        with reverts("VestingOutOfRange", wrong):
            ledger.setProfitVesting(wrong, {"from": module})


def test_saturates(ledger: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 10 * WAD, 0)
    trade(buyer, seller, 10 * WAD, 10**10 * WAD)
    assert ledger.unvestedProfit(buyer) == 2**96 - 1
