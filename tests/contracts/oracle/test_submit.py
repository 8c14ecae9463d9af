"""PriceDoor.submit: what is stored, and everything that is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.oracle.conftest import BTC, ETH, FAR_EXPIRY, NEAR_EXPIRY, SIGNER_INDICES, USDT, slice_at
from tests.reverts import reverts

WAD = 10**18
MASK_64 = 2**64 - 1
MASK_96 = 2**96 - 1


def signed64(raw: int) -> int:
    return raw - 2**64 if raw >= 2**63 else raw


def test_stores_the_packed_words(door: Any, submit: Any, update: Any, now: int) -> None:
    svi = {"a": -0.001, "b": 0.05, "rho": -0.3, "m": -0.02, "sigma": 0.15, "ref_forward": 3_490.25, "ref_tau": 0.0625}
    expiry = {"expiry": NEAR_EXPIRY, "forward": 3_520.5, "rate": -0.015, "svi": svi}
    submit(update(now, expiries=[expiry]))

    spot, quote, smile, wing = door.read([ETH << 32, (ETH << 32) | NEAR_EXPIRY])
    assert spot >> 160 == 3_500 * WAD
    assert spot >> 64 & MASK_96 == 3_503_500_000_000_000_000_000
    assert spot >> 48 & 0xFFFF == 9_800
    assert spot >> 32 & 0xFFFF == 0
    assert spot & 0xFFFFFFFF == now
    assert quote >> 160 == 3_520_500_000_000_000_000_000
    assert signed64(quote >> 96 & MASK_64) == -15_000_000_000_000_000
    assert quote >> 32 & MASK_64 == 62_500_000_000_000_000
    assert quote & 0xFFFFFFFF == now
    assert signed64(smile >> 192) == -1_000_000_000_000_000
    assert smile >> 128 & MASK_64 == 50_000_000_000_000_000
    assert signed64(smile >> 64 & MASK_64) == -300_000_000_000_000_000
    assert signed64(smile & MASK_64) == -20_000_000_000_000_000
    assert wing >> 192 == 150_000_000_000_000_000
    assert wing >> 96 & MASK_96 == 3_490_250_000_000_000_000_000
    assert wing & MASK_96 == 0  # settlement: not fixed


def test_emits_what_it_stored(door: Any, submit: Any, update: Any, now: int) -> None:
    receipt = submit(update(now, expiries=[slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY)]))
    event = receipt.events["MarketUpdated"]
    assert (event["underlying"], event["timestamp"], event["spot"], event["confidence"]) == (ETH, now, 3_500 * WAD, 9_800)
    stored = door.read([(ETH << 32) | NEAR_EXPIRY, (ETH << 32) | FAR_EXPIRY])
    expiries = [(e["expiry"], e["quote"], e["smile"], e["wing"]) for e in receipt.events["ExpiryUpdated"]]
    assert expiries == [(NEAR_EXPIRY, *stored[:3]), (FAR_EXPIRY, *stored[3:])]


@pytest.mark.parametrize(
    ("mark", "stored"),
    [(4_000.0, 3_675 * WAD), (3_675.0, 3_675 * WAD), (3_325.0, 3_325 * WAD), (3_000.0, 3_325 * WAD)],
    ids=["above", "upper end", "lower end", "below"],
)
def test_clamps_the_mark_to_the_basis_band(door: Any, submit: Any, update: Any, now: int, mark: float, stored: int) -> None:
    receipt = submit(update(now, mark=mark))
    assert tuple(door.prices(ETH)) == (3_500 * WAD, stored, now)
    assert receipt.events["MarketUpdated"]["mark"] == stored


def test_band_follows_the_governed_basis(door_world: Any, door: Any, submit: Any, update: Any, parameter: Any, now: int) -> None:
    door_world.parameters.set(parameter("MAX_BASIS"), 10**16, {"from": door_world.governor})
    submit(update(now, mark=4_000.0))
    assert door.prices(ETH)[1] == 3_535 * WAD


def test_an_absent_expiry_keeps_its_last_quote(door: Any, submit: Any, update: Any, now: int) -> None:
    submit(update(now, expiries=[slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY, 3_600.0)]))
    before = door.read([(ETH << 32) | FAR_EXPIRY])
    submit(update(now + 1, expiries=[slice_at(NEAR_EXPIRY, 3_000.0)]))
    near, *_ = door.read([(ETH << 32) | NEAR_EXPIRY])
    assert near >> 160 == 3_000 * WAD
    assert near & 0xFFFFFFFF == now + 1
    assert tuple(door.read([(ETH << 32) | FAR_EXPIRY])) == before


def test_keeps_a_fixed_settlement_price(anvil: Any, door: Any, submit: Any, update: Any, now: int) -> None:
    fresh = update(now)  # of more digits than are published: its wing has a slot of its own
    submit(replace(fresh, expiries=(replace(fresh.expiries[0], ref_forward=fresh.expiries[0].ref_forward + 1),)))
    key = (ETH << 32) | NEAR_EXPIRY
    _, _, wing = door.read([key])
    settlement = 3_333 * WAD
    base = next(
        slot for slot in range(8) if int(anvil.rpc("eth_getStorageAt", door.address, hex(slot + 4 * key + 2), "latest"), 16) == wing
    )
    anvil.rpc("anvil_setStorageAt", door.address, hex(base + 4 * key + 2), f"0x{wing | settlement:064x}")
    submit(update(now + 1, expiries=[slice_at(NEAR_EXPIRY, sigma=0.2)]))
    _, _, wing = door.read([key])
    assert wing & MASK_96 == settlement
    assert wing >> 192 == 2 * 10**17


def test_price_only_underlyings_have_prices(door: Any, submit: Any, update: Any, now: int) -> None:
    submit(update(now, "USDT", spot=0.9995, mark=0.9995, expiries=[]))
    assert tuple(door.prices(USDT)) == (999_500_000_000_000_000, 999_500_000_000_000_000, now)


def test_underlyings_have_their_own_clocks(door: Any, submit: Any, update: Any, now: int) -> None:
    submit(update(now))
    submit(update(now - 5, "BTC", expiries=[]))
    assert door.prices(BTC)[2] == now - 5


def test_more_signatures_than_the_quorum(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    door.submit(fresh.as_tuple(), signed(fresh, SIGNER_INDICES), {"from": relayer})
    assert door.prices(ETH)[2] == now


def test_short_signatures_are_accepted(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    """EIP-2098: r, then s with the parity in its top bit."""
    fresh = update(now)
    short = [s[:32] + (int.from_bytes(s[32:64], "big") | (s[64] - 27) << 255).to_bytes(32, "big") for s in signed(fresh)]
    door.submit(fresh.as_tuple(), short, {"from": relayer})
    assert door.prices(ETH)[2] == now


def test_refuses_fewer_signatures_than_the_quorum(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    with reverts("QuorumNotReached", 2, 3):
        door.submit(fresh.as_tuple(), signed(fresh, SIGNER_INDICES[:2]), {"from": relayer})
    with reverts("QuorumNotReached", 0, 3):
        door.submit(fresh.as_tuple(), [], {"from": relayer})


def test_refuses_a_signature_of_somebody_else(door_world: Any, door: Any, update: Any, signed: Any, now: int) -> None:
    fresh = update(now)
    ordered = sorted([door_world.stranger.address, *door_world.signers[:2]], key=lambda address: int(address, 16))
    place = ordered.index(door_world.stranger.address)
    previous = ordered[place - 1] if place else "0x" + "00" * 20
    with reverts("BadSigner", door_world.stranger.address, previous):
        door.submit(fresh.as_tuple(), signed(fresh, (12, *SIGNER_INDICES[:2])), {"from": door_world.relayer})


def test_refuses_signatures_of_another_update(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    with reverts("BadSigner"):
        door.submit(replace(fresh, spot=fresh.spot + 1).as_tuple(), signed(fresh), {"from": relayer})


def test_refuses_a_change_inside_an_expiry(door: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    fresh = update(now)
    forged = replace(fresh, expiries=(replace(fresh.expiries[0], ref_tau=fresh.expiries[0].ref_tau + 1),))
    with reverts("BadSigner"):
        door.submit(forged.as_tuple(), signed(fresh), {"from": relayer})


def test_refuses_signers_out_of_order(door_world: Any, door: Any, update: Any, signed: Any, now: int) -> None:
    fresh = update(now)
    first, second, third = signed(fresh)
    ordered = sorted(door_world.signers[:3], key=lambda address: int(address, 16))
    with reverts("BadSigner", ordered[0], ordered[1]):
        door.submit(fresh.as_tuple(), [second, first, third], {"from": door_world.relayer})


def test_refuses_a_signer_twice(door_world: Any, door: Any, update: Any, signed: Any, now: int) -> None:
    fresh = update(now)
    first, second, _ = signed(fresh)
    ordered = sorted(door_world.signers[:3], key=lambda address: int(address, 16))
    with reverts("BadSigner", ordered[1], ordered[1]):
        door.submit(fresh.as_tuple(), [first, second, second], {"from": door_world.relayer})


@pytest.mark.parametrize("malformed", [b"", b"\x01" * 63, b"\x00" * 65, b"\xff" * 65], ids=["empty", "63 bytes", "zeros", "ones"])
def test_refuses_malformed_signatures(door: Any, update: Any, signed: Any, relayer: Any, now: int, malformed: bytes) -> None:
    fresh = update(now)
    with reverts("BadSigner", "0x" + "00" * 20, "0x" + "00" * 20):
        door.submit(fresh.as_tuple(), [malformed, *signed(fresh)[1:]], {"from": relayer})


def test_refuses_a_timestamp_in_the_future(anvil: Any, submit: Any, update: Any, now: int) -> None:
    with reverts("TimestampInFuture", now + 100, ...):
        submit(update(now + 100))


def test_refuses_what_arrives_late(anvil: Any, door: Any, submit: Any, update: Any, now: int) -> None:
    early = update(now)
    anvil.rpc("evm_setNextBlockTimestamp", now + 60)
    submit(early)  # exactly the limit
    assert door.prices(ETH)[2] == now
    late = update(now + 1)
    anvil.set_time(now + 100)
    with reverts("StaleUpdate", now + 1, ..., door.ARRIVAL_LIMIT()):
        submit(late)
    assert door.ARRIVAL_LIMIT() == 60


def test_refuses_what_is_not_newer(submit: Any, update: Any, now: int) -> None:
    submit(update(now))
    with reverts("TimestampNotNewer", now, now):
        submit(update(now))
    with reverts("TimestampNotNewer", now - 1, now):
        submit(update(now - 1, spot=1_000.0))


def test_refuses_an_unknown_underlying(submit: Any, update: Any, now: int) -> None:
    with reverts("UnknownUnderlying", 3):
        submit(update(now, "SOL", expiries=[]))


@pytest.mark.parametrize("field", ["spot", "mark"])
def test_refuses_a_price_of_zero(submit: Any, update: Any, now: int, field: str) -> None:
    with reverts("BadPrice", ETH, 0):
        submit(update(now, **{field: 0.0}))


def test_refuses_a_forward_of_zero(submit: Any, update: Any, now: int) -> None:
    with reverts("BadPrice", ETH, 0):
        submit(update(now, expiries=[slice_at(NEAR_EXPIRY, 0.0)]))


def test_the_largest_prices_do_not_overflow(door_world: Any, door: Any, submit: Any, update: Any, parameter: Any, now: int) -> None:
    door_world.parameters.set(parameter("BREAKER_CONFIRM"), 0, {"from": door_world.governor})  # jumps apply at once
    largest = replace(update(now), spot=MASK_96, mark=MASK_96)
    submit(largest)
    assert tuple(door.prices(ETH)) == (MASK_96, MASK_96, now)
    submit(replace(update(now + 1), spot=1, mark=MASK_96))
    assert tuple(door.prices(ETH)) == (1, 1, now + 1)  # 5 % of one unit rounds inwards
    submit(replace(update(now + 2), spot=MASK_96, mark=1))
    assert door.prices(ETH)[1] == -(-MASK_96 * 95 // 100)


@pytest.mark.parametrize("confidence", [10_001, 65_535])
def test_refuses_a_confidence_above_one(submit: Any, update: Any, now: int, confidence: int) -> None:
    with reverts("BadConfidence", confidence):
        submit(replace(update(now), confidence=confidence))


def test_confidence_may_be_all_or_nothing(door: Any, submit: Any, update: Any, now: int) -> None:
    for step, confidence in enumerate((0.0, 1.0)):
        submit(update(now + step, confidence=confidence))
        assert door.read([ETH << 32])[0] >> 48 & 0xFFFF == confidence * 10_000


def test_refuses_an_expiry_that_is_not_listed(submit: Any, update: Any, now: int) -> None:
    with reverts("ExpiryNotListed", ETH, NEAR_EXPIRY + 1):
        submit(update(now, expiries=[slice_at(NEAR_EXPIRY), slice_at(NEAR_EXPIRY + 1)]))
    with reverts("ExpiryNotListed", BTC, NEAR_EXPIRY):
        submit(update(now, "BTC"))


def test_refuses_quotes_signed_after_the_expiry(anvil: Any, door: Any, submit: Any, update: Any, now: int) -> None:
    anvil.set_time(NEAR_EXPIRY + 1)
    quotes = update(now).expiries
    with reverts("ExpiryPassed", ETH, NEAR_EXPIRY, NEAR_EXPIRY):
        submit(replace(update(NEAR_EXPIRY), expiries=quotes))
    submit(update(NEAR_EXPIRY - 1))  # signed before, arrives after
    assert door.read([(ETH << 32) | NEAR_EXPIRY])[0] & 0xFFFFFFFF == NEAR_EXPIRY - 1


@pytest.mark.parametrize(
    "change",
    [{"a": -0.02}, {"rho": 1.0}, {"rho": -1.0}, {"rho": 2.0}, {"rho": -5.0}, {"sigma": 0.0}, {"ref_tau": 0.0}, {"ref_forward": 0.0}],
    ids=lambda change: " ".join(f"{k}={v}" for k, v in change.items()),
)
def test_refuses_a_bad_slice(submit: Any, update: Any, now: int, change: dict[str, float]) -> None:
    with reverts("BadSlice", ETH, FAR_EXPIRY):
        submit(update(now, expiries=[slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY, **change)]))


def test_the_least_variance_may_be_zero_but_not_below(submit: Any, update: Any, now: int) -> None:
    """a + b sigma sqrt(1 - 0.6^2) = a + 0.05 * 0.15 * 0.8 = a + 0.006."""
    zero = update(now, expiries=[slice_at(NEAR_EXPIRY, a=-0.006, rho=0.6)])
    with reverts("BadSlice", ETH, NEAR_EXPIRY):
        submit(replace(zero, expiries=(replace(zero.expiries[0], a=zero.expiries[0].a - 1),)))
    submit(zero)


def test_extreme_slices_do_not_overflow(submit: Any, update: Any, now: int) -> None:
    fresh = update(now)
    extreme = replace(fresh.expiries[0], a=-(2**63), b=2**64 - 1, sigma=2**64 - 1, rho=0, m=-(2**63), rate=-(2**63), ref_tau=2**64 - 1)
    submit(replace(fresh, expiries=(extreme,)))  # -9.2 + 18.4 * 18.4 >= 0
    with reverts("BadSlice", ETH, NEAR_EXPIRY):
        submit(replace(update(now + 1), expiries=(replace(extreme, b=0),)))
    with reverts("BadSlice", ETH, NEAR_EXPIRY):
        submit(replace(update(now + 1), expiries=(replace(extreme, rho=-(2**63)),)))
