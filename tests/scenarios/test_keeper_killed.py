"""The keeper is killed without warning in the middle of the fall and started again: a restart is a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.demo.evidence import Evidence
from scripts.demo.play import play
from scripts.demo.story import Story
from scripts.demo.summary import failures, summarise
from scripts.demo.world import World

KILLED_BEFORE = 3  # the gap: it restarts into a market in which accounts are bankrupt already


@pytest.fixture(scope="module")
def evidence(short_fall: Story, folder: Path) -> Evidence:
    with World(short_fall, folder, with_keeper=True) as world:

        def kill_and_restart(index: int) -> None:
            if index == KILLED_BEFORE and world.keeper is not None:
                world.keeper.kill()
                assert not world.keeper.running
                # The gap happens while nobody looks.
                world.publish(short_fall.markets[index - 1])
                world.keeper.start()

        return play(world, before_step=kill_and_restart)


def test_every_promise_is_kept(evidence: Evidence) -> None:
    assert failures(evidence) == []


def test_restarted_keeper_liquidated_who_fell_meanwhile(evidence: Evidence) -> None:
    assert summarise(evidence)["bankrupt"] >= 1
    steps = {step.index: step for step in evidence.steps}
    assert any(r["block"] >= steps[KILLED_BEFORE].before for r in evidence.of("Liquidated"))
