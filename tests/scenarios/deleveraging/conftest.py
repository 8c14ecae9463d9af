"""A fund without money, a fall, and winners opposite: what a keeper does about it, on a node with everything deployed.

One world for all; each test begins at the same block, right before the fall, with keepers of its own.
"""

from __future__ import annotations

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
            reconcile_every=10_000.0,
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

    def names(self) -> dict[int, str]:
        known = {party.account: name for name, party in self.world.traders.items()}
        return known | {self.world.maker.account: "maker", self.world.keeper_account.account: "keeper"}


@pytest.fixture(scope="module")
def world(compiled: None, folder: Path) -> Iterator[tuple[World, list[Party]]]:
    with World(story(), folder, with_keeper=False) as built:
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
