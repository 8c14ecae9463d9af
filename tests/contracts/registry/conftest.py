"""A registry of its own: ETH and BTC tradable, USDT price-only, one expiry of ETH."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import GENESIS

ETH, BTC, USDT = 0, 1, 2
EXPIRY = GENESIS + 30 * 86_400
PERP, FUTURE, CALL, PUT = range(4)
STRIKE = 3_000 * 10**8


@pytest.fixture(scope="session")
def listed(project: Any, governor: Any) -> SimpleNamespace:
    registry = project.InstrumentRegistry.deploy(governor, {"from": governor})
    for underlying, symbol, tradable in ((ETH, "ETH", True), (BTC, "BTC", True), (USDT, "USDT", False)):
        registry.listUnderlying(underlying, symbol, tradable, {"from": governor})
    registry.listExpiry(ETH, EXPIRY, {"from": governor})
    return SimpleNamespace(registry=registry)


@pytest.fixture
def own_registry(listed: SimpleNamespace) -> Any:
    return listed.registry


def instrument(kind: int, underlying: int = ETH, expiry: int = 0, strike: int = 0) -> int:
    """The id, packed here by hand: kind 8 bits, underlying 8, expiry 32, strike 64 (1e-8 USD)."""
    return kind << 104 | underlying << 96 | expiry << 64 | strike
