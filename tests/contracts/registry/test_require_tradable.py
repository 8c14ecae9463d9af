"""InstrumentRegistry.requireTradable and isListed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.registry.conftest import BTC, CALL, ETH, EXPIRY, FUTURE, PERP, PUT, STRIKE, USDT, instrument
from tests.reverts import reverts

LISTED = {
    "perp": instrument(PERP),
    "other perp": instrument(PERP, BTC),
    "future": instrument(FUTURE, ETH, EXPIRY),
    "call": instrument(CALL, ETH, EXPIRY, STRIKE),
    "put": instrument(PUT, ETH, EXPIRY, 1),
    "largest strike": instrument(CALL, ETH, EXPIRY, 2**64 - 1),
}
NOT_LISTED = {
    "perp with an expiry": instrument(PERP, ETH, EXPIRY),
    "perp with a strike": instrument(PERP, ETH, 0, STRIKE),
    "future without expiry": instrument(FUTURE, ETH),
    "future with a strike": instrument(FUTURE, ETH, EXPIRY, STRIKE),
    "call without strike": instrument(CALL, ETH, EXPIRY),
    "put without expiry": instrument(PUT, ETH, 0, STRIKE),
    "unknown kind": instrument(4, ETH, EXPIRY, STRIKE),
    "last kind": instrument(255),
    "unknown underlying": instrument(PERP, 3),
    "price-only underlying": instrument(PERP, USDT),
    "expiry not listed": instrument(CALL, ETH, EXPIRY + 1, STRIKE),
    "expiry of another underlying": instrument(CALL, BTC, EXPIRY, STRIKE),
    "all ones": 2**112 - 1,
}


@pytest.mark.parametrize("name", LISTED)
def test_accepts(own_registry: Any, name: str) -> None:
    assert own_registry.isListed(LISTED[name])
    own_registry.requireTradable(LISTED[name])


@pytest.mark.parametrize("name", NOT_LISTED)
def test_refuses(own_registry: Any, name: str) -> None:
    assert not own_registry.isListed(NOT_LISTED[name])
    with reverts("InstrumentNotListed", NOT_LISTED[name]):
        own_registry.requireTradable(NOT_LISTED[name])


def test_ends_at_the_expiry(anvil: Any, own_registry: Any) -> None:
    call = LISTED["call"]
    anvil.set_time(EXPIRY - 1)
    own_registry.requireTradable(call)
    anvil.set_time(EXPIRY)
    with reverts("InstrumentExpired", call, EXPIRY, EXPIRY):
        own_registry.requireTradable(call)
    assert own_registry.isListed(call)
    own_registry.requireTradable(LISTED["perp"])
