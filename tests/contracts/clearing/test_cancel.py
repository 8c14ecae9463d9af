"""Clearing.cancel."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.orders import SignedOrder
from tests.contracts.clearing.conftest import SPOT, WAD
from tests.reverts import reverts

PRICE = SPOT * WAD


@pytest.fixture
def pair(open_account: Any, publish: Any, signed: Any, alice: Any, bob: Any) -> tuple[SignedOrder, SignedOrder]:
    buyer, seller = open_account(alice, usdc=50_000), open_account(bob, usdc=50_000)
    publish()
    return signed(buyer, 2), signed(seller, -2)


@pytest.mark.parametrize("filled_before", [0, WAD])
def test_cancelled_is_final(clearing: Any, settle: Any, pair: Any, alice: Any, filled_before: int) -> None:
    buy, sell = pair
    if filled_before:
        settle(buy, sell, filled_before, PRICE)
    order_hash = bytes(clearing.orderHash(buy.order.as_tuple()))
    event = clearing.cancel(buy.order.as_tuple(), {"from": alice}).events["OrderCancelled"]
    assert (bytes(event["orderHash"]), event["account"]) == (order_hash, buy.order.account)
    assert clearing.filled(order_hash) == 2**256 - 1
    with reverts("OrderIsCancelled", order_hash):
        settle(buy, sell, WAD, PRICE)
    with reverts("OrderIsCancelled", order_hash):
        clearing.cancel(buy.order.as_tuple(), {"from": alice})


def test_operator_cancels(clearing: Any, pair: Any, alice: Any, carol: Any) -> None:
    buy, _ = pair
    clearing.setOperator(buy.order.account, carol, 1, {"from": alice})
    clearing.cancel(buy.order.as_tuple(), {"from": carol})


def test_nobody_else_cancels(clearing: Any, pair: Any, alice: Any, bob: Any, carol: Any) -> None:
    buy, _ = pair
    clearing.setOperator(buy.order.account, carol, 2, {"from": alice})  # may withdraw, not trade
    for caller in (bob, carol):
        with reverts("NotAuthorised", buy.order.account, caller.address):
            clearing.cancel(buy.order.as_tuple(), {"from": caller})


def test_other_orders_stay(clearing: Any, settle: Any, signed: Any, pair: Any, alice: Any) -> None:
    buy, sell = pair
    other = signed(buy.order.account, 2)
    clearing.cancel(buy.order.as_tuple(), {"from": alice})
    settle(other, sell, WAD, PRICE)
