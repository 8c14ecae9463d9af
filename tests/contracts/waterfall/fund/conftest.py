"""An InsuranceFund alone, over a token and parameters of its own. Draws go where the member says: to a vault that is just an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

WAD = 10**18
USDC = 10**6
ETH, BTC, NO_UNDERLYING = 0, 1, 255
VAULT = "0x00000000000000000000000000000000000A0000"


@pytest.fixture(scope="module")
def token(project: Any, deployer: Any) -> Any:
    return project.TokenMock.deploy("USD Coin", "USDC", 6, {"from": deployer})


@pytest.fixture(scope="module")
def parameters(project: Any, deployer: Any, governor: Any) -> Any:
    return project.RiskParameters.deploy(governor, {"from": deployer})


@pytest.fixture(scope="module")
def fund(project: Any, token: Any, parameters: Any, deployer: Any, governor: Any) -> Any:
    return project.InsuranceFund.deploy(token, parameters, governor, {"from": deployer})


@pytest.fixture
def put_in(fund: Any, token: Any) -> Callable[[Any, int], int]:
    """Deposits whole USDC for somebody; returns the shares."""

    def deposit(who: Any, amount: int) -> int:
        token.mint(who, amount * USDC, {"from": who})
        token.approve(fund, amount * USDC, {"from": who})
        before = fund.balanceOf(who)
        fund.deposit(amount * USDC, who, {"from": who})
        return int(fund.balanceOf(who) - before)

    return deposit
