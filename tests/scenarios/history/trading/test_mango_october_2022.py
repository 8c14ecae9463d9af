"""Mango Markets, 11 October 2022: one man traded a thin perp with himself, drove its price up thirtyfold within minutes and borrowed
116 M USD against the unrealised profit.

Here he does the same, and then what he did not have to do: he sells the position to a third account of his own, so that the profit is
realised. What he gets out within a day is bounded by the open-interest cap times the rise times PROFIT_FRACTION.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.contracts.clearing.conftest import CROSS, USDC, WAD

CAP = 100  # contracts of open interest that governance allows in so thin a market
START, FACTOR, MINUTES = 3_400.0, 30.0, 10
PROFIT_FRACTION = 0.5

pytestmark = pytest.mark.usefixtures("strict_breaker")


@pytest.fixture
def capped(trading_limits: Any, governance: Any) -> None:
    trading_limits.setUnderlyingLimits(0, (CAP * WAD, CAP * WAD, 0, 0), {"from": governance})


@pytest.fixture
def take_all(clearing: Any, ledger: Any, usdc: Any) -> Callable[[int, Any], float]:
    """Withdraws as much of the account's cash as the rules let out, found by bisection to a dollar; what the owner received, USD."""

    def take(account: int, owner: Any) -> float:
        def allowed(dollars: int) -> bool:
            try:
                clearing.withdraw.call(account, USDC, dollars * WAD, owner, {"from": owner})
            except Exception:  # noqa: BLE001 - any refusal is a no
                return False
            return True

        low, high = 0, max(0, ledger.cash(account)) // WAD + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if allowed(middle) else (low, middle)
        before = usdc.balanceOf(owner)
        if low:
            clearing.withdraw(account, USDC, low * WAD, owner, {"from": owner})
        return (usdc.balanceOf(owner) - before) / 10**6

    return take


@pytest.fixture
def spike(publish: Callable[..., Any], move_time: Callable[[int], None]) -> Callable[[Callable[[], float]], float]:
    """Thirtyfold in ten minutes, each step confirmed for as long as the door asks; between(): what he tries after each. Sum of that."""

    def rise(between: Callable[[], float]) -> float:
        taken = 0.0
        for minute in range(1, MINUTES + 1):
            price = START * FACTOR ** (minute / MINUTES)
            publish({"ETH": price})
            move_time(30)
            publish({"ETH": price})
            taken += between()
            move_time(30)
        return taken

    return rise


@pytest.fixture
def attack(
    open_account: Callable[..., int], alice: Any, bob: Any, carol: Any, maker: Any, publish: Callable[..., Any], trade: Callable[..., Any],
    capped: None, take_all: Callable[[int, Any], float], spike: Callable[..., float], move_time: Callable[[int], None],
) -> Callable[[], tuple[float, float]]:  # fmt: skip
    """(taken during the spike less his deposits, taken until the end less his deposits), USD."""

    def play() -> tuple[float, float]:
        open_account(maker, CROSS, usdc=50_000_000)  # other people's money
        deposits = 100_000.0 + 100_000.0
        long, short = open_account(alice, CROSS, usdc=100_000), open_account(bob, CROSS, usdc=100_000)
        publish()
        trade(long, short, CAP, START)
        during = spike(lambda: take_all(long, alice) + take_all(short, bob))
        top = START * FACTOR
        move_time(400)  # the breaker's timer runs out
        publish({"ETH": top})
        third = open_account(carol, CROSS, usdc=6_000_000)
        deposits += 6_000_000.0
        publish({"ETH": top})
        trade(third, long, CAP, top)
        publish({"ETH": top})
        taken = during + take_all(long, alice)
        publish({"ETH": top})
        taken += take_all(third, carol) + take_all(short, bob)
        return during - 200_000.0, taken - deposits

    return play


def test_what_can_be_withdrawn_is_bounded(attack: Callable[[], tuple[float, float]], anvil: Anvil) -> None:
    during, gained = attack()
    bound = PROFIT_FRACTION * CAP * START * (FACTOR - 1)
    assert during <= 0.0, "while the breaker is tripped his profit counts for nothing"
    assert gained <= bound
    print(f"Mango: {gained:,.0f} USD out of {CAP * START * (FACTOR - 1):,.0f} of false profit, bound {bound:,.0f}")


def test_without_the_profit_rule_he_takes_more(attack: Callable[[], tuple[float, float]], govern: Callable[[str, int], None]) -> None:
    govern("PROFIT_FRACTION", WAD)
    _, gained = attack()
    assert gained > PROFIT_FRACTION * CAP * START * (FACTOR - 1)


def test_the_cap_binds(
    open_account: Callable[..., int], alice: Any, bob: Any, publish: Callable[..., Any], trade: Callable[..., Any], capped: None
) -> None:
    long, short = open_account(alice, CROSS, usdc=1_000_000), open_account(bob, CROSS, usdc=1_000_000)
    publish()
    with pytest.raises(Exception, match="AboveLimit"):
        trade(long, short, CAP + 1, START)
