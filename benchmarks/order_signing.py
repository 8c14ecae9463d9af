"""Many orders signed at once, for venues with a hundred thousand positions.

One signature by the library takes milliseconds in pure Python. Here the secret nonces of the signatures follow each other, so
that each point is the last one plus the generator. Whoever sees two such signatures can compute the key: the keys are
Anvil's public ones, and nothing else may ever be signed like this.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from eth_abi import encode
from eth_keys.constants import SECPK1_G, SECPK1_N, SECPK1_P
from eth_utils.crypto import keccak

from keeper.execution.orders import ANY_VENUE, DOMAIN_NAME, DOMAIN_VERSION, Order, SignedOrder

__all__ = ["OrderSigner"]

_BATCH = 512


class OrderSigner:
    """key: 0x hex of a public test account; address: its account."""

    def __init__(self, key: str, address: str, types: dict[str, str], chain_id: int, clearing: str) -> None:
        self._secret = int(key, 16)
        self._address = address
        self._kinds = list(types.values())
        self._type_hash = keccak(text="Order(" + ",".join(f"{kind} {name}" for name, kind in types.items()) + ")")
        domain = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        names = keccak(text=DOMAIN_NAME), keccak(text=DOMAIN_VERSION)
        self._domain = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], [domain, *names, chain_id, clearing]))
        self._nonce = secrets.randbits(200)
        self._point = _multiply(self._nonce)

    def digest(self, order: Order) -> bytes:
        words = b"".join(_word(value) for value in order.as_tuple())
        return keccak(b"\x19\x01" + self._domain + keccak(self._type_hash + words))

    def sign(self, orders: Sequence[Order]) -> list[SignedOrder]:
        signed: list[SignedOrder] = []
        for start in range(0, len(orders), _BATCH):
            signed += self._sign(orders[start : start + _BATCH])
        return signed

    def _sign(self, orders: Sequence[Order]) -> list[SignedOrder]:
        points = []
        for _ in orders:
            self._nonce += 1
            self._point = _add(self._point, SECPK1_G)
            points.append((self._nonce, self._point))
        inverses = _inverses([nonce for nonce, _ in points], SECPK1_N)
        found = []
        for order, (_, (x, y)), inverse in zip(orders, points, inverses, strict=True):
            r = x % SECPK1_N
            s = inverse * (int.from_bytes(self.digest(order), "big") + r * self._secret) % SECPK1_N
            parity = y & 1
            if s > SECPK1_N // 2:
                s, parity = SECPK1_N - s, parity ^ 1
            found.append(SignedOrder(order, self._address, r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])))
        return found


def _word(value: int | bool | str) -> bytes:
    if isinstance(value, str):
        return (0 if value == ANY_VENUE else int(value, 16)).to_bytes(32, "big")
    return int(value).to_bytes(32, "big", signed=value < 0)


def _add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    slope = ((q[1] - p[1]) * pow(q[0] - p[0], -1, SECPK1_P) if p != q else 3 * p[0] * p[0] * pow(2 * p[1], -1, SECPK1_P)) % SECPK1_P
    x = (slope * slope - p[0] - q[0]) % SECPK1_P
    return x, (slope * (p[0] - x) - p[1]) % SECPK1_P


def _multiply(number: int) -> tuple[int, int]:
    result: tuple[int, int] | None = None
    power: tuple[int, int] = SECPK1_G
    while number:
        if number & 1:
            result = power if result is None else _add(result, power)
        power = _add(power, power)
        number >>= 1
    if result is None:
        raise ValueError("expected a number above 0")
    return result


def _inverses(values: Sequence[int], modulus: int) -> list[int]:
    """All inverses with one inversion (Montgomery's trick)."""
    products = [1]
    for value in values:
        products.append(products[-1] * value % modulus)
    inverse = pow(products[-1], -1, modulus)
    found = [0] * len(values)
    for at in range(len(values) - 1, -1, -1):
        found[at] = inverse * products[at] % modulus
        inverse = inverse * values[at] % modulus
    return found
