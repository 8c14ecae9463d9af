"""Orders: what may be signed, and that the signature is the signer's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from eth_account import Account

from keeper.errors import UnitError
from keeper.execution.orders import Order, order_hash, sign_order, signable
from keeper.model import Instrument
from scripts.anvil import private_key
from scripts.orders import order, wad

CLEARING = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
BASE = Order(1, Instrument.perp(0).pack(), 10**18, 3_400 * 10**18, 10**15, 1_735_689_660, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", -1),
        ("account", 2**64),
        ("account", 1.0),
        ("instrument", 2**112),
        ("size", 2**127),
        ("size", -(2**127) - 1),
        ("limit_price", 2**128),
        ("fee_cap", 2**64),
        ("expiry", -1),
        ("nonce", 2**64),
        ("reduce_only", 1),
        ("venue", "0x12"),
        ("venue", "0x5fbdb2315678afecb367f032d93F642f64180aa3"),  # wrong checksum
    ],
)
def test_values_that_the_contract_cannot_take(field: str, value: object) -> None:
    with pytest.raises(UnitError, match="expected"):
        replace(BASE, **{field: value})


def test_signature_recovers_to_the_signer() -> None:
    signed = sign_order(BASE, private_key(10), 31_337, CLEARING)
    assert Account.recover_message(signable(BASE, 31_337, CLEARING), signature=signed.signature) == signed.signer
    assert signed.signer == Account.from_key(private_key(10)).address
    assert signed.as_tuple() == (BASE.as_tuple(), signed.signer, signed.signature)


@pytest.mark.parametrize("change", [{"nonce": 2}, {"size": -(10**18)}, {"reduce_only": True}, {"venue": CLEARING}])
def test_hash_depends_on_every_field(change: dict[str, object]) -> None:
    assert order_hash(replace(BASE, **change), 31_337, CLEARING) != order_hash(BASE, 31_337, CLEARING)


def test_hash_depends_on_chain_and_contract() -> None:
    here = order_hash(BASE, 31_337, CLEARING)
    assert order_hash(BASE, 1, CLEARING) != here
    assert order_hash(BASE, 31_337, "0x" + "11" * 20) != here


def test_decimals_are_exact() -> None:
    built = order(7, Instrument.perp(1), "-0.000000000000000001", limit=Decimal("94000.5"), expiry=5)
    assert (built.size, built.limit_price) == (-1, 940_005 * 10**17)
    assert wad(3) == 3 * 10**18
    with pytest.raises(UnitError, match="18 decimals"):
        order(7, Instrument.perp(1), "0.0000000000000000001", limit=1, expiry=5)


def test_orders_are_distinct() -> None:
    nonces = {order(7, Instrument.perp(0), 1, limit=1, expiry=5).nonce for _ in range(1_000)}
    assert len(nonces) == 1_000
    assert order(7, Instrument.perp(0), 1, limit=1, expiry=5, nonce=4).nonce == 4
