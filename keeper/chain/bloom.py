"""The bloom filter of logs in a block's header (Yellow Paper, section 4.3.1): three bits of 2,048 per address and topic.

A node that forgets logs contradicts the header it gave itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from eth_utils.crypto import keccak

from keeper.chain.port import Log

__all__ = ["bloom_of", "may_contain"]


def bloom_of(logs: Iterable[Log]) -> int:
    """As the header of a block with exactly these logs has it."""
    bloom = 0
    for log in logs:
        bloom |= _bits(bytes.fromhex(log.address[2:]))
        for topic in log.topics:
            bloom |= _bits(topic)
    return bloom


def may_contain(bloom: int, address: str) -> bool:
    """False: the block has no log of this address. True: it has, or the filter coincides by chance."""
    bits = _bits(bytes.fromhex(address[2:]))
    return bloom & bits == bits


@lru_cache(maxsize=65_536)
def _bits(item: bytes) -> int:
    digest = keccak(item)
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits
