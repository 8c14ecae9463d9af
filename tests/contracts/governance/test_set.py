"""RiskParameters.set: bounds, order, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.parameter_list import governed_parameters
from tests.reverts import reverts

WAD = 10**18
PERCENT = 10**16


def test_changes_one_word_and_nothing_else(parameters: Any, set_value: Any, index: Any) -> None:
    before = list(parameters.table())
    receipt = set_value("TRADE_FEE", 5 * 10**14)
    event = receipt.events["ParameterSet"]
    assert (event["parameter"], event["previous"], event["value"]) == (index("TRADE_FEE"), 3 * 10**14, 5 * 10**14)
    before[index("TRADE_FEE")] = 5 * 10**14
    assert list(parameters.table()) == before
    assert parameters.value(index("TRADE_FEE")) == 5 * 10**14


def test_changes_a_further_scalar_and_nothing_else(parameters: Any, set_value: Any, index: Any) -> None:
    before = list(parameters.table())
    set_value("OUTFLOW_CAP", 30 * PERCENT)
    assert before[153] == 25 * PERCENT
    before[153] = 30 * PERCENT
    assert list(parameters.table()) == before
    assert parameters.value(index("OUTFLOW_CAP")) == 30 * PERCENT


def test_each_change_deploys_the_next_table(parameters: Any, set_value: Any) -> None:
    old = parameters.pointer()
    set_value("MAX_ACTION_AGE", 6)
    assert parameters.pointer() != old


@pytest.mark.parametrize("parameter", governed_parameters().values(), ids=lambda p: p.name)
def test_refuses_what_is_out_of_bounds(parameters: Any, governor: Any, parameter: Any) -> None:
    lower, upper = parameters.bounds(parameter.index)
    with reverts("OutOfBounds", parameter.index, upper + 1, lower, upper):
        parameters.set(parameter.index, upper + 1, {"from": governor})
    with reverts("OutOfBounds", parameter.index, 2**256 - 1, lower, upper):
        parameters.set(parameter.index, 2**256 - 1, {"from": governor})
    if lower:
        with reverts("OutOfBounds", parameter.index, lower - 1, lower, upper):
            parameters.set(parameter.index, lower - 1, {"from": governor})


@pytest.mark.parametrize("name", ["VEGA_RATE", "MAX_ACTION_AGE", "MAX_POSITIONS", "DELTA_FREE", "TRADE_FEE", "MAX_BASIS"])
def test_bounds_are_inclusive(parameters: Any, set_value: Any, index: Any, name: str) -> None:
    for bound in parameters.bounds(index(name)):
        set_value(name, bound)
        assert parameters.value(index(name)) == bound


# parameter, value inside its bounds, and the pair that it would put out of order
ORDER = [
    ("VOL_TENOR_FLOOR", 7 * 86_400, None),
    ("VOL_TENOR_PIVOT", 86_400, None),
    ("VOL_FLOOR_DOWN", 41 * PERCENT, ("VOL_FLOOR_DOWN", 41 * PERCENT, "VOL_FLOOR_UP", 40 * PERCENT)),
    ("SHORT_OPTION_INITIAL_MIN", 16 * PERCENT, ("SHORT_OPTION_INITIAL_MIN", 16 * PERCENT, "SHORT_OPTION_INITIAL", 15 * PERCENT)),
    ("SHORT_OPTION_MAINTENANCE", 11 * PERCENT, ("SHORT_OPTION_MAINTENANCE", 11 * PERCENT, "SHORT_OPTION_INITIAL_MIN", 10 * PERCENT)),
    ("TIER_1_LIMIT", 60 * 10**6 * WAD, ("TIER_1_LIMIT", 60 * 10**6 * WAD, "TIER_2_LIMIT", 50 * 10**6 * WAD)),
    ("TIER_1_INITIAL", 2 * PERCENT, ("TIER_1_MAINTENANCE", 25 * 10**15, "TIER_1_INITIAL", 2 * PERCENT)),
    ("TIER_1_INITIAL", 11 * PERCENT, ("TIER_1_INITIAL", 11 * PERCENT, "TIER_2_INITIAL", 10 * PERCENT)),
    ("TIER_2_MAINTENANCE", 11 * PERCENT, ("TIER_2_MAINTENANCE", 11 * PERCENT, "TIER_2_INITIAL", 10 * PERCENT)),
    ("TIER_2_MAINTENANCE", 2 * PERCENT, ("TIER_1_MAINTENANCE", 25 * 10**15, "TIER_2_MAINTENANCE", 2 * PERCENT)),
    ("TIER_2_INITIAL", 21 * PERCENT, ("TIER_2_INITIAL", 21 * PERCENT, "TIER_3_INITIAL", 20 * PERCENT)),
    ("TIER_3_MAINTENANCE", 21 * PERCENT, ("TIER_3_MAINTENANCE", 21 * PERCENT, "TIER_3_INITIAL", 20 * PERCENT)),
    ("TIER_3_MAINTENANCE", 4 * PERCENT, ("TIER_2_MAINTENANCE", 5 * PERCENT, "TIER_3_MAINTENANCE", 4 * PERCENT)),
    ("FULL_THRESHOLD", 106 * PERCENT, ("FULL_THRESHOLD", 106 * PERCENT, "PARTIAL_THRESHOLD", 105 * PERCENT)),
    ("PARTIAL_THRESHOLD", 111 * PERCENT, ("PARTIAL_THRESHOLD", 111 * PERCENT, "TARGET_HEALTH", 110 * PERCENT)),
    ("DUTCH_DISCOUNT_MAX", 1 * PERCENT, ("DUTCH_DISCOUNT_START", 2 * PERCENT, "DUTCH_DISCOUNT_MAX", 1 * PERCENT)),
    ("CLOCK_EXPIRY", 3_601, ("CLOCK_EXPIRY", 3_601, "CLOCK_RESUME", 3_600)),
    ("SMALL_ACCOUNT", 4 * WAD, ("SMALL_REWARD", 5 * WAD, "SMALL_ACCOUNT", 4 * WAD)),
    ("STALE_LIMIT", 5, None),
    ("MAX_ACTION_AGE", 60, None),
    ("LIQUIDATION_FEE_MIN", 6 * PERCENT, ("LIQUIDATION_FEE_MIN", 6 * PERCENT, "LIQUIDATION_FEE_MAX", 5 * PERCENT)),
    ("LIQUIDATION_FEE_MAX", 4 * PERCENT, ("LIQUIDATION_FEE_MIN", 5 * PERCENT, "LIQUIDATION_FEE_MAX", 4 * PERCENT)),
    ("COVERAGE_LOW", 2 * PERCENT, ("COVERAGE_LOW", 2 * PERCENT, "COVERAGE_HIGH", 1 * PERCENT)),
    (
        "CONVERSION_DISCOUNT_START",
        6 * PERCENT,
        ("CONVERSION_DISCOUNT_START", 6 * PERCENT, "CONVERSION_DISCOUNT_MAX", 5 * PERCENT),
    ),
]


@pytest.mark.parametrize(("name", "value", "pair"), ORDER, ids=lambda item: item if isinstance(item, str) else "")
def test_keeps_the_order(
    parameters: Any, set_value: Any, index: Any, name: str, value: int, pair: tuple[str, int, str, int] | None
) -> None:
    if pair is None:
        set_value(name, value)
        return
    lower, lower_value, upper, upper_value = pair
    with reverts("Disordered", index(lower), lower_value, index(upper), upper_value):
        set_value(name, value)


def test_the_tenor_floor_stays_below_the_pivot(set_value: Any, index: Any) -> None:
    set_value("VOL_TENOR_FLOOR", 7 * 86_400)
    with reverts("Disordered", index("VOL_TENOR_FLOOR"), 7 * 86_400, index("VOL_TENOR_PIVOT"), 86_400):
        set_value("VOL_TENOR_PIVOT", 86_400)


def test_the_tier_1_discount_stays_below_the_dutch_maximum(set_value: Any, index: Any) -> None:
    set_value("DUTCH_DISCOUNT_MAX", 10 * PERCENT)
    with reverts("Disordered", index("PARTIAL_DISCOUNT"), 11 * PERCENT, index("DUTCH_DISCOUNT_MAX"), 10 * PERCENT):
        set_value("PARTIAL_DISCOUNT", 11 * PERCENT)


def test_discount_and_fee_stay_within_half(set_value: Any) -> None:
    set_value("DUTCH_DISCOUNT_MAX", 45 * PERCENT)  # with the fee of 5 %: exactly half
    with reverts("DiscountAndFeeTooHigh", 45 * PERCENT + 1, 5 * PERCENT, 50 * PERCENT):
        set_value("DUTCH_DISCOUNT_MAX", 45 * PERCENT + 1)
    with reverts("DiscountAndFeeTooHigh", 45 * PERCENT, 5 * PERCENT + 1, 50 * PERCENT):
        set_value("LIQUIDATION_FEE", 5 * PERCENT + 1)


def test_discount_and_the_largest_fee_stay_within_half(set_value: Any) -> None:
    set_value("LIQUIDATION_FEE_MAX", 20 * PERCENT)  # with the largest discount of 30 %: exactly half
    with reverts("DiscountAndFeeTooHigh", 30 * PERCENT + 1, 20 * PERCENT, 50 * PERCENT):
        set_value("DUTCH_DISCOUNT_MAX", 30 * PERCENT + 1)


def test_a_price_too_old_to_act_on_is_not_yet_stale(set_value: Any, index: Any) -> None:
    set_value("MAX_ACTION_AGE", 60)
    with reverts("Disordered", index("MAX_ACTION_AGE"), 60, index("STALE_LIMIT"), 59):
        set_value("STALE_LIMIT", 59)


def test_only_the_parameter_admin(parameters: Any, stranger: Any, index: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(parameters.PARAMETER_ADMIN())):
        parameters.set(index("TRADE_FEE"), 0, {"from": stranger})
