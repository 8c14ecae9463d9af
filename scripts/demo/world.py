"""A story's world: a fresh chain with everything deployed, seeded and running. Leaving the `with` block ends every process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from scripts.anvil import Anvil, private_key
from scripts.chain import Chain
from scripts.configure import configure, hand_over
from scripts.demo.story import Story
from scripts.deploy import Deployment, deploy
from scripts.processes import Child
from scripts.roles import DEPLOYER, FIRST_TRADER, KEEPER, address_of
from scripts.seed_local import POLL_S, Party, seed, wait_for_fresh_prices
from scripts.staging import Staged

__all__ = ["World", "WorldError"]

PRICE_TIMEOUT_S = 20.0
WAD = 10**18
MARKET_UPDATED = "0x" + keccak(text="MarketUpdated(uint8,uint32,uint96,uint96,uint16)").hex()


class WorldError(RuntimeError):
    """The world did not do what the story needs; the message says what."""


class World(Staged):
    """folder: where files and logs go; with_keeper: False is the control that must fail; deleverage: whether the keeper does what it can
    about deficits beyond the fund; node: instead of one of its own. `progress` is told what is being set up."""

    anvil: Anvil
    chain: Chain
    deployment: Deployment
    maker: Party
    keeper_account: Party
    traders: dict[str, Party]
    keeper: Child | None = None

    def __init__(
        self,
        story: Story,
        folder: Path,
        *,
        with_keeper: bool,
        deleverage: bool = True,
        node: Anvil | None = None,
        progress: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        super().__init__()
        self.story = story
        self.folder = folder
        self.market_file = folder / "market.json"
        self.blocks_file = folder / "blocks.csv"
        self._with_keeper = with_keeper
        self.deleverage = deleverage
        self._node = node
        self._last: tuple[Mapping[str, Any], int] | None = None  # market and block of the last publication
        self._progress = progress
        self._children: list[Child] = []

    def show(self, market: Mapping[str, Any]) -> None:
        """Puts a market before the publisher."""
        partial = self.market_file.with_suffix(".partial")
        partial.write_text(json.dumps(market))
        partial.replace(self.market_file)

    def publish(self, market: Mapping[str, Any]) -> int:
        """Shows the market to the publisher, moves the chain to its time, waits until the door has it; the block it came with.
        The market shown last is not published again."""
        if self._last is not None and self._last[0] is market:
            return self._last[1]
        before = self.head()
        self.show(market)
        if self.anvil.time() < market["time"]:
            self.anvil.set_time(market["time"])
        wanted = {self.deployment.underlyings[symbol]: quoted["spot"] for symbol, quoted in market["underlyings"].items()}
        arrived: dict[int, int] = {}
        deadline = time.monotonic() + PRICE_TIMEOUT_S
        while time.monotonic() < deadline:
            for log in self._price_logs(before + 1):
                underlying, spot = int(log["topics"][1], 16), int(log["data"][66:130], 16) / WAD
                if abs(spot - wanted[underlying]) <= 1e-9 * spot:
                    arrived.setdefault(underlying, int(log["blockNumber"], 16))
            if arrived.keys() == wanted.keys():
                self._last = (market, max(arrived.values()))
                return self._last[1]
            self.require_running()
            time.sleep(POLL_S)
        raise WorldError(f"the publisher did not bring {wanted} on chain within {PRICE_TIMEOUT_S:.0f} s")

    def pass_time(self, seconds: int) -> None:
        """A block `seconds` later, with the same prices signed anew."""
        self.anvil.advance(seconds)
        wait_for_fresh_prices(self.chain, self.deployment)

    def head(self) -> int:
        return int(self.chain.rpc("eth_blockNumber"), 16)

    def require_running(self) -> None:
        """Publisher, maker and observer must live; whether the keeper does is part of the story."""
        for child in self._children:
            child.require_running()

    def keeper_environment(self) -> dict[str, str]:
        """The keeper's settings (keeper/config.py)."""
        return {
            "KEEPER_RPC_URL": self.anvil.url,
            "KEEPER_DEPLOYMENT": str(self.folder / "deployment.json"),
            "KEEPER_DATABASE": str(self.folder / "keeper.sqlite"),
            "KEEPER_ACCOUNT": str(self.keeper_account.account),
            "KEEPER_PRIVATE_KEY": private_key(KEEPER),
            "KEEPER_MAKER_URL": self.maker_url,
            "KEEPER_UPDATES_URL": self.updates_url,
            "KEEPER_DELEVERAGE": str(self.deleverage),
        }

    def _set_up(self) -> None:
        story, folder = self.story, self.folder
        folder.mkdir(parents=True, exist_ok=True)
        for stale in ("keeper.sqlite*", "market.json", "blocks.csv", "*.log"):
            for path in folder.glob(stale):
                path.unlink()

        accounts = FIRST_TRADER + len(story.traders)
        own = Anvil(timestamp=story.genesis, accounts=accounts, log=folder / "anvil.log")
        self.anvil = self._stack.enter_context(self._node or own)
        self._progress("node", self.anvil.url)
        self.chain = Chain(self.anvil.url)
        deployer = address_of(DEPLOYER)
        self.deployment = deploy(self.chain, deployer, lambda name: self._progress("deploy", name))
        configure(self.chain, self.deployment, deployer, story.expiries)
        hand_over(self.chain, self.deployment, deployer)
        self.deployment.save(folder / "deployment.json")

        # The observer first: a block it has not seen has no wall time.
        self._run("observer", "scripts.demo.observer", "--rpc", self.anvil.ws_url, "--output", str(self.blocks_file))
        common = ("--rpc", self.anvil.url, "--deployment", str(folder / "deployment.json"))
        # Accounts are opened and books are built before the story's time, at its first prices.
        self.show({**story.opening, "time": story.genesis})
        publisher = self._run("publisher", "scripts.publisher", *common, "--market", str(self.market_file))
        self.updates_url = publisher["updates"]

        self.maker, self.keeper_account, self.traders = seed(self.chain, self.deployment, story, lambda name: self._progress("seed", name))
        maker = self._run("maker", "scripts.maker", *common, "--account", str(self.maker.account))
        self.maker_url = maker["quote"]
        if self._with_keeper:
            self.keeper = Child("keeper", "keeper.cli", ["run"], folder / "keeper.log", self.keeper_environment())
            self._stack.enter_context(self.keeper)
            self.keeper.wait_for("started")
            self._progress("start", "keeper")

    def _run(self, name: str, module: str, *arguments: str) -> dict[str, Any]:
        """Starts a process that must live as long as the world; what it says once it serves."""
        child = Child(name, module, arguments, self.folder / f"{name}.log")
        self._stack.enter_context(child)
        self._children.append(child)
        started = child.wait_for("started")
        self._progress("start", name)
        return started

    def _price_logs(self, first: int) -> list[dict[str, Any]]:
        """`MarketUpdated` from block `first` on; data: timestamp, spot, mark, confidence."""
        wanted = {"fromBlock": hex(first), "address": self.deployment.address("PriceDoor"), "topics": [MARKET_UPDATED]}
        found: list[dict[str, Any]] = self.chain.rpc("eth_getLogs", wanted)
        return found
