"""InstrumentRegistry.listExpiry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.registry.conftest import BTC, ETH, EXPIRY, USDT
from tests.reverts import reverts


def test_lists_an_expiry_of_one_underlying(own_registry: Any, governor: Any) -> None:
    receipt = own_registry.listExpiry(ETH, EXPIRY + 7, {"from": governor})
    assert own_registry.isExpiryListed(ETH, EXPIRY + 7)
    assert not own_registry.isExpiryListed(BTC, EXPIRY + 7)
    assert tuple(own_registry.expiries(ETH)) == (EXPIRY, EXPIRY + 7)
    assert tuple(own_registry.expiries(BTC)) == ()
    assert (receipt.events["ExpiryListed"]["underlying"], receipt.events["ExpiryListed"]["expiry"]) == (ETH, EXPIRY + 7)


def test_refuses_what_is_not_in_the_future(anvil: Any, own_registry: Any, governor: Any) -> None:
    coming = anvil.time() + 10
    anvil.rpc("evm_setNextBlockTimestamp", coming)
    with reverts("ExpiryNotInFuture", 0, ...):
        own_registry.listExpiry(ETH, 0, {"from": governor})
    anvil.set_time(coming + 10)
    with reverts("ExpiryNotInFuture", coming, ...):
        own_registry.listExpiry(ETH, coming, {"from": governor})


def test_refuses_a_second_listing(own_registry: Any, governor: Any) -> None:
    with reverts("ExpiryAlreadyListed", ETH, EXPIRY):
        own_registry.listExpiry(ETH, EXPIRY, {"from": governor})


@pytest.mark.parametrize("underlying", [USDT, 3, 255], ids=["price-only", "unknown", "out of range"])
def test_needs_a_tradable_underlying(own_registry: Any, governor: Any, underlying: int) -> None:
    with reverts("UnderlyingNotTradable", underlying):
        own_registry.listExpiry(underlying, EXPIRY, {"from": governor})


def test_only_the_listing_admin(own_registry: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(own_registry.LISTING_ADMIN())):
        own_registry.listExpiry(ETH, EXPIRY + 7, {"from": stranger})
