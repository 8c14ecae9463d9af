"""A keeper on the chain that is left with a debt which collateral cannot pay alone."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config import load_config
from keeper.doctor import connect
from keeper.engine import Engine
from keeper.execution import Signer
from scripts.anvil import private_key
from scripts.roles import FIRST_TRADER
from tests.contracts.waterfall.conftest import World, wad
from tests.reverts import reverts

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 40


@contextmanager
def engine_of(world: World, account: int, folder: Path) -> Iterator[Engine]:
    world.system.deployment.save(folder / "deployment.json")
    config = load_config(
        rpc_url=world.system.anvil.url,
        deployment=folder / "deployment.json",
        database=folder / "keeper.sqlite",
        account=account,
        private_key=private_key(FIRST_TRADER + 3),
        retry_after=0.01,
    )
    deployment, port = connect(config)
    with Engine(config, port, deployment, Signer.from_config(config)) as engine:
        engine.start()
        yield engine


@pytest.mark.parametrize("minutes", [0, 5], ids=["at first", "with a discount of 3 %"])
def test_the_debt_of_a_covered_call_is_paid_by_what_covers_and_what_is_covered(
    world: World,
    covered: tuple[int, int],
    rescuer: int,
    liquidator: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
) -> None:
    """Control: the WETH that pays the debt may not go alone, which is all that the keeper tried once."""
    account, call = covered
    monkeypatch.chdir(tmp_path)
    contract = world.system.liquidator
    if minutes:
        world.move()
        contract.flagDebt(account, {"from": liquidator})
        world.system.anvil.advance(60 * minutes)
    world.move()
    alone = wad(0.12)
    with reverts("ShortfallRose", account, ..., ...):
        contract.convertCollateral(account, rescuer, 0, alone, 2**200, {"from": liquidator})
    before = world.requirement(account)
    with engine_of(world, rescuer, tmp_path) as engine:
        for _ in range(STEPS):
            engine.step()
            if world.cash(account) > -wad(100):
                break
            world.move()
    assert world.cash(account) > -wad(100)
    taken = world.size(rescuer, call)
    assert -wad(0.2) < taken < 0
    assert world.size(account, call) == -wad(10) - taken
    after = world.requirement(account)
    slack = before["gross"] // 10**6  # minutes of decay
    assert after["maintenance"] - after["margin_maintenance"] <= before["maintenance"] - before["margin_maintenance"] + slack
    assert 0 <= world.drift() < 100
