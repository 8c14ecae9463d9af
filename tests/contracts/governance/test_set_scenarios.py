"""RiskParameters.setScenarios."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reverts import reverts

WAD = 10**18
UP = 1
DEFAULT = (WAD // 10, WAD, True, UP)


def test_replaces_the_whole_table(parameters: Any, governor: Any) -> None:
    wanted = [(-WAD // 5, WAD, True, 2), (0, WAD // 2, True, 0), (3 * WAD, 1, False, 1)]
    receipt = parameters.setScenarios(wanted, {"from": governor})
    assert [tuple(s) for s in parameters.scenarios()] == wanted
    words = parameters.table()
    assert words[112] == 3
    assert list(receipt.events["ScenariosSet"]["words"]) == list(words[113:116])
    assert words[113] == ((2**64 - WAD // 5) << 128) | (WAD << 64) | (1 << 8) | 2
    assert not any(words[116:153])  # nothing of the longer table is left


def test_takes_forty(parameters: Any, governor: Any) -> None:
    parameters.setScenarios([DEFAULT] * 40, {"from": governor})
    assert len(parameters.scenarios()) == 40


@pytest.mark.parametrize("count", [0, 41])
def test_refuses_none_and_too_many(parameters: Any, governor: Any, count: int) -> None:
    with reverts("BadScenarioCount", count, 40):
        parameters.setScenarios([DEFAULT] * count, {"from": governor})


@pytest.mark.parametrize(
    "bad",
    [
        (-99 * WAD // 100 - 1, WAD, False, UP),
        (9 * WAD + 1, WAD, False, UP),
        (-(2**63), WAD, False, UP),
        (WAD // 10, 0, True, UP),
        (WAD // 10, WAD + 1, True, UP),
        (WAD // 10, WAD, True, 3),
    ],
    ids=["below -99 %", "above +900 %", "least int64", "no weight", "weight above 1", "direction"],
)
def test_refuses_a_bad_scenario(parameters: Any, governor: Any, bad: tuple[int, int, bool, int]) -> None:
    shock, weight, _, direction = bad
    with reverts("BadScenario", 1, shock, weight, direction):
        parameters.setScenarios([DEFAULT, bad], {"from": governor})


def test_core_shocks_stay_above_minus_one_when_scaled(parameters: Any, governor: Any) -> None:
    parameters.setUnderlying(4, 0, 3 * WAD, {"from": governor})
    parameters.setUnderlying(5, 0, 2 * WAD, {"from": governor})
    third = -33 * WAD // 100
    parameters.setScenarios([(third, WAD, True, UP)], {"from": governor})
    with reverts("BadScenario", 0, third - 1, WAD, UP):
        parameters.setScenarios([(third - 1, WAD, True, UP)], {"from": governor})
    parameters.setScenarios([(third - 1, WAD, False, UP)], {"from": governor})  # tails are not scaled


def test_only_the_parameter_admin(parameters: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(parameters.PARAMETER_ADMIN())):
        parameters.setScenarios([DEFAULT], {"from": stranger})
