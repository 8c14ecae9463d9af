"""What others paid for an account comes back when it can spare it: the keeper's job asks, the engine sends."""

from __future__ import annotations

import pytest

from keeper.engine import Engine
from keeper.schedule import claim_calls, scheduled
from scripts.seed_local import mark, to_wad, trade, wait_for_fresh_prices
from tests.scenarios.deleveraging.conftest import ETH, Ground, until

SHORTS = {"Sven": 40, "Tess": 30, "Uwe": 60}
WHOLE, LITTLE = 0.0, -0.10
NEVER = {f"{name}_every": 0.0 for name in ("funding", "settlement", "poke", "tuning")}


@pytest.fixture
def owing(ground: Ground) -> int:
    """The loss index paid for Lena, whose legs stay; what she owes. The shorts have sold on to a newcomer, so that there is nobody to
    nominate."""
    world, newcomer = ground.world, ground.others[0]
    ground.fall()
    for name, size in SHORTS.items():
        wait_for_fresh_prices(world.chain, world.deployment)
        trade(world.chain, world.deployment, world.traders[name], newcomer, ETH.pack(), to_wad(size), mark_of(ground))
    lena, deleverager = ground.account("Lena"), world.deployment.contract(world.chain, "Deleverager").functions
    wait_for_fresh_prices(world.chain, world.deployment)
    world.chain.send(deleverager.openDeficit(lena), newcomer.address)
    for _ in range(15):
        ground.mine()
    ground.fall()
    world.chain.send(deleverager.execute(lena, 8), newcomer.address)
    claim = int(ground.view("Deleverager", "deficit", lena)[3])
    assert claim > 0
    assert ground.view("Ledger", "positions", lena)
    return claim


def mark_of(ground: Ground) -> int:
    return int(mark(ground.world.chain, ground.world.deployment, ETH.pack()))


def claim_left(ground: Ground) -> int:
    return int(ground.view("Deleverager", "deficit", ground.account("Lena"))[3])


def asked(keeper: Engine) -> list[str]:
    assessment = keeper.snapshot.assessment
    assert assessment is not None
    return [call.purpose for call in claim_calls(keeper._config, assessment, keeper._deployment)]


def test_all_of_it_is_repaid_where_the_account_stays_healthy(ground: Ground, owing: int) -> None:
    ground.fall(WHOLE)
    before, house = ground.equity("Lena"), ground.view("Ledger", "cash", 0)
    keeper = ground.engine(jobs={**NEVER, "claims_every": 0.2})
    keeper.step()
    with scheduled(keeper._config, keeper, keeper._port, keeper._deployment):
        until(lambda: (keeper.step(), claim_left(ground) == 0)[1])
    [repaid] = ground.events("ClaimRepaid")
    assert repaid["args"]["amount"] == owing
    assert ground.view("Ledger", "cash", 0) - house == owing
    assert before - ground.equity("Lena") == owing
    assert ground.view("Nominations", "mayIncreaseRisk", ground.account("Lena"))
    for _ in range(5):
        keeper.step()
    assert ground.state(keeper).deficits.claims == {}
    assert asked(keeper) == []
    assert [entry.purpose for entry in keeper.snapshot.transactions] == ["repay_claim"]


def test_the_margin_of_legs_is_left_alone_until_they_are_gone(ground: Ground, owing: int) -> None:
    """Though the contract would let anybody take all equity above zero. Then Lena sells what she holds."""
    world, lena = ground.world, ground.account("Lena")
    ground.fall(LITTLE)
    assert ground.equity("Lena") > owing
    watcher = ground.engine("watcher", dry_run=True)
    watcher.step()
    assert ground.state(watcher).accounts[lena].positions
    assert asked(watcher) == []
    world.chain.rpc("eth_call", dict(zip(("to", "data"), repayment(ground), strict=True)), "latest")  # control: it would be accepted

    wait_for_fresh_prices(world.chain, world.deployment)
    size = int(ground.view("Ledger", "positionSize", lena, ETH.pack()))
    trade(world.chain, world.deployment, ground.others[0], world.traders["Lena"], ETH.pack(), size, mark_of(ground))
    left = ground.equity("Lena")
    keeper = ground.engine(jobs={**NEVER, "claims_every": 0.2})
    keeper.step()
    assert asked(keeper) == ["repay_claim"]
    with scheduled(keeper._config, keeper, keeper._port, keeper._deployment):
        until(lambda: (keeper.step(), claim_left(ground) < owing)[1])
    [repaid] = ground.events("ClaimRepaid")
    assert repaid["args"]["amount"] == min(left, owing)


def repayment(ground: Ground) -> tuple[str, str]:
    """Address and data of the call."""
    deleverager = ground.world.deployment.contract(ground.world.chain, "Deleverager")
    return deleverager.address, deleverager.encode_abi("repayClaim", [ground.account("Lena")])


def test_a_dry_run_repays_nothing(ground: Ground, owing: int, capsys: pytest.CaptureFixture[str]) -> None:
    ground.fall(WHOLE)
    keeper = ground.engine(dry_run=True, jobs={**NEVER, "claims_every": 0.2})
    keeper.step()
    said = ""
    with scheduled(keeper._config, keeper, keeper._port, keeper._deployment):

        def would_send() -> bool:
            nonlocal said
            keeper.step()
            said += capsys.readouterr().out
            return "repay_claim" in said

        until(would_send)
    assert claim_left(ground) == owing
    assert ground.sent(ground.world.keeper_account.address) == []
