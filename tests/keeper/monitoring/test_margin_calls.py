"""Margin calls: raised once, ended above the higher level, remembered over a restart."""

from __future__ import annotations

import random
import sqlite3

import pytest

from keeper.chain import Block
from keeper.monitoring import MarginCalls, MarginCallStore, update_calls


def block(number: int) -> Block:
    return Block(number, f"0x{number}", "", 1000 + number)


def run(healths: list[float | None]) -> list[tuple[int, bool]]:
    """Blocks in which account 1's call was raised (True) or ended."""
    calls, seen = MarginCalls({}), []
    for number, health in enumerate(healths):
        calls, changes = update_calls(calls, {} if health is None else {1: health}, block(number), 1.25, 1.30)
        seen += [(change.block, change.raised) for change in changes]
    return seen


@pytest.mark.parametrize(
    ("healths", "expected"),
    [
        ([1.4, 1.26, 1.25], []),
        ([1.4, 1.24, 1.2, 1.1], [(1, True)]),
        ([1.24, 1.26, 1.24, 1.29, 1.2], [(0, True)]),
        ([1.24, 1.30, 1.26, 1.24], [(0, True), (1, False), (3, True)]),
        ([1.24, None], [(0, True), (1, False)]),
        ([float("-inf"), float("inf")], [(0, True), (1, False)]),
    ],
)
def test_hysteresis(healths: list[float | None], expected: list[tuple[int, bool]]) -> None:
    assert run(healths) == expected


def test_a_health_at_the_border_calls_once_and_without_hysteresis_it_would_not() -> None:
    dice = random.Random(3)
    healths = [1.25 + dice.uniform(-0.02, 0.02) for _ in range(200)]
    assert len(run(healths)) == 1
    calls, changes = MarginCalls({}), []
    for number, health in enumerate(healths):
        calls, found = update_calls(calls, {1: health}, block(number), 1.25, 1.25)
        changes += found
    assert len(changes) > 50


def test_open_calls_survive_a_restart() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    store = MarginCallStore(connection)
    calls = MarginCalls({})
    for number, health in enumerate(
        [{1: 1.2, 2: float("-inf"), 3: 1.1}, {1: 1.4, 2: float("-inf"), 3: 1.2}, {1: 1.0, 2: 1.0, 3: float("inf")}]
    ):
        calls, changes = update_calls(calls, health, block(number), 1.25, 1.30)
        store.append(changes)
    assert dict(calls.since) == {2: 0, 1: 2}
    assert dict(MarginCallStore(connection).open_calls().since) == {2: 0, 1: 2}
