"""PriceDoor.setSigners and the constructor's use of it."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.roles import address_of
from tests.contracts.oracle.conftest import ETH, SIGNER_INDICES
from tests.reverts import reverts

ZERO = "0x" + "00" * 20


@pytest.fixture
def set_signers(door: Any, door_world: Any) -> Any:
    return lambda signers, quorum: door.setSigners(signers, quorum, {"from": door_world.governor})


def test_starts_with_the_constructors(door: Any, door_world: Any) -> None:
    signers, quorum = door.signers()
    assert list(signers) == door_world.signers
    assert quorum == 3
    (event,) = door.tx.events["SignersSet"]
    assert (list(event["signers"]), event["quorum"]) == (door_world.signers, 3)


def test_rotation_voids_earlier_signers_at_once(door: Any, set_signers: Any, update: Any, signed: Any, relayer: Any, now: int) -> None:
    rotated = [address_of(index) for index in (20, 21, 5)]
    receipt = set_signers(rotated, 2)
    assert list(receipt.events["SignersSet"]["signers"]) == rotated
    assert (list(door.signers()[0]), door.signers()[1]) == (rotated, 2)
    fresh = update(now)
    with reverts("BadSigner"):
        door.submit(fresh.as_tuple(), signed(fresh, SIGNER_INDICES[:3]), {"from": relayer})
    door.submit(fresh.as_tuple(), signed(fresh, (20, 5)), {"from": relayer})
    assert door.prices(ETH)[2] == now


def test_the_quorum_alone_may_change(
    door: Any, door_world: Any, set_signers: Any, update: Any, signed: Any, relayer: Any, now: int
) -> None:
    set_signers(door_world.signers, 5)
    fresh = update(now)
    with reverts("QuorumNotReached", 4, 5):
        door.submit(fresh.as_tuple(), signed(fresh, SIGNER_INDICES[:4]), {"from": relayer})
    door.submit(fresh.as_tuple(), signed(fresh, SIGNER_INDICES), {"from": relayer})


@pytest.mark.parametrize(("count", "quorum"), [(5, 6), (5, 2), (4, 2), (1, 0), (0, 0), (5, 0), (0, 1)])
def test_the_quorum_is_a_majority(set_signers: Any, count: int, quorum: int) -> None:
    with reverts("BadQuorum", quorum, count):
        set_signers([address_of(index) for index in range(20, 20 + count)], quorum)


def test_refuses_an_overflowing_quorum(set_signers: Any) -> None:
    with reverts("BadQuorum", 2**255, 1):
        set_signers([address_of(20)], 2**255)


def test_refuses_a_signer_twice_and_the_zero_address(set_signers: Any) -> None:
    with reverts("BadSignerSet", address_of(20)):
        set_signers([address_of(20), address_of(21), address_of(20)], 2)
    with reverts("BadSignerSet", ZERO):
        set_signers([address_of(20), ZERO, address_of(21)], 2)


def test_only_the_signer_admin(door: Any, door_world: Any, relayer: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", relayer.address, str(door.SIGNER_ADMIN())):
        door.setSigners(door_world.signers, 3, {"from": relayer})
