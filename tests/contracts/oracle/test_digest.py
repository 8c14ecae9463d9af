"""PriceDoor.digest against eth-account's own EIP-712 encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_utils.crypto import keccak

from scripts.anvil import CHAIN_ID
from scripts.market_feed import signable
from tests.contracts.oracle.conftest import FAR_EXPIRY, NEAR_EXPIRY, slice_at


def reference(update: Any, door: Any) -> bytes:
    message = signable(update, CHAIN_ID, door.address)
    return keccak(b"\x19" + message.version + message.header + message.body)


def test_equals_an_independent_encoder(door: Any, update: Any, now: int) -> None:
    for count in range(3):
        expiries = [slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY, a=-0.001, m=-0.5)][:count]
        signed = update(now, expiries=expiries)
        assert bytes(door.digest(signed.as_tuple())) == reference(signed, door)


def test_covers_every_field(door: Any, update: Any, now: int) -> None:
    base = update(now)
    quote = base.expiries[0]
    names = ("underlying", "timestamp", "spot", "mark", "confidence")
    changed = [replace(base, **{name: getattr(base, name) + 1}) for name in names]
    changed += [replace(base, expiries=(replace(quote, **{name: getattr(quote, name) + 1}),)) for name in quote.__slots__]
    changed += [replace(base, expiries=()), replace(base, expiries=(quote, quote))]
    digests = {bytes(door.digest(variant.as_tuple())) for variant in [base, *changed]}
    assert len(digests) == len(changed) + 1


def test_names_its_domain(door: Any) -> None:
    _, name, version, chain_id, contract, _, _ = door.eip712Domain()
    assert (name, version, chain_id, contract) == ("DPRE PriceDoor", "1", CHAIN_ID, door.address)
