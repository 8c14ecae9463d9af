"""Prices are judged by the block that will include the transaction."""

from __future__ import annotations

import pytest

from keeper.chain import Block
from keeper.model import Account, Instrument, MarginMode, Position, Wad
from keeper.monitoring import Freshness
from keeper.portfolio import Spot, State

HOLDER = Account(1, "0x1", MarginMode.CROSS, Wad(0), {}, {Instrument.perp(0): Position(Wad.whole(1), Wad(0))})
EMPTY = Account(2, "0x2", MarginMode.CROSS, Wad(0))
STATE = State(accounts={1: HOLDER, 2: EMPTY}, spots={0: Spot(100, 1, 1, 1)})


def block(number: int, time: int) -> Block:
    return Block(number, f"0x{number}", "", time)


@pytest.mark.parametrize(
    ("times", "spacing"),
    [
        ([], 0),
        ([(1, 10)], 0),
        ([(1, 10), (2, 12)], 2),
        ([(1, 10), (2, 12), (3, 312), (4, 314)], 2),
        ([(1, 10), (4, 40)], 10),
        ([(1, 10), (2, 12), (2, 12), (1, 10), (2, 14)], 2),
        ([(n, 12 * n) for n in range(9)], 12),
    ],
)
def test_the_spacing_is_the_least_of_the_last_few(times: list[tuple[int, int]], spacing: int) -> None:
    freshness = Freshness()
    for number, time in times:
        freshness.observe(block(number, time))
    assert freshness.spacing == spacing


def test_the_next_block_decides() -> None:
    freshness = Freshness()
    for number in range(3):
        freshness.observe(block(number, 100 + 2 * number))
    assert freshness.lasts(STATE, [1, 2], block(2, 103), max_age=5.0)
    assert not freshness.lasts(STATE, [1, 2], block(2, 104), max_age=5.0)
    assert freshness.lasts(STATE, [2], block(2, 1000), max_age=5.0), "who uses no price needs none"
    assert not freshness.lasts(State(accounts={1: HOLDER}), [1], block(2, 100), max_age=5.0), "none was published"
