"""InstrumentRegistry.listUnderlying."""

from __future__ import annotations

from typing import Any

from tests.contracts.registry.conftest import BTC, ETH, USDT
from tests.reverts import reverts


def test_lists_an_underlying(own_registry: Any, governor: Any) -> None:
    assert not own_registry.isUnderlyingListed(31)
    receipt = own_registry.listUnderlying(31, "SOL", True, {"from": governor})
    assert own_registry.isUnderlyingListed(31)
    event = receipt.events["UnderlyingListed"]
    assert (event["underlying"], event["symbol"], event["tradable"]) == (31, "SOL", True)
    ids, symbols = own_registry.underlyings()
    assert (tuple(ids), tuple(symbols)) == ((ETH, BTC, USDT, 31), ("ETH", "BTC", "USDT", "SOL"))


def test_refuses_a_second_listing(own_registry: Any, governor: Any) -> None:
    with reverts("UnderlyingAlreadyListed", USDT):
        own_registry.listUnderlying(USDT, "USDT", True, {"from": governor})


def test_refuses_ids_the_parameter_table_cannot_hold(own_registry: Any, governor: Any) -> None:
    for underlying in (32, 255):
        with reverts("UnderlyingOutOfRange", underlying, 32):
            own_registry.listUnderlying(underlying, "SOL", True, {"from": governor})


def test_only_the_listing_admin(own_registry: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(own_registry.LISTING_ADMIN())):
        own_registry.listUnderlying(3, "SOL", True, {"from": stranger})
