"""A venue that is shut down: what anybody does then, and four accounts to whom it matters."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode

WINDOW = 1_800
ETH, BTC = 0, 1
ETH_PERP, BTC_PERP = Instrument.perp(ETH), Instrument.perp(BTC)


@pytest.fixture(scope="session")
def settlement(project: Any, deployment: Any) -> Any:
    return project.ShutdownSettlement.at(deployment.address("ShutdownSettlement"))


@pytest.fixture
def anyone(stranger: Any) -> dict[str, Any]:
    return {"from": stranger}


@pytest.fixture
def shut(breaker: Any, governance: Any, settlement: Any, anyone: Any) -> Callable[[], Any]:
    """Governance shuts down, anybody begins."""

    def down() -> Any:
        breaker.shutdown({"from": governance})
        return settlement.begin(anyone)

    return down


@pytest.fixture
def fix(settlement: Any, anyone: Any, move_time: Any) -> Callable[[], None]:
    """Both final spots, once the window is over."""

    def both() -> None:
        move_time(WINDOW)
        for underlying in (ETH, BTC):
            settlement.fixSpot(underlying, anyone)

    return both


@pytest.fixture
def world(
    account_of: Any, alice: Any, bob: Any, carol: Any, guardian: Any, publish: Any, trade_at_mark: Any, expiries: Any, ledger: Any
) -> SimpleNamespace:
    """Alice and Carol are long, Bob and a hedger short; options too; Carol has WETH besides and owes more than it after the fall."""
    long = account_of(alice, MarginMode.CROSS, usdc=40_000, weth=2)
    short = account_of(bob, MarginMode.PORTFOLIO, usdc=80_000)
    debtor = account_of(carol, MarginMode.CROSS, usdc=4_000, weth=1)
    idle = account_of(guardian, MarginMode.CROSS, usdc=123.456789, weth=0.5)
    publish()
    trade_at_mark(short, long, Instrument.call(ETH, expiries[1], 3_500), 3)
    trade_at_mark(long, short, Instrument.future(BTC, expiries[2]), 0.5)
    trade_at_mark(long, short, BTC_PERP, 0.25)
    trade_at_mark(debtor, short, ETH_PERP, 10)
    return SimpleNamespace(long=long, short=short, debtor=debtor, idle=idle, accounts=range(1, ledger.accountCount() + 1))
