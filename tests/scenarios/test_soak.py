"""The short form of `make soak`: three minutes of market; memory is judged by the long form."""

from __future__ import annotations

from pathlib import Path

from scripts.soak import play


def test_nothing_drifts_and_nothing_is_left(compiled: None, folder: Path) -> None:
    found = play(folder / "soak", seconds=180, singles=24)
    assert found.drift == 0
    assert found.exceptions == 0
    assert found.left == 0
    assert found.liquidated >= 20
    assert found.seconds >= 180
