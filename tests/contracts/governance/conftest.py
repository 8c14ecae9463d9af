"""The parameter table of its own, administered by an account: tests of bounds need no waiting, and no other contract."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.parameter_list import governed_parameters

DELAY = 3_600


@pytest.fixture(scope="session")
def governed(project: Any, governor: Any) -> SimpleNamespace:
    """A table whose only administrator is a timelock: the governor proposes, anybody executes."""
    timelock = project.Timelock.deploy(DELAY, [governor], ["0x" + "00" * 20], {"from": governor})
    table = project.RiskParameters.deploy(timelock, {"from": governor})
    return SimpleNamespace(timelock=timelock, table=table)


@pytest.fixture(scope="session")
def parameters(project: Any, governor: Any) -> Any:
    return project.RiskParameters.deploy(governor, {"from": governor})


@pytest.fixture
def index() -> Callable[[str], int]:
    """Position of a parameter in the enum."""
    return lambda name: governed_parameters()[name].index


@pytest.fixture
def set_value(parameters: Any, governor: Any, index: Callable[[str], int]) -> Callable[[str, int], Any]:
    return lambda name, value: parameters.set(index(name), value, {"from": governor})


@pytest.fixture
def eth_and_btc(parameters: Any, governor: Any) -> None:
    """Underlyings 0 and 1, unscaled, in group 1."""
    for underlying in (0, 1):
        parameters.setUnderlying(underlying, 1, 10**18, {"from": governor})
