"""A fund without money, a fall, and winners opposite: what a keeper does about it, on a node with everything deployed.

One world for all; each test begins at the same block, right before the fall, with keepers of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from keeper.config import Config, load_config
from keeper.doctor import connect
from keeper.engine import Engine
from keeper.execution import Signer
from keeper.model import Instrument, MarginMode
from keeper.portfolio import State
from scripts.anvil import private_key
from scripts.demo.events import EventReader, Record
from scripts.demo.fall import fall
from scripts.demo.story import Leg, Story, Trader
from scripts.demo.world import World
from scripts.local_chain import add_keepers
from scripts.market_path import OPENING_SPOTS, market_at
from scripts.seed_local import Party, wait_for_fresh_prices

WAD = 10**18
GAP = -0.13
PAUSE_S = 5
ETH = Instrument.perp(0)
STEPS = 400
PATIENCE_S = 60.0


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {PATIENCE_S:.0f} s"
        time.sleep(0.02)


def story() -> Story:
    """Lena is 100 ETH long and healthy before the gap, bankrupt behind it. Opposite: Tess has little money for her risk, Sven much; Uwe's
    short is half of a hedged book. The maker holds what is left, on Lena's side."""
    whole = fall()
    quarter = whole.expiries[-1]
    isolated, cross, portfolio = MarginMode
    traders = (
        Trader("Lena", isolated, 39_000, (Leg(ETH, 100),), "bankrupt behind the gap"),
        Trader("Sven", cross, 90_000, (Leg(ETH, -40),), "short, with much money"),
        Trader("Tess", isolated, 9_000, (Leg(ETH, -30),), "short, with little money: ranks first"),
        Trader("Uwe", portfolio, 60_000, (Leg(Instrument.future(0, quarter), 55), Leg(ETH, -60)), "a hedged short: ranks last"),
    )
    return replace(whole, name="deleveraging", title="a fund without money", markets=(), traders=traders, fund_usdc=0.0)


@dataclass
class Ground:
    """others: accounts of further keepers; first: block after which it begins."""

    world: World
    others: list[Party]
    folder: Path
    stack: ExitStack
    first: int

    def fall(self, change: float = GAP) -> int:
        """Every price moves by `change` against the opening's, at once; the block."""
        spots = {symbol: spot * (1.0 + change) for symbol, spot in OPENING_SPOTS.items()}
        return self.world.publish(market_at(self.world.anvil.time() + 2, self.world.story.expiries, spots, vol=1.05, basis=-0.006))

    def config(self, name: str = "keeper", account: int | None = None, **settings: Any) -> Config:
        return load_config(
            rpc_url=self.world.anvil.url,
            deployment=self.world.folder / "deployment.json",
            database=self.folder / f"{name}.sqlite",
            account=account or self.world.keeper_account.account,
            retry_after=0.01,
            **settings,
        )

    def engine(self, name: str = "keeper", party: Any = None, **settings: Any) -> Engine:
        """Started, not yet stepping."""
        owner = party or self.world.keeper_account
        config = self.config(name, owner.account, private_key=private_key(owner.index), **settings)
        deployment, port = connect(config)
        engine = self.stack.enter_context(Engine(config, port, deployment, Signer.from_config(config)))
        engine.start()
        return engine

    def step(self, *engines: Engine, until: Callable[[State], bool], mine: bool = False) -> State:
        """Steps of every keeper in turn until the first sees that; mine: a block after each round."""
        for _ in range(STEPS):
            for engine in engines:
                engine.step()
            state = self.state(engines[0])
            if until(state):
                return state
            if mine:
                self.mine()
        raise AssertionError(f"not reached in {STEPS} rounds: {state.deficits}")

    def mine(self) -> None:
        """Some seconds pass: longer pauses would teach a keeper that blocks are rare, and prices too old in the next."""
        self.world.pass_time(PAUSE_S)

    def automine(self, *, on: bool) -> None:
        """off: what is sent waits until somebody mines."""
        self.world.anvil.rpc("evm_setAutomine", on)
        if on:
            self.world.anvil.mine()

    def sent(self, address: str) -> list[bool]:
        """Whether each of its transactions since the fall succeeded, in order."""
        rpc = self.world.anvil.rpc
        blocks = (rpc("eth_getBlockByNumber", hex(number), True) for number in range(self.first, self.world.head() + 1))
        own = [each["hash"] for block in blocks for each in block["transactions"] if each["from"].lower() == address.lower()]
        return [int(rpc("eth_getTransactionReceipt", hash_)["status"], 16) == 1 for hash_ in own]

    def state(self, engine: Engine) -> State:
        assessment = engine.snapshot.assessment
        assert assessment is not None
        return assessment.state

    # --- what is so, without the keeper ---

    def events(self, *names: str) -> list[Record]:
        reader = EventReader(self.world.chain, self.world.deployment)
        records = reader.read(self.first, self.world.head())
        return [record for record in records if not names or record["event"] in names]

    def view(self, contract: str, function: str, *arguments: Any) -> Any:
        return getattr(self.world.deployment.contract(self.world.chain, contract).functions, function)(*arguments).call()

    def equity(self, name: str) -> int:
        return int(self.view("MarginEngine", "requirement", self.account(name))[2])

    def account(self, name: str) -> int:
        return self.world.traders[name].account

    def require_exact(self) -> None:
        """INV-ADL-EXACT from raw events: what each execution took is the sum of its parts, and where it ended a deficit that is what the
        fund had left of it, a unit per contract and per close beyond. Nothing is open, nobody who was opened is below zero."""
        by_transaction: dict[str, list[Record]] = {}
        for record in self.events("Executed", "Deleveraged", "LossShared", "DeficitClosed"):
            by_transaction.setdefault(record["transaction"], []).append(record)
        assert by_transaction
        for found in by_transaction.values():
            [executed] = [record["args"] for record in found if record["event"] == "Executed"]
            closes = [record["args"] for record in found if record["event"] == "Deleveraged"]
            shared = sum(record["args"]["amount"] for record in found if record["event"] == "LossShared")
            assert executed["haircut"] == sum(close["haircut"] for close in closes)
            assert (executed["closes"], executed["shared"]) == (len(closes), shared)
            if any(record["event"] == "DeficitClosed" for record in found) and executed["equity"] < 0:
                excess = executed["fundPaid"] + executed["haircut"] + executed["shared"] + executed["equity"]
                assert 0 <= excess <= len(closes) + sum(-(-close["size"] // WAD) for close in closes)
        assert self.view("Nominations", "openDeficits") == 0
        for record in self.events("DeficitOpened"):
            assert self.view("MarginEngine", "requirement", record["args"]["account"])[2] >= 0

    def names(self) -> dict[int, str]:
        known = {party.account: name for name, party in self.world.traders.items()}
        return known | {self.world.maker.account: "maker", self.world.keeper_account.account: "keeper"}


@pytest.fixture(scope="session")
def world(compiled: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Party]]]:
    with World(story(), tmp_path_factory.mktemp("deleveraging"), with_keeper=False) as built:
        yield built, add_keepers(built, 2)


@pytest.fixture
def ground(world: tuple[World, list[Party]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    built, keepers = world
    monkeypatch.chdir(tmp_path)
    before = built.anvil.snapshot()
    wait_for_fresh_prices(built.chain, built.deployment)
    with ExitStack() as stack:
        yield Ground(built, keepers[1:], tmp_path, stack, built.head() + 1)
    built.anvil.revert(before)
