"""Killed between opening, nominating and executing, and two at once: nothing is sent twice, nothing is paid twice."""

from __future__ import annotations

import time
from pathlib import Path

from keeper.engine import Engine
from scripts.processes import Child
from scripts.seed_local import Party
from tests.scenarios.deleveraging.conftest import ETH, PAUSE_S, WAD, Ground, until

QUIET_S = 2.0
ROUNDS = 12
SHORTS = 3
WINDOW_S = 60


def pending(ground: Ground, party: Party) -> int:
    """Transactions that wait to be mined."""
    rpc = ground.world.anvil.rpc
    mined, known = (int(rpc("eth_getTransactionCount", party.address, tag), 16) for tag in ("latest", "pending"))
    return known - mined


def test_killed_after_each_step_and_started_again(ground: Ground, tmp_path: Path) -> None:
    """Blocks are made by hand: each time the keeper has sent something and cannot know what became of it, it is killed."""
    world, party = ground.world, ground.world.keeper_account
    environment = {**world.keeper_environment(), "KEEPER_DATABASE": str(tmp_path / "killed.sqlite"), "KEEPER_RETRY_AFTER": "0.1"}
    keeper = Child("killed", "keeper.cli", ["run", "--log-level", "debug"], tmp_path / "killed.log", environment)
    ground.fall()

    def killed_in_flight() -> None:
        ground.automine(on=False)
        keeper.start()
        until(lambda: pending(ground, party) > 0)
        keeper.kill()
        ground.automine(on=True)

    try:
        killed_in_flight()
        assert len(ground.events("DeficitOpened")) == 1
        killed_in_flight()
        assert ground.events("Nominated")
        # Nominations that were missing, if it was killed before the last of them: nobody was nominated in vain, nobody is left out.
        keeper.start()
        until(lambda: len(ground.view("Nominations", "adlQueue", ETH.pack(), False)[0]) == SHORTS)
        keeper.kill()
        for _ in range(WINDOW_S // PAUSE_S + 1):
            ground.mine()
        killed_in_flight()
        assert ground.events("Executed")
        keeper.start()
        keeper.wait_for("started")
        time.sleep(QUIET_S)
    finally:
        keeper.stop()
    ground.require_exact()
    nominated = [(record["args"]["account"], record["args"]["instrument"]) for record in ground.events("Nominated")]
    assert len(set(nominated)) == len(nominated)
    assert len(ground.events("DeficitOpened")) == len(ground.events("DeficitClosed")) == 1
    outcomes = ground.sent(party.address)
    assert all(outcomes), "nothing was sent twice: no transaction found its work done"
    assert len(outcomes) == 1 + len(nominated) + len(ground.events("Executed"))


def race(ground: Ground, *keepers: Engine) -> None:
    """Both decide on the same block; their transactions meet in the next one."""
    ground.automine(on=False)
    for _ in range(3):
        for keeper in keepers:
            keeper.step()
    ground.automine(on=True)
    for keeper in keepers:
        keeper.step()


def test_two_keepers_execute_once(ground: Ground) -> None:
    parties = ground.world.keeper_account, ground.others[0]
    ground.fall()
    keepers = [ground.engine(f"keeper{number}", party) for number, party in enumerate(parties)]
    for _ in range(3):
        race(ground, *keepers)  # opened, nominated
    for _ in range(WINDOW_S // PAUSE_S):
        ground.mine()
    for _ in range(ROUNDS):
        race(ground, *keepers)
        if ground.events("DeficitClosed"):
            break
        ground.mine()
    ground.require_exact()
    assert len(ground.events("DeficitOpened")) == len(ground.events("DeficitClosed")) == 1
    closes = ground.events("Deleveraged")
    assert sum(record["args"]["size"] for record in closes) == 100 * WAD
    assert len({(record["args"]["counterparty"], record["args"]["instrument"]) for record in closes}) == len(closes)
    nominated = [(record["args"]["account"], record["args"]["instrument"]) for record in ground.events("Nominated")]
    assert nominated
    assert len(set(nominated)) == len(nominated)
    assert all(instrument == ETH.pack() for _, instrument in nominated)
    first, second = (ground.sent(party.address) for party in parties)
    succeeded = 1 + len(nominated) + len(ground.events("Executed"))
    assert sum(first) + sum(second) == succeeded
    # Who came second lost the gas of a refused call, once per step at most.
    lost = first.count(False) + second.count(False)
    assert 1 <= lost <= succeeded
