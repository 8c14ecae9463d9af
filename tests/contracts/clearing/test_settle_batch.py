"""Clearing.settleBatch: several fills, all or none or each on its own; Clearing.multicall and cancelAll."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3

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


def test_each_on_its_own(clearing: Any, ledger: Any, publish: Any, signed: Any, stranger: Any, trio: Any) -> None:
    """The second fill fails and changes nothing; the first and the third stand."""
    alices, bobs, carols = trio
    publish()
    sell = signed(alices, -5, venue=stranger.address)
    too_much = signed(carols, 4)
    fills = [fill(signed(bobs, 3), sell, 3 * WAD), fill(too_much, sell, 3 * WAD), fill(signed(carols, 2), sell, 2 * WAD)]
    receipt = clearing.settleBatch(fills, False, {"from": stranger})
    assert receipt.return_value == 2
    skipped = receipt.events["FillSkipped"]
    assert (skipped["number"], skipped["buyer"], skipped["seller"]) == (1, carols, alices)
    assert bytes(skipped["reason"])[:4] == Web3.keccak(text="OrderOverfilled(bytes32,uint256,uint256,uint256)")[:4]
    assert len(receipt.events["Trade"]) == 2
    assert [ledger.positionSize(account, PERP.pack()) for account in trio] == [-5 * WAD, 3 * WAD, 2 * WAD]
    assert clearing.filled(bytes(clearing.orderHash(too_much.order.as_tuple()))) == 0


def test_on_its_own_the_venue_is_still_the_caller(clearing: Any, publish: Any, signed: Any, stranger: Any, bob: Any, trio: Any) -> None:
    alices, bobs, _ = trio
    publish()
    fills = [fill(signed(bobs, 1, venue=stranger.address), signed(alices, -1), WAD)]
    receipt = clearing.settleBatch(fills, False, {"from": bob})
    assert receipt.return_value == 0
    assert bytes(receipt.events["FillSkipped"]["reason"])[:4] == Web3.keccak(text="WrongVenue(address,address)")[:4]
    assert clearing.settleBatch(fills, False, {"from": stranger}).return_value == 1


def test_a_fill_without_margin_is_skipped(
    clearing: Any, ledger: Any, publish: Any, signed: Any, open_account: Any, stranger: Any, trio: Any, bob: Any
) -> None:
    alices, _, _ = trio
    poor = open_account(bob, usdc=100)
    publish()
    buy = signed(poor, 5)
    receipt = clearing.settleBatch([fill(buy, signed(alices, -5), 5 * WAD)], False, {"from": stranger})
    assert bytes(receipt.events["FillSkipped"]["reason"])[:4] == Web3.keccak(text="InsufficientInitialMargin(uint64,int256,uint256)")[:4]
    assert ledger.positionSize(poor, PERP.pack()) == 0
    assert ledger.cash(poor) == 100 * WAD  # no fee either


# --- cancelAll ---


def test_cancels_up_to_a_nonce(clearing: Any, publish: Any, signed: Any, settle: Any, trio: Any, alice: Any) -> None:
    alices, bobs, _ = trio
    publish()
    old, new = signed(alices, -1, nonce=9), signed(alices, -1, nonce=10)
    event = clearing.cancelAll(alices, 10, {"from": alice}).events["OrdersCancelled"]
    assert (event["account"], event["leastNonce"]) == (alices, 10)
    assert clearing.leastNonce(alices) == 10
    publish()
    with reverts("NonceCancelled", alices, 9, 10):
        settle(signed(bobs, 1), old, WAD, PRICE)
    settle(signed(bobs, 1, nonce=0), new, WAD, PRICE)  # each account has its own
    for nonce in (0, 10):
        with reverts("NonceNotRaised", alices, nonce, 10):
            clearing.cancelAll(alices, nonce, {"from": alice})


@pytest.mark.parametrize(("scope", "may"), [(1, True), (2, False)])
def test_who_cancels_all(clearing: Any, trio: Any, alice: Any, bob: Any, scope: int, may: bool) -> None:
    alices = trio[0]
    with reverts("NotAuthorised", alices, bob.address):
        clearing.cancelAll(alices, 1, {"from": bob})
    clearing.setOperator(alices, bob, scope, {"from": alice})
    if may:
        clearing.cancelAll(alices, 1, {"from": bob})
    else:
        with reverts("NotAuthorised", alices, bob.address):
            clearing.cancelAll(alices, 1, {"from": bob})


# --- multicall ---


def test_several_calls_in_one_transaction(clearing: Any, ledger: Any, publish: Any, signed: Any, trio: Any, alice: Any, bob: Any) -> None:
    alices, bobs, _ = trio
    publish()
    settle = clearing.settle.encode_input(signed(bobs, 2).as_tuple(), signed(alices, -2).as_tuple(), 2 * WAD, PRICE)
    operator = clearing.setOperator.encode_input(alices, bob, 1)
    opened = clearing.openAccount.encode_input(2)
    receipt = clearing.multicall([opened, operator, settle], {"from": alice})
    assert ledger.account(ledger.accountCount())[0] == alice  # the caller is who called
    assert ledger.operatorScopes(alices, bob) == 1
    assert ledger.positionSize(alices, PERP.pack()) == -2 * WAD
    assert len(receipt.events["Trade"]) == 1


def test_several_calls_all_or_none(clearing: Any, ledger: Any, trio: Any, alice: Any, bob: Any) -> None:
    alices, bobs, _ = trio
    calls = [clearing.setOperator.encode_input(alices, bob, 1), clearing.setOperator.encode_input(bobs, bob, 1)]
    with reverts("NotAuthorised", bobs, alice.address):
        clearing.multicall(calls, {"from": alice})
    assert ledger.operatorScopes(alices, bob) == 0


def test_calls_of_nothing(clearing: Any, trio: Any, alice: Any) -> None:
    with reverts("FailedCall"):
        clearing.multicall([b"\x12\x34\x56\x78"], {"from": alice})


def test_takes_no_ether(clearing: Any, trio: Any, alice: Any) -> None:
    with reverts("revert without data"):
        clearing.multicall([], {"from": alice, "value": 1})
