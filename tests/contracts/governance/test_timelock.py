"""Timelock: changes wait, and nobody administers it but itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.contracts.governance.conftest import DELAY
from tests.reverts import reverts

ADMIN = "0x" + "00" * 32
NO_PREDECESSOR = "0x" + "00" * 32


@pytest.fixture
def operation(governed: SimpleNamespace, index: Any) -> tuple[Any, ...]:
    """MAX_ACTION_AGE = 10 as the timelock takes it."""
    return (governed.table, 0, governed.table.set.encode_input(index("MAX_ACTION_AGE"), 10), NO_PREDECESSOR, "0x" + "01" * 32)


def test_nobody_administers_it(governed: SimpleNamespace, governor: Any) -> None:
    assert governed.timelock.hasRole(ADMIN, governed.timelock)
    assert not governed.timelock.hasRole(ADMIN, governor)
    with reverts("TimelockUnauthorizedCaller", governor.address):
        governed.timelock.updateDelay(0, {"from": governor})


def test_not_even_the_proposer_changes_a_parameter_directly(governed: SimpleNamespace, governor: Any, index: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", governor.address, str(governed.table.PARAMETER_ADMIN())):
        governed.table.set(index("MAX_ACTION_AGE"), 10, {"from": governor})


def test_a_change_waits(
    anvil: Any, governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any, stranger: Any, index: Any
) -> None:
    timelock = governed.timelock
    assert timelock.getMinDelay() == DELAY
    with reverts("TimelockInsufficientDelay", DELAY - 1, DELAY):
        timelock.schedule(*operation, DELAY - 1, {"from": governor})
    timelock.schedule(*operation, DELAY, {"from": governor})
    with reverts("TimelockUnexpectedOperationState"):
        timelock.execute(*operation, {"from": governor})
    anvil.advance(DELAY)
    timelock.execute(*operation, {"from": stranger})  # anybody may, once it waited
    assert governed.table.value(index("MAX_ACTION_AGE")) == 10
    with reverts("TimelockUnexpectedOperationState"):
        timelock.execute(*operation, {"from": stranger})


def test_only_proposers_propose_and_cancel(governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any, stranger: Any) -> None:
    timelock = governed.timelock
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(timelock.PROPOSER_ROLE())):
        timelock.schedule(*operation, DELAY, {"from": stranger})
    timelock.schedule(*operation, DELAY, {"from": governor})
    proposal = timelock.hashOperation(*operation)
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(timelock.CANCELLER_ROLE())):
        timelock.cancel(proposal, {"from": stranger})
    timelock.cancel(proposal, {"from": governor})
    assert timelock.getTimestamp(proposal) == 0
