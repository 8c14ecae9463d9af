"""Arbitrage between the slices of an update: recorded, not stored."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.contracts.oracle.conftest import ETH, FAR_EXPIRY, NEAR_EXPIRY, START, slice_at
from tests.reverts import reverts

WAD = 10**18
SLICE = 2
YEAR = 365 * 86_400
DENSITY_LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6)


def far_slice(**changed: float) -> dict[str, Any]:
    return slice_at(FAR_EXPIRY, **({"a": 0.03, "ref_tau": 0.25} | changed))


def held(receipt: Any) -> tuple[int, int, int]:
    event = receipt.events["UpdateHeld"]
    return event["cause"], event["observed"], event["bound"]


def durrleman(a: float, b: float, rho: float, m: float, sigma: float) -> float:
    """g(0) of Gatheral and Jacquier 2014, eq. 2.1, in floats."""
    root = math.hypot(m, sigma)
    w, first, second = a + b * (root - rho * m), b * (rho - m / root), b * sigma**2 / root**3
    return 1.0 - first**2 / 4.0 * (1.0 / w + 0.25) + second / 2.0


def test_an_ordinary_surface_passes(door: Any, submit_at: Any) -> None:
    receipt = submit_at(START, expiries=[slice_at(NEAR_EXPIRY), far_slice()])
    assert "UpdateHeld" not in receipt.events
    assert door.prices(ETH)[2] == START - 1


@pytest.mark.parametrize(("b", "rho", "passes"), [(1.25, -0.6, True), (1.25, 0.6, True), (1.2501, -0.6, False), (2.01, 0.0, False)])
def test_wings_no_steeper_than_lee(submit_at: Any, b: float, rho: float, passes: bool) -> None:
    """b (1 + |rho|) <= 2. The level is high enough for the density at the forward."""
    receipt = submit_at(START, expiries=[slice_at(NEAR_EXPIRY, a=2.0, b=b, rho=rho)])
    assert ("UpdateHeld" not in receipt.events) == passes
    if not passes:
        assert held(receipt) == (SLICE, NEAR_EXPIRY, 0)


@pytest.mark.parametrize("a", DENSITY_LEVELS)
@pytest.mark.parametrize("m", [-0.3, 0.3])
def test_no_negative_density_at_the_forward(submit_at: Any, a: float, m: float) -> None:
    svi = {"a": a, "b": 1.0, "rho": 0.9 if m < 0 else -0.9, "m": m, "sigma": 0.05}
    receipt = submit_at(START, expiries=[slice_at(NEAR_EXPIRY, **svi)])
    assert ("UpdateHeld" in receipt.events) == (durrleman(**svi) < 0.0)


def test_density_cases_lie_on_both_sides() -> None:
    """Else the test above would be passed by a constant."""
    assert {durrleman(a, 1.0, 0.9, -0.3, 0.05) < 0.0 for a in DENSITY_LEVELS} == {True, False}


@pytest.mark.parametrize(("factor", "passes"), [(1.001, True), (0.999, False)])
def test_total_variance_does_not_fall_in_time(door: Any, submit_at: Any, factor: float, passes: bool) -> None:
    """Flat slices (b = 0): w / refTau is the yearly variance; w T / refTau must not fall from the near to the far expiry."""
    now = START - 1
    near, far = (NEAR_EXPIRY - now) / YEAR, (FAR_EXPIRY - now) / YEAR
    variance = 0.25
    flat = {"b": 0.0, "rho": 0.0, "m": 0.0}
    expiries = [
        slice_at(NEAR_EXPIRY, **flat, a=variance * near, ref_tau=near),
        # another reference tenor on purpose: only the yearly variance counts
        slice_at(FAR_EXPIRY, **flat, a=variance * near / far * factor * 2 * far, ref_tau=2 * far),
    ]
    receipt = submit_at(START, expiries=expiries)
    assert ("UpdateHeld" not in receipt.events) == passes
    if not passes:
        assert held(receipt) == (SLICE, FAR_EXPIRY, NEAR_EXPIRY)
        with reverts("NoPrice", ETH, 0):
            door.prices(ETH)


def test_the_old_surface_stays_and_the_breaker_trips(door: Any, door_world: Any, submit_at: Any) -> None:
    submit_at(START, expiries=[slice_at(NEAR_EXPIRY), far_slice()])
    keys = [ETH << 32, (ETH << 32) | NEAR_EXPIRY, (ETH << 32) | FAR_EXPIRY]
    before = door.read(keys)
    receipt = submit_at(START + 2, spot=3_510.0, expiries=[slice_at(NEAR_EXPIRY), far_slice(a=0.0, b=0.01)])
    assert held(receipt) == (SLICE, FAR_EXPIRY, NEAR_EXPIRY)
    assert door.read(keys) == before
    assert door_world.breaker.stateOf(ETH) == 1
    assert tuple(door.heldUpdate(ETH)) == (0, 0, START + 1)  # no jump: nothing to confirm
    submit_at(START + 3, spot=3_510.0, expiries=[slice_at(NEAR_EXPIRY), far_slice()])
    assert door.prices(ETH)[0] == 3_510 * WAD


def test_quotes_come_by_ascending_expiry(anvil: Any, submit_at: Any) -> None:
    anvil.set_time(START)  # what reverts is estimated at the node's own time
    with reverts("ExpiriesNotAscending", FAR_EXPIRY, NEAR_EXPIRY):
        submit_at(START, expiries=[far_slice(), slice_at(NEAR_EXPIRY)])
    with reverts("ExpiriesNotAscending", NEAR_EXPIRY, NEAR_EXPIRY):
        submit_at(START, expiries=[slice_at(NEAR_EXPIRY), slice_at(NEAR_EXPIRY)])
