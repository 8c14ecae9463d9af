"""RiskParameters.setUnderlying and setGroup."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reverts import reverts

WAD = 10**18


def test_sets_an_underlying(parameters: Any, governor: Any) -> None:
    receipt = parameters.setUnderlying(31, 8, 2 * WAD, {"from": governor})
    assert tuple(parameters.underlying(31)) == (8, 2 * WAD, True)
    assert parameters.table()[72 + 31] == (2 * WAD << 32) | (1 << 8) | 8
    event = receipt.events["UnderlyingSet"]
    assert (event["underlying"], event["group"], event["spotScale"]) == (31, 8, 2 * WAD)


def test_replaces_an_underlying(parameters: Any, governor: Any, eth_and_btc: None) -> None:
    parameters.setUnderlying(0, 0, 15 * WAD // 10, {"from": governor})
    assert tuple(parameters.underlying(0)) == (0, 15 * WAD // 10, True)
    assert tuple(parameters.underlying(1)) == (1, WAD, True)


@pytest.mark.parametrize(
    ("underlying", "group", "scale"),
    [(32, 0, WAD), (255, 0, WAD), (0, 9, WAD), (0, 0, WAD - 1), (0, 0, 0), (0, 0, 5 * WAD + 1), (0, 0, 2**64 - 1)],
)
def test_refuses_what_is_out_of_range(parameters: Any, governor: Any, underlying: int, group: int, scale: int) -> None:
    with reverts("BadUnderlying", underlying, group, scale):
        parameters.setUnderlying(underlying, group, scale, {"from": governor})


def test_the_scale_fits_the_core_shocks(parameters: Any, governor: Any) -> None:
    parameters.setUnderlying(0, 0, 5 * WAD, {"from": governor})  # 5 x -18 % = -90 %
    parameters.setUnderlying(0, 0, WAD, {"from": governor})
    parameters.setScenarios([(-WAD // 2, WAD, True, 1), (-99 * WAD // 100, WAD, False, 1)], {"from": governor})
    parameters.setUnderlying(0, 0, 198 * WAD // 100, {"from": governor})
    too_much = 198 * WAD // 100 + 2
    with reverts("BadUnderlying", 0, 0, too_much):
        parameters.setUnderlying(0, 0, too_much, {"from": governor})


def test_absent_underlyings_read_as_zeros(parameters: Any) -> None:
    assert tuple(parameters.underlying(31)) == (0, 0, False)
    assert tuple(parameters.underlying(32)) == (0, 0, False)


def test_sets_a_group(parameters: Any, governor: Any) -> None:
    receipt = parameters.setGroup(8, WAD // 2, {"from": governor})
    assert parameters.group(8) == WAD // 2
    assert parameters.table()[104 + 7] == WAD // 2
    assert (receipt.events["GroupSet"]["group"], receipt.events["GroupSet"]["kappa"]) == (8, WAD // 2)
    assert [parameters.group(other) for other in (0, 1, 7, 9, 255)] == [0] * 5


@pytest.mark.parametrize(("group", "kappa"), [(0, 0), (9, 0), (1, WAD // 2 + 1), (1, 2**256 - 1)])
def test_refuses_a_bad_group(parameters: Any, governor: Any, group: int, kappa: int) -> None:
    with reverts("BadGroup", group, kappa):
        parameters.setGroup(group, kappa, {"from": governor})


def test_only_the_parameter_admin(parameters: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(parameters.PARAMETER_ADMIN())):
        parameters.setUnderlying(0, 0, WAD, {"from": stranger})
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(parameters.PARAMETER_ADMIN())):
        parameters.setGroup(1, 0, {"from": stranger})
