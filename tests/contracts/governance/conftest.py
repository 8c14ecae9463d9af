"""Only what governance needs: the parameter table, administered by an account, and one administered by a timelock."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def governor(project: Any) -> Any:
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    return accounts[1]


@pytest.fixture(scope="session")
def stranger(project: Any) -> Any:
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    return accounts[12]


@pytest.fixture(scope="session")
def parameters(project: Any, governor: Any) -> Any:
    return project.RiskParameters.deploy(governor, {"from": governor})
