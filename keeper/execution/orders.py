"""Orders as `Clearing` wants them signed: the EIP-712 typed data of contracts/interfaces/IClearing.sol and one signature.

signed = sign_order(order, key, chain_id, clearing_address)
clearing.settle(signed.as_tuple(), other.as_tuple(), size, price)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from keeper.errors import UnitError

__all__ = [
    "ANY_VENUE",
    "DOMAIN_NAME",
    "DOMAIN_VERSION",
    "Order",
    "SignedOrder",
    "order_hash",
    "order_types",
    "sign_order",
    "signable",
    "typed_data",
]

DOMAIN_NAME = "DPRE"
DOMAIN_VERSION = "1"
ANY_VENUE = "0x" + "00" * 20

_TYPES = {
    "account": "uint64",
    "instrument": "uint112",
    "size": "int128",
    "limitPrice": "uint128",
    "feeCap": "uint64",
    "expiry": "uint64",
    "nonce": "uint64",
    "reduceOnly": "bool",
    "venue": "address",
}


@dataclass(frozen=True, slots=True)
class Order:
    """Fields in the contract's order and units.

    instrument: packed id; size: 1e-18 contracts, > 0 buys; limit_price: 1e-18 USD, the worst accepted; fee_cap: highest fee rate, 1e18 is
    all of the notional; expiry: unix seconds, the last second in which it is valid; venue: who may settle it.

    Raises UnitError for a value that its type cannot hold.
    """

    account: int
    instrument: int
    size: int
    limit_price: int
    fee_cap: int
    expiry: int
    nonce: int
    reduce_only: bool = False
    venue: str = ANY_VENUE

    def __post_init__(self) -> None:
        for field, (name, kind) in zip(fields(self), _TYPES.items(), strict=True):
            _require(name, kind, getattr(self, field.name))

    def as_tuple(self) -> tuple[int | bool | str, ...]:
        """The argument that web3 and Brownie take for the struct."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order, the address that answers for it, and its 65-byte signature (any bytes for an ERC-1271 signer)."""

    order: Order
    signer: str
    signature: bytes

    def as_tuple(self) -> tuple[tuple[int | bool | str, ...], str, bytes]:
        """The argument that web3 and Brownie take for the struct."""
        return (self.order.as_tuple(), self.signer, self.signature)


def order_types() -> dict[str, str]:
    """Field -> Solidity type, in the struct's order."""
    return dict(_TYPES)


def signable(order: Order, chain_id: int, clearing: str) -> SignableMessage:
    """The EIP-712 message of `order` for the Clearing contract at address `clearing`."""
    types = {"Order": [{"name": name, "type": kind} for name, kind in _TYPES.items()]}
    message: dict[str, Any] = dict(zip(_TYPES, order.as_tuple(), strict=True))
    domain = {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": chain_id, "verifyingContract": clearing}
    return encode_typed_data(domain, types, message)


def typed_data(order: Order, chain_id: int, clearing: str) -> dict[str, Any]:
    """The same as one JSON document, for signers that take whole messages; integers as decimal text."""
    domain = {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": chain_id, "verifyingContract": clearing}
    domain_types = [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address")]
    message = {name: value if isinstance(value, bool | str) else str(value) for name, value in zip(_TYPES, order.as_tuple(), strict=True)}
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in domain_types],
            "Order": [{"name": name, "type": kind} for name, kind in _TYPES.items()],
        },
        "primaryType": "Order",
        "domain": domain,
        "message": message,
    }


def order_hash(order: Order, chain_id: int, clearing: str) -> bytes:
    """The 32-byte digest: `Clearing.orderHash(order)`, the key of fills and cancels."""
    message = signable(order, chain_id, clearing)
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


def sign_order(order: Order, key: str, chain_id: int, clearing: str) -> SignedOrder:
    """Signs with the private `key` (0x hex) of the account's owner or of an operator with the trade scope."""
    account = Account.from_key(key)
    signature = account.sign_message(signable(order, chain_id, clearing)).signature
    return SignedOrder(order, str(account.address), bytes(signature))


def _require(name: str, kind: str, value: object) -> None:
    if kind == "address":
        if not is_address(value) or value not in (str(value).lower(), to_checksum_address(str(value))):
            raise UnitError(f"{name}: expected an address, got {value!r}")
        return
    if kind == "bool":
        if type(value) is not bool:
            raise UnitError(f"{name}: expected a bool, got {value!r}")
        return
    bits = int(kind.removeprefix("u").removeprefix("int"))
    lower, upper = (0, 2**bits) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if type(value) is not int or not lower <= value < upper:
        raise UnitError(f"{name}: expected an int with {lower} <= value < {upper} ({kind}), got {value!r}")
