"""The fund is empty: a keeper alone brings the system back to no deficit, and the winners pay exactly what was missing."""

from __future__ import annotations

import pytest

from keeper.api.metrics import SnapshotCollector, exposition
from keeper.api.views import status
from scripts.seed_local import deposit_into_fund, fund_account, mark, to_wad, trade, wait_for_fresh_prices
from tests.scenarios.deleveraging.conftest import ETH, WAD, Ground, until

BEFORE, BRINK = -0.05, -0.105
BANKRUPT = 3  # ILiquidator.Tier
SHORTS = {"Sven": 40, "Tess": 30, "Uwe": 60}


@pytest.fixture
def fallen(ground: Ground) -> int:
    """Block of the gap; Lena is bankrupt, nobody looked yet."""
    block = ground.fall()
    assert ground.equity("Lena") < 0
    assert ground.view("InsuranceFund", "holdings") == 0
    return block


def test_opens_nominates_by_rank_and_executes(ground: Ground, fallen: int) -> None:
    lena = ground.account("Lena")
    keeper = ground.engine()
    ground.step(keeper, until=lambda state: lena in state.deficits.open)
    assert ground.view("Nominations", "openDeficits") == 1
    state = ground.step(keeper, until=lambda state: len(state.deficits.queues.get((ETH, False), ())) >= 2)
    for _ in range(5):
        keeper.step()
    state = ground.state(keeper)

    # The fold is the contract's queue, in the order of the contract's own scores.
    queue, scores = ground.view("Nominations", "adlQueue", ETH.pack(), False)
    assert [(each.account, each.score) for each in state.deficits.queues[ETH, False]] == list(zip(queue, scores, strict=True))
    ranked = sorted(("Sven", "Tess", "Uwe"), key=lambda name: -ground.view("Nominations", "score", ground.account(name), ETH.pack()))
    assert [ground.names()[account] for account in queue] == ranked[: len(queue)]
    assert ranked[0] == "Tess"
    assert ground.events("Deleveraged") == [], "nothing is closed while nominations are open"
    [shown] = status(keeper.snapshot).deficits
    assert (shown.account, shown.owed, shown.closes) == (lena, pytest.approx(-ground.equity("Lena") / WAD, rel=1e-6), 0)
    assert [queue.accounts for queue in shown.queues] == [list(queue)]
    metrics = exposition(SnapshotCollector(lambda: keeper.snapshot)).decode()
    assert "keeper_deficits_open 1.0" in metrics
    assert f"keeper_adl_nominees {float(len(queue))}" in metrics
    assert 'keeper_accounts{band="deficit"} 1.0' in metrics

    ground.step(keeper, until=lambda state: lena not in state.deficits.open, mine=True)
    assert ground.view("Nominations", "openDeficits") == 0
    assert ground.equity("Lena") >= 0
    assert ground.events("Liquidated") == []
    ground.require_exact()


def test_a_dry_run_says_what_it_would_send(ground: Ground, fallen: int, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = ground.engine(dry_run=True)
    for _ in range(5):
        keeper.step()
    assert keeper.snapshot.counters["dry_run"] >= 1
    assert ground.sent(ground.world.keeper_account.address) == []
    assert "open_deficit" in capsys.readouterr().out


def test_switched_off_it_leaves_the_deficit_alone(ground: Ground, fallen: int) -> None:
    keeper = ground.engine(deleverage=False)
    for _ in range(5):
        keeper.step()
    assert ground.sent(ground.world.keeper_account.address) == []
    assert ground.equity("Lena") < 0


def test_the_loss_index_takes_what_no_winner_is_left_to_bear(ground: Ground) -> None:
    """Everybody who was short sells his position on, at its mark and before the deficit is open: the new holder has no profit to give."""
    world = ground.world
    ground.fall(BEFORE)
    newcomer = ground.others[0]
    fund_account(world.chain, world.deployment, world.traders["Uwe"], usdc=100_000)
    ground.fall()
    for name, size in SHORTS.items():
        wait_for_fresh_prices(world.chain, world.deployment)
        price = mark(world.chain, world.deployment, ETH.pack())
        trade(world.chain, world.deployment, world.traders[name], newcomer, ETH.pack(), to_wad(size), price)
    keeper = ground.engine()
    ground.step(keeper, until=lambda state: ground.account("Lena") in state.deficits.open)
    ground.step(keeper, until=lambda state: not state.deficits.open, mine=True)
    assert ground.events("Nominated") == []
    assert ground.events("Deleveraged") == []
    [executed] = ground.events("Executed")
    shared = ground.events("LossShared")
    assert executed["args"]["shared"] == -executed["args"]["equity"] > 0
    assert [(record["args"]["debtor"], record["args"]["longs"]) for record in shared] == [(ground.account("Lena"), False)]
    ground.require_exact()
    assert ground.state(keeper).deficits.claims[ground.account("Lena")] == executed["args"]["shared"]


def test_an_account_that_falls_through_is_taken_whole_in_one_transaction(ground: Ground) -> None:
    """The keeper takes a part of Lena's position while she is solvent; before its transaction is included, she is not any more."""
    world, rpc = ground.world, ground.world.anvil.rpc
    deposit_into_fund(world.chain, world.deployment, 0, 100_000)
    ground.fall(BRINK)
    keeper = ground.engine()
    ground.automine(on=False)
    for _ in range(20):
        keeper.step()
    [entry] = [entry for entry in keeper.snapshot.transactions if entry.account == ground.account("Lena")]
    rpc("anvil_dropTransaction", entry.hash)
    ground.automine(on=True)
    ground.fall()
    assert ground.equity("Lena") < 0
    rpc("eth_sendRawTransaction", "0x" + entry.raw.hex())
    until(lambda: rpc("eth_getTransactionReceipt", entry.hash) is not None)  # the node answers before it has mined
    [liquidated] = ground.events("Liquidated")
    legs = ground.events("LegTaken")
    assert liquidated["args"]["tier"] == BANKRUPT
    assert liquidated["args"]["fundPaid"] > 0
    assert sum(record["args"]["size"] for record in legs) == 100 * WAD
    assert len(legs) == 2, "what was planned, and the rest"
    assert ground.equity("Lena") == 0
