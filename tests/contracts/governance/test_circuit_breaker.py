"""CircuitBreaker: states, timers, and who may move which way."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import pytest

from tests.reverts import reverts

ETH, BTC, LAST, GLOBAL = 0, 1, 31, 255
NORMAL, REDUCE_ONLY, HALTED, SHUTDOWN = range(4)
DAY = 86_400


class Cause(IntEnum):
    JUMP = 0
    QUORUM = 1
    SLICE = 2
    STALE = 3


@pytest.fixture(scope="session")
def held(project: Any, governor: Any, guardian: Any, keeper: Any) -> SimpleNamespace:
    """A breaker of its own; the keeper stands in for the price door as its tripper."""
    breaker = project.CircuitBreaker.deploy(governor, {"from": governor})
    breaker.grantRole(breaker.TRIPPER(), keeper, {"from": governor})
    breaker.grantRole(breaker.GUARDIAN(), guardian, {"from": governor})
    return SimpleNamespace(breaker=breaker, tripper=keeper, guardian=guardian, governor=governor)


@pytest.fixture
def own(held: SimpleNamespace) -> Any:
    return held.breaker


@pytest.fixture
def trip(held: SimpleNamespace) -> Callable[..., Any]:
    return lambda scope=ETH, duration=300: held.breaker.trip(scope, Cause.JUMP, 2 * 10**17, 15 * 10**16, duration, {"from": held.tripper})


@pytest.fixture
def tighten(held: SimpleNamespace) -> Callable[..., Any]:
    return lambda scope, to: held.breaker.tighten(scope, to, {"from": held.guardian})


@pytest.fixture
def loosen(held: SimpleNamespace) -> Callable[..., Any]:
    return lambda scope, to: held.breaker.loosen(scope, to, {"from": held.governor})


def states(breaker: Any) -> tuple[int, int, int]:
    return breaker.stateOf(ETH), breaker.stateOf(BTC), breaker.globalState()


def test_starts_normal(own: Any) -> None:
    assert states(own) == (NORMAL, NORMAL, NORMAL)
    assert not own.anyTripped()
    assert own.shutdownAt() == 0
    assert tuple(own.scope(ETH)) == (NORMAL, NORMAL, 0)


# --- automatic trips ---


def test_a_trip_reduces_one_underlying_until_its_timer_ends(own: Any, trip: Any, anvil: Any) -> None:
    receipt = trip()
    until = receipt.timestamp + 300
    assert states(own) == (REDUCE_ONLY, NORMAL, NORMAL)
    assert own.anyTripped()
    assert tuple(own.scope(ETH)) == (NORMAL, REDUCE_ONLY, until)
    event = receipt.events["Tripped"]
    assert (event["scope"], event["cause"], event["observed"], event["bound"], event["until"]) == (ETH, 0, 2 * 10**17, 15 * 10**16, until)

    anvil.set_time(until - 1)
    anvil.mine()
    assert own.stateOf(ETH) == (REDUCE_ONLY if anvil.time() < until else NORMAL)
    anvil.set_time(until)
    anvil.mine()
    assert states(own) == (NORMAL, NORMAL, NORMAL)
    assert not own.anyTripped()


def test_a_global_trip_reduces_all(own: Any, trip: Any) -> None:
    trip(GLOBAL)
    assert states(own) == (REDUCE_ONLY, REDUCE_ONLY, REDUCE_ONLY)


def test_the_last_underlying_is_a_scope_of_its_own(own: Any, trip: Any, tighten: Any) -> None:
    trip(LAST)
    tighten(LAST, HALTED)
    assert own.stateOf(LAST) == HALTED
    assert states(own) == (NORMAL, NORMAL, NORMAL)


def test_a_trip_prolongs_and_never_shortens(own: Any, trip: Any) -> None:
    first = trip(duration=300)
    shorter = trip(duration=10)
    assert shorter.events["Tripped"]["until"] == own.scope(ETH)[2] == first.timestamp + 300
    longer = trip(duration=DAY)
    assert own.scope(ETH)[2] == longer.timestamp + DAY


@pytest.mark.parametrize("duration", [0, 7 * DAY + 1, 2**255])
def test_refuses_a_duration_that_no_timer_may_have(own: Any, trip: Any, duration: int) -> None:
    assert own.MAX_RELEASE() == 7 * DAY
    with reverts("BadDuration", duration, 7 * DAY):
        trip(duration=duration)


def test_only_the_tripper_trips(held: SimpleNamespace, own: Any) -> None:
    for sender in (held.guardian, held.governor):
        with reverts("AccessControlUnauthorizedAccount", sender.address, str(own.TRIPPER())):
            own.trip(ETH, Cause.STALE, 200, 120, 300, {"from": sender})


@pytest.mark.parametrize("scope", [32, 254])
def test_refuses_unknown_scopes(own: Any, trip: Any, tighten: Any, loosen: Any, scope: int) -> None:
    for call in (lambda: trip(scope), lambda: tighten(scope, HALTED), lambda: loosen(scope, NORMAL), lambda: own.scope(scope)):
        with reverts("UnknownScope", scope):
            call()


# --- tightening ---


def test_the_guardian_tightens_step_by_step_and_no_timer_undoes_it(own: Any, tighten: Any, trip: Any, move_time: Any) -> None:
    receipt = tighten(ETH, REDUCE_ONLY)
    event = receipt.events["Tightened"]
    assert (event["scope"], event["previous"], event["state"]) == (ETH, NORMAL, REDUCE_ONLY)
    tighten(ETH, HALTED)
    trip(ETH)
    move_time(DAY + 1)
    assert states(own) == (HALTED, NORMAL, NORMAL)
    assert own.anyTripped()


def test_tightening_everything_leaves_stricter_underlyings_as_they_are(own: Any, tighten: Any) -> None:
    tighten(ETH, HALTED)
    tighten(GLOBAL, REDUCE_ONLY)
    assert states(own) == (HALTED, REDUCE_ONLY, REDUCE_ONLY)
    tighten(GLOBAL, HALTED)
    assert states(own) == (HALTED, HALTED, HALTED)


def test_the_guardian_holds_what_tripped(own: Any, tighten: Any, trip: Any, move_time: Any) -> None:
    """The held layer alone must rise: during an automatic REDUCE_ONLY the guardian may keep it."""
    trip(ETH)
    tighten(ETH, REDUCE_ONLY)
    move_time(301)
    assert own.stateOf(ETH) == REDUCE_ONLY


def test_the_guardian_can_neither_loosen_nor_shut_down(held: SimpleNamespace, own: Any, tighten: Any) -> None:
    tighten(ETH, HALTED)
    for to in (NORMAL, REDUCE_ONLY, HALTED):
        with reverts("NotTighter", ETH, HALTED, to):
            tighten(ETH, to)
    with reverts("NotTighter", BTC, NORMAL, SHUTDOWN):
        tighten(BTC, SHUTDOWN)
    with reverts("NotTighter", GLOBAL, NORMAL, NORMAL):
        tighten(GLOBAL, NORMAL)
    with reverts("AccessControlUnauthorizedAccount", held.guardian.address, str(own.GOVERNOR())):
        own.loosen(ETH, NORMAL, {"from": held.guardian})
    with reverts("AccessControlUnauthorizedAccount", held.guardian.address, str(own.GOVERNOR())):
        own.shutdown({"from": held.guardian})


def test_only_the_guardian_tightens(held: SimpleNamespace, own: Any, stranger: Any) -> None:
    for sender in (held.tripper, held.governor, stranger):
        with reverts("AccessControlUnauthorizedAccount", sender.address, str(own.GUARDIAN())):
            own.tighten(ETH, HALTED, {"from": sender})


# --- loosening ---


def test_governance_loosens_both_layers(own: Any, tighten: Any, loosen: Any, trip: Any) -> None:
    trip(ETH)
    tighten(ETH, HALTED)
    receipt = loosen(ETH, REDUCE_ONLY)
    event = receipt.events["Loosened"]
    assert (event["scope"], event["previous"], event["state"]) == (ETH, HALTED, REDUCE_ONLY)
    assert tuple(own.scope(ETH)) == (REDUCE_ONLY, NORMAL, 0)
    loosen(ETH, NORMAL)
    assert states(own) == (NORMAL, NORMAL, NORMAL)
    assert not own.anyTripped()


def test_governance_ends_an_automatic_trip(own: Any, loosen: Any, trip: Any) -> None:
    trip(ETH)
    loosen(ETH, NORMAL)
    assert own.stateOf(ETH) == NORMAL
    assert not own.anyTripped()


@pytest.mark.parametrize("others", [(BTC,), (GLOBAL,), (BTC, LAST)])
def test_loosening_one_leaves_the_timers_of_others(own: Any, loosen: Any, trip: Any, others: tuple[int, ...]) -> None:
    for scope in (ETH, *others):
        trip(scope)
    loosen(ETH, NORMAL)
    assert own.anyTripped()
    assert own.stateOf(BTC) == (REDUCE_ONLY if BTC in others or GLOBAL in others else NORMAL)
    assert own.stateOf(LAST) == (REDUCE_ONLY if LAST in others or GLOBAL in others else NORMAL)


def test_loosening_one_leaves_what_is_held_of_others(own: Any, loosen: Any, tighten: Any) -> None:
    for scope in (ETH, BTC, GLOBAL):
        tighten(scope, HALTED)
    loosen(ETH, NORMAL)
    loosen(GLOBAL, NORMAL)
    assert states(own) == (NORMAL, HALTED, NORMAL)
    assert own.anyTripped()


def test_loosening_must_lower_the_state(own: Any, loosen: Any, tighten: Any, trip: Any, move_time: Any) -> None:
    with reverts("NotLooser", ETH, NORMAL, NORMAL):
        loosen(ETH, NORMAL)
    trip(ETH)
    for to in (REDUCE_ONLY, HALTED, SHUTDOWN):
        with reverts("NotLooser", ETH, REDUCE_ONLY, to):
            loosen(ETH, to)
    move_time(301)
    with reverts("NotLooser", ETH, NORMAL, NORMAL):
        loosen(ETH, NORMAL)


def test_only_the_governor_loosens(held: SimpleNamespace, own: Any, trip: Any) -> None:
    trip(ETH)
    with reverts("AccessControlUnauthorizedAccount", held.tripper.address, str(own.GOVERNOR())):
        own.loosen(ETH, NORMAL, {"from": held.tripper})


# --- shutdown ---


def test_the_shutdown_is_global_and_final(held: SimpleNamespace, own: Any, tighten: Any, loosen: Any, trip: Any, move_time: Any) -> None:
    receipt = own.shutdown({"from": held.governor})
    assert states(own) == (SHUTDOWN, SHUTDOWN, SHUTDOWN)
    assert own.shutdownAt() == receipt.timestamp == receipt.events["ShutDown"]["at"]
    trip(ETH)  # prices may still trip, which changes nothing
    move_time(DAY)
    for call in (lambda: loosen(GLOBAL, NORMAL), lambda: tighten(ETH, HALTED), lambda: own.shutdown({"from": held.governor})):
        with reverts("AlreadyShutDown", receipt.timestamp):
            call()
    assert states(own) == (SHUTDOWN, SHUTDOWN, SHUTDOWN)


def test_only_the_governor_shuts_down(held: SimpleNamespace, own: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", held.tripper.address, str(own.GOVERNOR())):
        own.shutdown({"from": held.tripper})


# --- as deployed ---


def test_as_deployed_each_role_has_one_holder(breaker: Any, price_door: Any, guardian: Any, timelock: Any, deployer: Any) -> None:
    holders = {"TRIPPER": price_door, "GUARDIAN": guardian, "GOVERNOR": timelock}
    for role, holder in holders.items():
        identifier = getattr(breaker, role)()
        assert breaker.hasRole(identifier, holder.address)
        assert not breaker.hasRole(identifier, deployer.address)
        assert breaker.getRoleAdmin(identifier) == breaker.DEFAULT_ADMIN_ROLE()
