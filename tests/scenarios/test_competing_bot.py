"""A keeper and a liquidator of somebody else's, both after the same falling accounts; and what both can be asked meanwhile.

The keeper is held to one action per round, so that there is something left to race for.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from keeper.cli import app
from keeper.client import Client
from scripts.anvil import private_key
from scripts.demo.fall import fall
from scripts.demo.world import World
from scripts.local_chain import add_keepers, describe, local_world
from scripts.processes import Child
from scripts.seed_local import Party

WAD = 10**18
FALL = (3, 5)  # steps of the story's fall
SETTLE_S = 60.0
GAS_PER_LOSS = 3_000_000


@dataclass
class Race:
    """A venue with a keeper and a bot on it. address: of the keeper's API."""

    world: World
    bot: Party
    bot_log: Path
    address: str

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.bot_log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@pytest.fixture(scope="module")
def race(compiled: None, folder: Path) -> Iterator[Race]:
    with pytest.MonkeyPatch.context() as patch:
        settings = {
            "KEEPER_API__PORT": "0",
            "KEEPER_ACTIONS_PER_ROUND": "1",
            "KEEPER_POLL_INTERVAL": "0.25",
            "KEEPER_JOBS__FUNDING_EVERY": "1",
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        with local_world(folder / "out", Console(quiet=True)) as world:
            keepers = add_keepers(world, 2)
            describe(world, keepers)
            assert world.keeper is not None
            address = world.keeper.wait_for("api_serves")["address"]
            bot, log = keepers[1], world.folder / "bot.log"
            arguments = ["--api", address, "--rpc", world.anvil.url, "--account", str(bot.account), "--minimum", "1"]
            arguments += ["--liquidator", world.deployment.address("Liquidator"), "--every", "0.1"]
            with Child("bot", "examples.liquidator", arguments, log, {"BOT_KEY": private_key(bot.index)}) as child:
                child.wait_for("started")
                yield Race(world, bot, log, address)


def commands(race: Race, *arguments: str) -> Any:
    """The JSON that a command prints."""
    world = race.world
    empty = world.folder / "empty.toml"
    empty.touch()
    environment = {**world.keeper_environment(), "KEEPER_CONFIG": str(empty)}
    result = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_before_the_fall_commands_and_api_agree(race: Race) -> None:
    with Client(race.address) as client:
        listed = {account.account: account for account in client.accounts().accounts}
        worst = next(iter(listed.values()))
        risk = client.account(worst.account)
    shown = {line["account"]: line for line in commands(race, "accounts")}
    assert set(shown) == set(listed)
    document = commands(race, "account", str(worst.account))
    assert document["maintenance"] == pytest.approx(risk.maintenance, rel=1e-6)
    # The contract itself.
    engine = race.world.deployment.contract(race.world.chain, "MarginEngine").functions
    initial, maintenance, equity, *_ = engine.requirement(worst.account).call()
    assert risk.initial == pytest.approx(initial / WAD, rel=1e-6)
    assert risk.maintenance == pytest.approx(maintenance / WAD, rel=1e-6)
    assert risk.equity == pytest.approx(equity / WAD, rel=1e-6)
    assert commands(race, "liquidatable")["suggestions"] == []
    assert commands(race, "status")["under_margined"] == {}


def test_commands_answer_in_one_document(race: Race) -> None:
    simulated = commands(race, "simulate", "--shock", "-20%", "--vol", "1.4", "--steps", "2")
    assert len(simulated["steps"]) == 2
    assert simulated["steps"][1]["shortfall"] > simulated["steps"][0]["shortfall"] > 0.0
    assert commands(race, "simulate", "--crash", "covid-2020")["steps"][-1]["tiers"]
    checks = {check["name"]: check["verdict"] for check in commands(race, "doctor")}
    assert {checks[name] for name in ("contracts", "permissions", "oracle", "account", "margin", "gas money")} == {"ok"}
    database = str(race.world.folder / "other.sqlite")
    filled = commands(race, "backfill", "--database", database)
    assert filled["block"] == filled["until"]
    assert filled["accounts"] == len(commands(race, "accounts"))
    before = commands(race, "backfill", "--database", str(race.world.folder / "early.sqlite"), "--to", str(filled["block"] // 2))
    assert before["block"] == filled["block"] // 2
    assert all(each["purpose"] == "funding" for each in commands(race, "journal")["transactions"])
    path = race.world.folder / "path.csv"
    path.write_text("time,ETH,BTC\n" + "".join(f"{3600 * hour},{2000 - 5 * hour},{50000 + 900 * (hour % 2)}\n" for hour in range(60)))
    steps = commands(race, "simulate", "--path", str(path))["steps"]
    assert steps[-1]["factors"] == {"ETH": pytest.approx(1705 / 2000), "BTC": pytest.approx(50900 / 50000)}
    assert [each["underlying"] for each in commands(race, "tune", "--prices", str(path))] == [race.world.deployment.underlyings["BTC"]]


def test_both_liquidate_and_nobody_is_left(race: Race) -> None:
    world = race.world
    opening = world.story.genesis
    for number, step in enumerate(FALL):
        world.publish({**fall().markets[step], "time": max(opening + 600 * (number + 1), world.anvil.time() + 5)})
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            with Client(race.address) as client:
                status = client.status()
            if status.block == world.head() and status.under_margined == 0:
                break
            time.sleep(0.2)
        assert status.under_margined == 0, status
    liquidator = world.deployment.contract(world.chain, "Liquidator")
    records = liquidator.events.Liquidated().get_logs(from_block=0)
    takers = Counter(record["args"]["to"] for record in records)
    assert takers[race.bot.account] >= 1, "the bot won something"
    assert takers[world.keeper_account.account] >= 1, "so did the keeper"
    assert set(takers) == {race.bot.account, world.keeper_account.account}
    # Each was below the threshold when it was taken: what one had done the other could not do again.
    assert all(record["args"]["healthBefore"] < 105 * 10**16 for record in records)
    engine = world.deployment.contract(world.chain, "MarginEngine").functions
    for account in {record["args"]["account"] for record in records}:
        assert engine.health(engine.requirement(account).call()).call() >= WAD or not race_has_positions(world, account)


def race_has_positions(world: World, account: int) -> bool:
    return bool(world.deployment.contract(world.chain, "Ledger").functions.positions(account).call())


def test_losing_costs_bounded_gas(race: Race) -> None:
    """Receipts, not what the bot says: reverted transactions of either are few and each costs less than one liquidation."""
    world = race.world
    reverted = []
    for number in range(world.head() + 1):
        block = world.chain.rpc("eth_getBlockByNumber", hex(number), False)
        for transaction in block["transactions"]:
            receipt = world.chain.rpc("eth_getTransactionReceipt", transaction)
            if int(receipt["status"], 16) == 0:
                reverted.append((receipt["from"], int(receipt["gasUsed"], 16)))
    won = len(race.said("liquidated"))
    lost = [gas for sender, gas in reverted if sender.lower() == race.bot.address.lower()]
    assert len(lost) == len(race.said("lost"))
    assert len(lost) <= 2 * won + 5
    assert all(gas < GAS_PER_LOSS for gas in lost)


def test_funding_is_updated_by_the_way(race: Race) -> None:
    """A periodic job asks, the engine sends: the contract has begun its average for every underlying."""
    funding = race.world.deployment.contract(race.world.chain, "Funding").functions
    for underlying in race.world.deployment.underlyings.values():
        assert funding.lastUpdate(underlying).call()[2] > 0
    with Client(race.address) as client:
        sent = [each for each in client.transactions(200).transactions if each.purpose == "funding"]
    assert any(each.status == "included" for each in sent)
    assert not any(each.status == "failed" for each in sent), "refused by eth_call, not by a transaction"


def test_another_process_says_how_the_jobs_fare(race: Race) -> None:
    """From the file beside the database; the keeper itself says the same."""
    shown = {job["name"]: job for job in commands(race, "status")["jobs"]}
    with Client(race.address) as client:
        told = {job.name: job for job in client.status().jobs}
    assert set(shown) == set(told) == {"reconcile", "snapshot", "funding", "settlement", "poke", "claims", "tuning"}
    for name in ("reconcile", "funding"):
        assert 1 <= shown[name]["runs"] <= told[name].runs
        assert shown[name]["next"] > shown[name]["started"]
    assert all(job.error == "" and job.failures == 0 for job in told.values())
    assert shown["tuning"]["runs"] == 0, "control: not yet due"
    checks = {check["name"]: check for check in commands(race, "doctor")}
    assert checks["jobs"]["verdict"] == "ok"
    assert "reconcile" in checks["jobs"]["detail"]


def test_the_stream_told_of_the_fall(race: Race) -> None:
    assert race.world.keeper is not None
    with Client(race.address) as client:
        transactions = client.transactions(200).transactions
    assert any(each.purpose == "liquidate" and each.status == "included" for each in transactions)
    assert all(each.correlation for each in transactions)
    assert not race.said("stream_lost")
