"""Jumps of the spot: held, confirmed, and what they do to the breaker. Defaults: 15 % in 60 s, confirmed for 30 s, 300 s of timer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.oracle.conftest import BTC, ETH, NEAR_EXPIRY, START, slice_at
from tests.reverts import reverts

WAD = 10**18
NORMAL, REDUCE_ONLY = 0, 1
JUMP = 0


@pytest.fixture
def breaker(door_world: Any) -> Any:
    return door_world.breaker


def spot_of(door: Any, underlying: int = ETH) -> int:
    return int(door.prices(underlying)[0] // WAD)


@pytest.fixture
def tuned(door_world: Any, parameter: Any) -> Any:
    return lambda name, value: door_world.parameters.set(parameter(name), value, {"from": door_world.governor})


@pytest.mark.parametrize(("spot", "move"), [(2_400.0, 2 * 10**17), (3_451.0, 451 * WAD // 3_000)], ids=["down", "up"])
def test_a_jump_is_recorded_and_trips_instead_of_reverting(door: Any, breaker: Any, submit_at: Any, spot: float, move: int) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0, expiries=[slice_at(NEAR_EXPIRY, 3_010.0)])
    before = door.read([ETH << 32, (ETH << 32) | NEAR_EXPIRY])
    receipt = submit_at(START + 5, spot=spot, mark=spot, expiries=[slice_at(NEAR_EXPIRY, spot)])

    assert door.read([ETH << 32, (ETH << 32) | NEAR_EXPIRY]) == before  # to the last word
    held = receipt.events["UpdateHeld"]
    assert (held["underlying"], held["timestamp"], held["cause"]) == (ETH, START + 4, JUMP)
    assert (held["spot"], held["observed"], held["bound"]) == (int(spot) * WAD, move, 15 * 10**16)
    tripped = receipt.events["Tripped"]
    assert (tripped["scope"], tripped["cause"], tripped["observed"], tripped["bound"]) == (ETH, JUMP, move, 15 * 10**16)
    assert tripped["until"] == START + 5 + 300
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    assert breaker.stateOf(BTC) == NORMAL
    assert tuple(door.heldUpdate(ETH)) == (int(spot) * WAD, START + 4, START + 4)
    assert "MarketUpdated" not in receipt.events


@pytest.mark.parametrize("spot", [2_550.0, 3_450.0], ids=["down", "up"])
def test_the_threshold_itself_is_no_jump(door: Any, breaker: Any, submit_at: Any, spot: float) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 5, spot=spot, mark=spot)
    assert spot_of(door) == spot
    assert not breaker.anyTripped()
    assert tuple(door.heldUpdate(ETH)) == (0, 0, 0)


def test_a_jump_confirmed_for_long_enough_applies(door: Any, breaker: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    for second in (5, 15, 25, 34):  # signed 30 s apart is the least
        submit_at(START + second, spot=2_400.0 + second, mark=2_400.0 + second)
        assert spot_of(door) == 3_000
    receipt = submit_at(START + 35, spot=2_400.0, mark=2_390.0, expiries=[slice_at(NEAR_EXPIRY, 2_410.0)])
    assert tuple(door.prices(ETH)) == (2_400 * WAD, 2_390 * WAD, START + 34)
    confirmed = receipt.events["JumpConfirmed"]
    assert (confirmed["underlying"], confirmed["previous"], confirmed["spot"]) == (ETH, 3_000 * WAD, 2_400 * WAD)
    assert confirmed["since"] == START + 4
    assert door.read([(ETH << 32) | NEAR_EXPIRY])[0] >> 160 == 2_410 * WAD
    assert tuple(door.heldUpdate(ETH)) == (0, 0, 0)
    assert breaker.scope(ETH)[2] == START + 34 + 300  # of the last that was held

    submit_at(START + 36, spot=2_500.0, mark=2_500.0)  # the next moves are measured from where it landed
    assert spot_of(door) == 2_500


def test_the_timer_releases(anvil: Any, door: Any, breaker: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 5, spot=2_400.0, mark=2_400.0)
    submit_at(START + 6, spot=2_990.0, mark=2_990.0)
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    anvil.rpc("evm_setNextBlockTimestamp", START + 305)
    anvil.mine()
    assert breaker.stateOf(ETH) == NORMAL


def test_a_price_that_comes_back_forgets_the_jump(door: Any, submit_at: Any) -> None:
    """One false price now and one half a minute later confirm nothing."""
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 5, spot=2_000.0, mark=2_000.0)
    submit_at(START + 6, spot=3_000.0, mark=3_000.0)
    submit_at(START + 40, spot=2_000.0, mark=2_000.0)
    assert spot_of(door) == 3_000
    assert door.heldUpdate(ETH)[1] == START + 39


def test_another_jump_does_not_confirm_the_first(door: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 5, spot=2_000.0, mark=2_000.0)
    submit_at(START + 36, spot=1_600.0, mark=1_600.0)  # 20 % below what was held
    assert tuple(door.heldUpdate(ETH)) == (1_600 * WAD, START + 35, START + 35)
    submit_at(START + 66, spot=1_601.0, mark=1_601.0)
    assert spot_of(door) == 1_601


def test_a_fall_that_goes_on_is_followed(door: Any, submit_at: Any) -> None:
    """Each step near the last: they confirm each other although none repeats it."""
    submit_at(START, spot=3_000.0, mark=3_000.0)
    spot = 2_500.0
    for second in range(5, 36, 5):
        submit_at(START + second, spot=spot, mark=spot)
        spot *= 0.95
    assert spot_of(door) == int(2_500 * 0.95**6)


def test_what_was_held_cannot_be_shown_again(anvil: Any, door: Any, submit: Any, update: Any, submit_at: Any) -> None:
    """Else one signature confirms itself."""
    submit_at(START, spot=3_000.0, mark=3_000.0)
    jump = update(START + 4, spot=2_000.0, mark=2_000.0, expiries=[])
    anvil.rpc("evm_setNextBlockTimestamp", START + 5)
    submit(jump)
    anvil.set_time(START + 40)
    with reverts("TimestampNotNewer", START + 4, START + 4):
        submit(jump)
    with reverts("TimestampNotNewer", START + 3, START + 4):
        submit(replace(jump, timestamp=START + 3))
    submit_at(START + 45, age=2, spot=2_000.0, mark=2_000.0)
    assert spot_of(door) == 2_000


def test_small_steps_add_up_inside_the_window(door: Any, breaker: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    for second, spot in ((10, 2_850.0), (20, 2_700.0), (30, 2_600.0)):
        submit_at(START + second, spot=spot, mark=spot)
    assert not breaker.anyTripped()
    submit_at(START + 40, spot=2_540.0, mark=2_540.0)  # 15.3 % below the highest
    assert spot_of(door) == 2_600
    assert breaker.stateOf(ETH) == REDUCE_ONLY


def test_no_jump_straddles_two_windows(door: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 50, spot=3_000.0, mark=3_000.0)
    submit_at(START + 59, spot=2_700.0, mark=2_700.0)
    submit_at(START + 61, spot=2_500.0, mark=2_500.0)  # a new window; 16.7 % within 11 seconds
    assert spot_of(door) == 2_700


def test_what_lies_two_windows_back_is_forgotten(door: Any, breaker: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    for minute in range(1, 8):
        submit_at(START + 60 * minute, spot=3_000.0 * 0.94**minute, mark=3_000.0 * 0.94**minute)
    assert spot_of(door) == int(3_000 * 0.94**7)  # 35 % in seven minutes
    assert not breaker.anyTripped()


def test_a_longer_silence_allows_a_longer_move(door: Any, breaker: Any, submit_at: Any) -> None:
    """Nobody knows how fast it went: 120 s allow twice 15 %, and no more."""
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 120, spot=2_100.0, mark=2_100.0)
    assert spot_of(door) == 2_100
    assert not breaker.anyTripped()
    receipt = submit_at(START + 240, spot=1_400.0, mark=1_400.0)
    assert spot_of(door) == 2_100
    assert receipt.events["UpdateHeld"]["bound"] == 30 * 10**16


def test_the_first_price_is_no_jump(door: Any, breaker: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    assert spot_of(door) == 3_000
    assert not breaker.anyTripped()


def test_the_limits_are_governed(door: Any, breaker: Any, tuned: Any, submit_at: Any) -> None:
    for name, value in (
        ("BREAKER_MOVE", 5 * 10**16),
        ("BREAKER_WINDOW", 10),
        ("BREAKER_CONFIRM", 3),
        ("BREAKER_RELEASE", 7 * 86_400),
    ):
        tuned(name, value)
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 9, spot=2_840.0, mark=2_840.0)
    assert breaker.scope(ETH)[2] == START + 9 + 7 * 86_400  # the longest that the breaker takes
    submit_at(START + 12, spot=2_840.0, mark=2_840.0)
    assert spot_of(door) == 2_840


def test_without_a_wait_a_jump_trips_and_applies(door: Any, tuned: Any, submit_at: Any) -> None:
    tuned("BREAKER_CONFIRM", 0)
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 5, spot=30.0, mark=30.0)
    assert spot_of(door) == 30


def test_underlyings_jump_apart(door: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 1, symbol="BTC", spot=90_000.0, mark=90_000.0)
    submit_at(START + 2, spot=2_000.0, mark=2_000.0)
    submit_at(START + 3, symbol="BTC", spot=91_000.0, mark=91_000.0)
    assert (spot_of(door), spot_of(door, BTC)) == (3_000, 91_000)


# --- the spot before the trip ---


def test_pre_trip_spot_is_the_one_before_the_first_trip(anvil: Any, door: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    assert door.preTripSpot(ETH) == 3_000 * WAD
    for second in range(5, 36, 5):
        submit_at(START + second, spot=2_400.0, mark=2_400.0)
    assert (spot_of(door), door.preTripSpot(ETH)) == (2_400, 3_000 * WAD)
    submit_at(START + 40, spot=1_900.0, mark=1_900.0)  # trips again while tripped
    assert door.preTripSpot(ETH) == 3_000 * WAD
    anvil.rpc("evm_setNextBlockTimestamp", START + 341)
    anvil.mine()
    assert door.preTripSpot(ETH) == 2_400 * WAD  # over: the present one
    submit_at(START + 345, spot=2_395.0, mark=2_395.0)
    submit_at(START + 346, spot=1_800.0, mark=1_800.0)
    assert door.preTripSpot(ETH) == 2_395 * WAD  # of the new trip
    assert door.preTripSpot(BTC) == 0


def test_pre_trip_spot_does_not_care_for_others_trips(door: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    submit_at(START + 1, symbol="BTC", spot=90_000.0, mark=90_000.0)
    submit_at(START + 2, symbol="BTC", spot=70_000.0, mark=70_000.0)
    submit_at(START + 3, spot=3_100.0, mark=3_100.0)
    assert door.preTripSpot(ETH) == 3_100 * WAD
    assert door.preTripSpot(BTC) == 90_000 * WAD


# --- staleness ---


def test_anybody_trips_on_a_stale_price(anvil: Any, door: Any, breaker: Any, door_world: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    anvil.rpc("evm_setNextBlockTimestamp", START + 120)
    receipt = door.poke(ETH, {"from": door_world.stranger})  # signed at START - 1: 121 s
    tripped = receipt.events["Tripped"]
    assert (tripped["scope"], tripped["cause"], tripped["observed"], tripped["bound"]) == (ETH, 3, 121, 120)
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    assert door.preTripSpot(ETH) == 3_000 * WAD


def test_poking_a_fresh_price_reverts(anvil: Any, door: Any, door_world: Any, submit_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_000.0)
    anvil.rpc("evm_setNextBlockTimestamp", START + 119)
    anvil.mine()
    with reverts("NotStale", ETH, ..., 120):
        door.poke.call(ETH, {"from": door_world.stranger})
    with reverts("NoPrice", BTC, 0):
        door.poke(BTC, {"from": door_world.stranger})
