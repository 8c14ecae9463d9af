"""PriceDoor.submitBatch: all or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scripts.anvil import Anvil
from tests.contracts.oracle.conftest import BTC, ETH, FAR_EXPIRY, NEAR_EXPIRY, SIGNER_INDICES, slice_at
from tests.reverts import reverts


def test_stores_each(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    updates = [update(now), update(now - 3, "BTC", spot=90_000.0, mark=90_000.0, expiries=[])]
    door.submitBatch([u.as_tuple() for u in updates], [signed(u) for u in updates], {"from": relayer})
    assert door.prices(ETH)[2] == now
    assert tuple(door.prices(BTC)) == (90_000 * 10**18, 90_000 * 10**18, now - 3)


def test_one_bad_update_stops_all(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    updates = [update(now), update(now, "BTC", expiries=[])]
    with reverts("QuorumNotReached", 2, 3):
        door.submitBatch([u.as_tuple() for u in updates], [signed(updates[0]), signed(updates[1], SIGNER_INDICES[:2])], {"from": relayer})
    assert tuple(door.read([ETH << 32, BTC << 32])) == (0, 0)


def test_signatures_belong_to_their_update(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    updates = [update(now), update(now, "BTC", expiries=[])]
    with reverts("BadSigner"):
        door.submitBatch([u.as_tuple() for u in updates], [signed(updates[1]), signed(updates[0])], {"from": relayer})


def test_the_same_update_twice(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    with reverts("TimestampNotNewer", now, now):
        door.submitBatch([fresh.as_tuple()] * 2, [signed(fresh)] * 2, {"from": relayer})


def test_refuses_what_submit_refuses(anvil: Anvil, door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    unlisted = NEAR_EXPIRY + 1
    for refused, error in (
        (update(now + 100), ("TimestampInFuture", now + 100, ...)),
        (update(now, "SOL", expiries=[]), ("UnknownUnderlying", 3)),
        (update(now, spot=0.0), ("BadPrice", ETH, 0)),
        (replace(update(now), confidence=10_001), ("BadConfidence", 10_001)),
        (update(now, expiries=[slice_at(unlisted)]), ("ExpiryNotListed", ETH, unlisted)),
        (replace(update(now), expiries=update(now).expiries * 2), ("ExpiriesNotAscending", NEAR_EXPIRY, NEAR_EXPIRY)),
        (update(now, expiries=[slice_at(FAR_EXPIRY, rho=1.0)]), ("BadSlice", ETH, FAR_EXPIRY)),
    ):
        with reverts(*error):
            door.submitBatch([refused.as_tuple()], [signed(refused)], {"from": relayer})
    late, quotes = update(now + 1), update(now).expiries
    anvil.set_time(now + 100)
    with reverts("StaleUpdate", now + 1, ..., 60):
        door.submitBatch([late.as_tuple()], [signed(late)], {"from": relayer})
    anvil.set_time(NEAR_EXPIRY + 1)
    passed = replace(update(NEAR_EXPIRY), expiries=quotes)
    with reverts("ExpiryPassed", ETH, NEAR_EXPIRY, NEAR_EXPIRY):
        door.submitBatch([passed.as_tuple()], [signed(passed)], {"from": relayer})


def test_needs_as_many_signatures_as_updates(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    with reverts("BatchLengths", 1, 0):
        door.submitBatch([fresh.as_tuple()], [], {"from": relayer})
    with reverts("BatchLengths", 0, 1):
        door.submitBatch([], [signed(fresh)], {"from": relayer})
    door.submitBatch([], [], {"from": relayer})
