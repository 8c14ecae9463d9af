"""PriceDoor's time integrals: what funding and settlement average over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.oracle.conftest import BTC, ETH, START

WAD = 10**18


@pytest.fixture
def read_at(anvil: Any, door: Any) -> Callable[..., tuple[int, int]]:
    """Premium and spot integral in a block of exactly that time."""

    def read(time: int, underlying: int = ETH) -> tuple[int, int]:
        anvil.rpc("evm_setNextBlockTimestamp", time)
        anvil.rpc("anvil_mine", 1)
        premium, at = door.premiumIntegral(underlying)
        spot, spot_at = door.spotIntegral(underlying)
        assert (at, spot_at) == (time, time)
        return premium, spot

    return read


def test_nothing_adds_up_before_the_first_price(read_at: Any) -> None:
    assert read_at(START) == (0, 0)
    assert read_at(START + 1_000) == (0, 0)


def test_each_price_counts_for_the_time_it_stood(submit_at: Any, read_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_030.0)
    assert read_at(START + 10) == (10 * WAD // 100, 30_000 * WAD)
    submit_at(START + 20, spot=3_100.0, mark=3_038.0)  # -2 %
    submit_at(START + 50, spot=3_200.0, mark=3_200.0)
    assert read_at(START + 100) == ((20 * 1 - 30 * 2) * WAD // 100, (20 * 3_000 + 30 * 3_100 + 50 * 3_200) * WAD)


def test_a_price_counts_from_its_arrival(submit_at: Any, read_at: Any) -> None:
    """What was read of the past stays what it was, however old the next signature is."""
    submit_at(START, spot=3_000.0, mark=3_000.0)
    before = read_at(START + 30)
    submit_at(START + 31, age=20, spot=2_800.0, mark=2_800.0)
    assert read_at(START + 41)[1] - before[1] == (3_000 + 10 * 2_800) * WAD


def test_the_mark_counts_as_stored(submit_at: Any, read_at: Any) -> None:
    """Clamped to MAX_BASIS, 5 %."""
    submit_at(START, spot=3_000.0, mark=6_000.0)
    assert read_at(START + 100)[0] == 5 * WAD


def test_underlyings_are_apart(submit_at: Any, read_at: Any) -> None:
    submit_at(START, spot=3_000.0, mark=3_030.0)
    submit_at(START + 5, symbol="BTC", spot=90_000.0, mark=90_000.0)
    assert read_at(START + 10, BTC) == (0, 5 * 90_000 * WAD)


def test_the_largest_price_for_a_century_fits(anvil: Any, door: Any, submit_at: Any, read_at: Any) -> None:
    """uint96 USD times the seconds that a uint32 can still tell."""
    spot = 7.5e10  # the mark 5 % above it is just below 2**96 / 1e18
    submit_at(START, spot=spot, mark=1.05 * spot)
    end = 2**32 - 1
    assert read_at(end) == ((end - START) * 5 * WAD // 100, (end - START) * int(spot) * WAD)
