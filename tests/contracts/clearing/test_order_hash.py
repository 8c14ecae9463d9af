"""Clearing.orderHash is the EIP-712 digest that Python signs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scripts.anvil import CHAIN_ID
from scripts.orders import Order, order_hash


@pytest.mark.parametrize("seed", range(5))
def test_same_as_in_python(clearing: Any, seed: int) -> None:
    draw = random.Random(seed)
    order = Order(
        account=draw.getrandbits(64),
        instrument=draw.getrandbits(112),
        size=draw.getrandbits(127) * draw.choice((1, -1)),
        limit_price=draw.getrandbits(128),
        fee_cap=draw.getrandbits(64),
        expiry=draw.getrandbits(64),
        nonce=draw.getrandbits(64),
        reduce_only=draw.random() < 0.5,
        venue=f"0x{draw.getrandbits(160):040x}",
    )
    assert bytes(clearing.orderHash(order.as_tuple())) == order_hash(order, CHAIN_ID, clearing.address)


def test_typed_data_by_hand(clearing: Any) -> None:
    """The digest from the words of EIP-712 alone, without a typed-data library."""
    from eth_utils.crypto import keccak  # noqa: PLC0415

    def word(value: int) -> bytes:
        return (value % 2**256).to_bytes(32)

    order = Order(3, 17, -5, 7, 11, 13, 19, True, "0x" + "ab" * 20)
    declared = (
        b"Order(uint64 account,uint112 instrument,int128 size,uint128 limitPrice,uint64 feeCap,uint64 expiry,uint64 nonce,"
        b"bool reduceOnly,address venue)"
    )
    members = b"".join(map(word, (3, 17, -5, 7, 11, 13, 19, 1, int("ab" * 20, 16))))
    domain = keccak(
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + keccak(b"DPRE")
        + keccak(b"1")
        + word(CHAIN_ID)
        + word(int(clearing.address, 16))
    )
    digest = keccak(b"\x19\x01" + domain + keccak(keccak(declared) + members))
    assert bytes(clearing.orderHash(order.as_tuple())) == digest == order_hash(order, CHAIN_ID, clearing.address)
