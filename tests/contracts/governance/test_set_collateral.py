"""RiskParameters.setCollateral."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reverts import reverts

WAD = 10**18


def test_sets_a_token(parameters: Any, governor: Any, eth_and_btc: None) -> None:
    config = (1, True, 15 * WAD // 100, WAD // 10)
    receipt = parameters.setCollateral(7, config, {"from": governor})
    stored, exists = parameters.collateral(7)
    assert (tuple(stored), exists) == (config, True)
    assert parameters.table()[64 + 7] == (15 * WAD // 100 << 192) | (WAD // 10 << 128) | (1 << 16) | (1 << 8) | 1
    assert receipt.events["CollateralSet"]["index"] == 7
    assert tuple(receipt.events["CollateralSet"]["config"]) == config


def test_a_token_that_does_not_join(parameters: Any, governor: Any, eth_and_btc: None) -> None:
    parameters.setCollateral(0, (0, False, WAD, 0), {"from": governor})
    assert tuple(parameters.collateral(0)[0]) == (0, False, WAD, 0)


@pytest.mark.parametrize(
    ("index", "initial", "maintenance"),
    [(8, 0, 0), (255, 0, 0), (0, WAD + 1, 0), (0, WAD // 10, WAD // 10 + 1), (0, 2**64 - 1, 2**64 - 1)],
)
def test_refuses_a_bad_config(parameters: Any, governor: Any, eth_and_btc: None, index: int, initial: int, maintenance: int) -> None:
    with reverts("BadCollateral", index, initial, maintenance):
        parameters.setCollateral(index, (0, True, initial, maintenance), {"from": governor})


@pytest.mark.parametrize("underlying", [2, 31, 32, 255])
def test_its_price_needs_an_underlying(parameters: Any, governor: Any, eth_and_btc: None, underlying: int) -> None:
    with reverts("UnknownUnderlying", underlying):
        parameters.setCollateral(0, (underlying, True, WAD // 10, WAD // 20), {"from": governor})


def test_absent_tokens_read_as_zeros(parameters: Any) -> None:
    for index in (0, 7, 8, 255):
        config, exists = parameters.collateral(index)
        assert (tuple(config), exists) == ((0, False, 0, 0), False)


def test_only_the_parameter_admin(parameters: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(parameters.PARAMETER_ADMIN())):
        parameters.setCollateral(0, (0, True, 0, 0), {"from": stranger})
