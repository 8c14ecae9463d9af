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


def test_operations_in_batches_wait_too(
    anvil: Any, governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any, index: Any
) -> None:
    timelock, by = governed.timelock, {"from": governor}
    target, value, data, predecessor, salt = operation
    batch, uneven = ([target], [value], [data], predecessor, salt), ([target], [], [data], predecessor, salt)
    with reverts("TimelockInvalidOperationLength", 1, 1, 0):
        timelock.scheduleBatch(*uneven, DELAY, by)
    with reverts("TimelockInvalidOperationLength", 1, 1, 0):
        timelock.executeBatch(*uneven, by)
    with reverts("TimelockInsufficientDelay", DELAY - 1, DELAY):
        timelock.scheduleBatch(*batch, DELAY - 1, by)
    timelock.scheduleBatch(*batch, DELAY, by)
    identifier = str(timelock.hashOperationBatch(*batch))
    unset, waiting, ready = (f"0x{1 << state:064x}" for state in range(3))
    with reverts("TimelockUnexpectedOperationState", identifier, unset):
        timelock.scheduleBatch(*batch, DELAY, by)
    with reverts("TimelockUnexpectedOperationState", identifier, ready):
        timelock.executeBatch(*batch, by)
    anvil.advance(DELAY)
    timelock.executeBatch(*batch, by)
    assert governed.table.value(index("MAX_ACTION_AGE")) == 10
    with reverts("TimelockUnexpectedOperationState", identifier, f"0x{int(waiting, 16) | int(ready, 16):064x}"):
        timelock.cancel(identifier, by)


def test_an_operation_is_scheduled_once(anvil: Any, governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any) -> None:
    timelock, by = governed.timelock, {"from": governor}
    identifier = str(timelock.hashOperation(*operation))
    states = [timelock.getOperationState(identifier)]
    timelock.schedule(*operation, DELAY, by)
    states.append(timelock.getOperationState(identifier))
    assert timelock.isOperation(identifier)
    assert timelock.isOperationPending(identifier)
    assert not timelock.isOperationReady(identifier)
    with reverts("TimelockUnexpectedOperationState", identifier, f"0x{1:064x}"):
        timelock.schedule(*operation, DELAY, by)
    anvil.advance(DELAY)
    assert timelock.isOperationReady(identifier)
    states.append(timelock.getOperationState(identifier))
    timelock.execute(*operation, by)
    states.append(timelock.getOperationState(identifier))
    assert states == [0, 1, 2, 3]


def test_an_operation_waits_for_its_predecessor(anvil: Any, governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any) -> None:
    timelock, by = governed.timelock, {"from": governor}
    target, value, data, _, salt = operation
    first = str(timelock.hashOperation(*operation))
    second, batch = (target, value, data, first, salt), ([target], [value], [data], first, salt)
    timelock.schedule(*second, DELAY, by)
    timelock.scheduleBatch(*batch, DELAY, by)
    anvil.advance(DELAY)
    for execute in (lambda: timelock.execute(*second, by), lambda: timelock.executeBatch(*batch, by)):
        with reverts("TimelockUnexecutedPredecessor", first):
            execute()


def test_calls_of_nothing_fail(anvil: Any, governed: SimpleNamespace, operation: tuple[Any, ...], governor: Any) -> None:
    timelock, by = governed.timelock, {"from": governor}
    target, value, _, predecessor, salt = operation
    nothing = b"\x12\x34\x56\x78"
    one, batch = (target, value, nothing, predecessor, salt), ([target], [value], [nothing], predecessor, salt)
    timelock.schedule(*one, DELAY, by)
    timelock.scheduleBatch(*batch, DELAY, by)
    anvil.advance(DELAY)
    for execute in (lambda: timelock.execute(*one, by), lambda: timelock.executeBatch(*batch, by)):
        with reverts("FailedCall"):
            execute()


def test_the_delay_is_changed_by_itself(anvil: Any, governed: SimpleNamespace, governor: Any) -> None:
    timelock, by = governed.timelock, {"from": governor}
    operation = (timelock, 0, timelock.updateDelay.encode_input(2 * DELAY), NO_PREDECESSOR, NO_PREDECESSOR)
    timelock.schedule(*operation, DELAY, by)
    anvil.advance(DELAY)
    timelock.execute(*operation, by)
    assert timelock.getMinDelay() == 2 * DELAY
