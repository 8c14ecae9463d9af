"""PriceDoor.fixSettlement: the time-weighted spot before an expiry, and the forward inside its window. Default window: 30 minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.oracle.conftest import ETH, FAR_EXPIRY, NEAR_EXPIRY, slice_at
from tests.reverts import reverts

WAD = 10**18
WINDOW = 1_800
BEGIN = NEAR_EXPIRY - WINDOW
MASK_96 = 2**96 - 1


@pytest.fixture
def quote_at(submit_at: Any) -> Callable[..., Any]:
    """An update in a block of exactly that time; the near expiry quoted at `forward` unless it has passed."""

    def send(time: int, spot: float, forward: float | None = None) -> Any:
        expiries = [slice_at(NEAR_EXPIRY, forward or spot)] if time - 1 < NEAR_EXPIRY else []
        return submit_at(time, spot=spot, mark=spot, expiries=expiries)

    return send


@pytest.fixture
def fix(door: Any, door_world: Any) -> Callable[..., Any]:
    return lambda expiry=NEAR_EXPIRY: door.fixSettlement(ETH, expiry, {"from": door_world.stranger})


@pytest.fixture
def at(anvil: Any) -> Callable[[int], None]:
    return lambda time: anvil.rpc("evm_setNextBlockTimestamp", time)


def forward_of(door: Any) -> int:
    return int(door.read([(ETH << 32) | NEAR_EXPIRY])[0] >> 160)


def settlement_of(door: Any) -> int:
    return int(door.read([(ETH << 32) | NEAR_EXPIRY])[2] & MASK_96)


def test_is_the_average_over_the_window(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    """No update falls on the window's ends: they are computed from what stood."""
    quote_at(BEGIN - 600, 3_000.0)
    quote_at(BEGIN + 300, 3_060.0)
    quote_at(BEGIN + 1_200, 2_940.0)
    quote_at(NEAR_EXPIRY + 40, 2_500.0)
    at(NEAR_EXPIRY + 50)
    receipt = fix()
    expected = (300 * 3_000 + 900 * 3_060 + 600 * 2_940) * WAD // WINDOW
    assert settlement_of(door) == expected
    event = receipt.events["SettlementFixed"]
    assert (event["underlying"], event["expiry"], event["price"], event["begin"]) == (ETH, NEAR_EXPIRY, expected, BEGIN)


def test_needs_no_update_after_the_expiry(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    quote_at(BEGIN - 60, 3_000.0)
    quote_at(BEGIN + 900, 3_100.0)
    at(NEAR_EXPIRY)
    fix()
    assert settlement_of(door) == 3_050 * WAD


def test_a_silence_counts_with_the_price_that_stood(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    """Through begin and end of the window alike."""
    quote_at(BEGIN - 6_000, 3_000.0)
    quote_at(NEAR_EXPIRY + 6_000, 5_000.0)
    fix()
    assert settlement_of(door) == 3_000 * WAD


def test_rounds_down(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    quote_at(BEGIN - 60, 3_000.0)
    quote_at(BEGIN + 7, 3_000.000000000001)
    at(NEAR_EXPIRY)
    fix()
    exact = 7 * 3_000 * WAD + (WINDOW - 7) * (3_000 * WAD + 10**6)
    assert settlement_of(door) == exact // WINDOW
    assert exact % WINDOW


def test_a_price_that_came_late_is_averaged_from_its_arrival(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    quote_at(BEGIN + 800, 3_000.0)
    quote_at(BEGIN + 1_300, 3_100.0)
    at(NEAR_EXPIRY)
    assert fix().events["SettlementFixed"]["begin"] == BEGIN + 800
    assert settlement_of(door) == 3_050 * WAD


def test_the_window_is_governed(door: Any, door_world: Any, parameter: Any, quote_at: Any, fix: Any, at: Any) -> None:
    door_world.parameters.set(parameter("SETTLEMENT_WINDOW"), 600, {"from": door_world.governor})
    quote_at(BEGIN - 60, 2_000.0)
    quote_at(NEAR_EXPIRY - 700, 3_000.0)
    quote_at(NEAR_EXPIRY - 300, 3_100.0)
    at(NEAR_EXPIRY)
    fix()
    assert settlement_of(door) == 3_050 * WAD


def test_is_fixed_once(door: Any, quote_at: Any, submit_at: Any, fix: Any, at: Any) -> None:
    quote_at(BEGIN - 60, 3_000.0)
    at(NEAR_EXPIRY + 1)
    fix()
    with reverts("AlreadySettled", ETH, NEAR_EXPIRY, 3_000 * WAD):
        fix()
    submit_at(NEAR_EXPIRY + 30, spot=3_300.0, mark=3_300.0, age=31, expiries=[slice_at(NEAR_EXPIRY, 3_300.0)])  # signed before
    assert settlement_of(door) == 3_000 * WAD


def test_not_before_the_expiry(anvil: Any, door: Any, quote_at: Any, fix: Any) -> None:
    quote_at(BEGIN - 60, 3_000.0)
    anvil.set_time(NEAR_EXPIRY - 10)
    with reverts("NotExpired", ETH, NEAR_EXPIRY, ...):
        fix()


def test_needs_a_listed_expiry_and_a_price_before_it(anvil: Any, submit_at: Any, fix: Any) -> None:
    anvil.set_time(NEAR_EXPIRY + 100)
    with reverts("SettlementUnobserved", ETH, NEAR_EXPIRY):
        fix()  # no price at all
    submit_at(NEAR_EXPIRY + 200, spot=3_000.0, expiries=[])
    with reverts("SettlementUnobserved", ETH, NEAR_EXPIRY):
        fix()  # the first came afterwards
    with reverts("SettlementUnobserved", ETH, NEAR_EXPIRY - 7):
        fix(NEAR_EXPIRY - 7)  # not listed


def test_an_expiry_that_was_never_quoted_settles_while_the_price_stands(door: Any, submit_at: Any, fix: Any, at: Any) -> None:
    submit_at(BEGIN - 60, spot=3_000.0, mark=3_000.0)
    at(NEAR_EXPIRY + 5)
    fix()
    assert settlement_of(door) == 3_000 * WAD


def test_expiries_settle_one_by_one(door: Any, submit_at: Any, fix: Any, at: Any) -> None:
    submit_at(BEGIN - 60, spot=3_000.0, expiries=[slice_at(NEAR_EXPIRY), slice_at(FAR_EXPIRY, a=0.03)])
    at(NEAR_EXPIRY + 5)
    fix()
    submit_at(FAR_EXPIRY - 2_000, spot=3_100.0, expiries=[slice_at(FAR_EXPIRY)])
    submit_at(FAR_EXPIRY - 900, spot=3_300.0, expiries=[slice_at(FAR_EXPIRY)])
    at(FAR_EXPIRY + 5)
    assert fix(FAR_EXPIRY).events["SettlementFixed"]["price"] == 3_200 * WAD
    assert settlement_of(door) == 3_000 * WAD


def test_a_held_update_does_not_count(door: Any, quote_at: Any, fix: Any, at: Any) -> None:
    quote_at(BEGIN - 10, 3_000.0)
    quote_at(BEGIN + 20, 30_000.0)
    at(NEAR_EXPIRY)
    fix()
    assert settlement_of(door) == 3_000 * WAD


# --- the forward inside the window ---


def test_the_forward_is_blended_with_the_average_so_far(door: Any, quote_at: Any) -> None:
    """F = fixed share x average so far + remaining share x signed forward."""
    quote_at(BEGIN - 600, 3_000.0, 3_005.0)
    assert forward_of(door) == 3_005 * WAD
    quote_at(BEGIN + 600, 3_060.0, 3_066.0)
    assert forward_of(door) == (600 * 3_000 + 1_200 * 3_066) * WAD // WINDOW
    quote_at(BEGIN + 1_500, 2_940.0, 2_943.0)
    assert forward_of(door) == (600 * 3_000 + 900 * 3_060 + 300 * 2_943) * WAD // WINDOW


def test_before_the_window_the_forward_is_as_signed(door: Any, quote_at: Any) -> None:
    quote_at(BEGIN - 600, 3_000.0, 3_005.0)
    quote_at(BEGIN - 1, 3_010.0, 3_011.0)
    assert forward_of(door) == 3_011 * WAD


def test_after_the_expiry_it_is_the_average(door: Any, quote_at: Any, submit_at: Any) -> None:
    """Signed before, arrives after: nothing remains that could still move."""
    quote_at(BEGIN - 600, 3_000.0)
    quote_at(BEGIN + 900, 3_100.0)
    submit_at(NEAR_EXPIRY + 20, age=21, spot=3_300.0, mark=3_300.0, expiries=[slice_at(NEAR_EXPIRY, 3_300.0)])
    assert forward_of(door) == 3_050 * WAD


def test_a_window_that_began_unseen_begins_with_the_first_price(door: Any, quote_at: Any) -> None:
    quote_at(BEGIN + 600, 3_060.0, 3_066.0)
    assert forward_of(door) == 3_066 * WAD
    quote_at(BEGIN + 1_200, 2_940.0, 2_943.0)
    assert forward_of(door) == (600 * 3_060 + 600 * 2_943) * WAD // 1_200
