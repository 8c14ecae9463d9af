"""Clearing.settleBatch: several fills, all or none."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.orders import SignedOrder
from tests.contracts.clearing.conftest import PERP, SPOT, WAD
from tests.reverts import reverts

PRICE = SPOT * WAD


@pytest.fixture
def trio(open_account: Any, alice: Any, bob: Any, carol: Any) -> tuple[int, int, int]:
    alices, bobs, carols = (open_account(owner, usdc=50_000) for owner in (alice, bob, carol))
    return alices, bobs, carols


def fill(buy: SignedOrder, sell: SignedOrder, size: int) -> tuple[Any, ...]:
    return (buy.as_tuple(), sell.as_tuple(), size, PRICE)


def test_fills_one_order_from_several(clearing: Any, ledger: Any, publish: Any, signed: Any, stranger: Any, trio: Any) -> None:
    alices, bobs, carols = trio
    publish()
    sell = signed(alices, -5)
    receipt = clearing.settleBatch([fill(signed(bobs, 2), sell, 2 * WAD), fill(signed(carols, 3), sell, 3 * WAD)], True, {"from": stranger})
    assert len(receipt.events["Trade"]) == 2
    assert [ledger.positionSize(account, PERP.pack()) for account in trio] == [-5 * WAD, 2 * WAD, 3 * WAD]
    assert clearing.filled(bytes(clearing.orderHash(sell.order.as_tuple()))) == 5 * WAD


def test_all_or_none(clearing: Any, ledger: Any, publish: Any, signed: Any, stranger: Any, trio: Any) -> None:
    alices, bobs, carols = trio
    publish()
    sell = signed(alices, -5)
    fills = [fill(signed(bobs, 3), sell, 3 * WAD), fill(signed(carols, 3), sell, 3 * WAD)]
    with reverts("OrderOverfilled", ..., 5 * WAD, 3 * WAD, 3 * WAD):
        clearing.settleBatch(fills, True, {"from": stranger})
    assert [ledger.positionSize(account, PERP.pack()) for account in trio] == [0, 0, 0]


def test_nothing_to_do(clearing: Any, stranger: Any) -> None:
    assert len(clearing.settleBatch([], True, {"from": stranger}).events) == 0
