"""PriceDoor.read and prices."""

from __future__ import annotations

from typing import Any

from tests.contracts.oracle.conftest import BTC, ETH, FAR_EXPIRY, NEAR_EXPIRY, slice_at
from tests.reverts import reverts

ETH_SPOT, BTC_SPOT = ETH << 32, BTC << 32
NEAR, FAR = (ETH << 32) | NEAR_EXPIRY, (ETH << 32) | FAR_EXPIRY


def test_words_come_in_the_order_asked(door: Any, submit: Any, update: Any, now: int) -> None:
    submit(update(now, expiries=[slice_at(NEAR_EXPIRY, 3_520.0), slice_at(FAR_EXPIRY, 3_600.0)]))
    submit(update(now, "BTC", spot=90_000.0, mark=90_000.0, expiries=[]))
    eth, btc = door.read([ETH_SPOT]), door.read([BTC_SPOT])
    near, far = door.read([NEAR]), door.read([FAR])
    assert [len(words) for words in (eth, btc, near, far)] == [1, 1, 3, 3]
    assert tuple(door.read([FAR, BTC_SPOT, NEAR, ETH_SPOT, FAR])) == (*far, *btc, *near, *eth, *far)
    assert far[0] >> 160 == 3_600 * 10**18


def test_absent_feeds_read_zero(door: Any) -> None:
    assert tuple(door.read([ETH_SPOT, NEAR, 2**40 - 1])) == (0,) * 7


def test_no_keys(door: Any) -> None:
    assert tuple(door.read([])) == ()


def test_neighbouring_keys_do_not_share_words(door: Any, submit: Any, update: Any, now: int) -> None:
    submit(update(now))
    assert tuple(door.read([NEAR - 1, NEAR + 1, ETH_SPOT + 1])) == (0,) * 9


def test_prices_needs_a_price(door: Any, submit: Any, update: Any, now: int) -> None:
    for underlying in (ETH, BTC, 255):
        with reverts("NoPrice", underlying, 0):
            door.prices(underlying)
    submit(update(now))
    assert tuple(door.prices(ETH)) == (3_500 * 10**18, 3_503_500_000_000_000_000_000, now)


def test_reading_is_cheap(anvil: Any, door: Any, submit: Any, update: Any, now: int) -> None:
    """A spot and two expiries of few digits: five cold slots at 2,100 gas are most of it."""
    submit(update(now, expiries=[slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY)]))
    call = {"to": door.address, "data": door.read.encode_input([ETH_SPOT, NEAR, FAR])}
    # 21,000 for a transaction and 16 or 4 per byte of calldata are not the door's.
    calldata = sum(16 if byte else 4 for byte in bytes.fromhex(call["data"][2:]))
    gas = int(anvil.rpc("eth_estimateGas", call), 16) - 21_000 - calldata
    assert 5 * 2_100 < gas < 5 * 2_100 + 2_000
