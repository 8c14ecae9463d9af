"""Plays a story: one market after the other, each until the chain is quiet again; what it reads meanwhile is the evidence."""

from __future__ import annotations

import time
from collections.abc import Callable

from scripts.demo.events import EventDecoder, EventReader, Record
from scripts.demo.evidence import Evidence, Step, commit, seen_blocks
from scripts.demo.readings import Risk, RiskReader
from scripts.demo.summary import FULL_THRESHOLD, PARTIAL_THRESHOLD
from scripts.demo.world import World

__all__ = ["play"]

WAD = 10**18
LOOK_EVERY_S = 0.05
UNSAFE_TIMEOUT_S = 20.0  # while an account is below 1.00; who still is then is waited for no more, but for at the end
PARTIAL_TIMEOUT_S = 5.0  # while accounts are between 1.00 and 1.05: liquidation is allowed, not due
INVENTORY_TIMEOUT_S = 5.0  # while the keeper hands on what it took; between two markets minutes pass, so it would have the time
INVENTORY_USD = 1_000
DEFICIT_TIMEOUT_S = 120.0  # while a deficit is open: up to five windows of a minute of chain time each
DEFICIT_LOOK_S = 0.25  # after each of which the chain's clock moves on by
DEFICIT_PAUSE_S = 5
OBSERVER_TIMEOUT_S = 10.0
AT_ONCE_S = 60  # of chain time: blocks inside a step are a second apart, steps are minutes apart
STILL_S = 0.3
OWN_EVENTS = ("CashChanged", "PositionChanged", "CollateralChanged")
"""All that can change an account's health while prices stand."""


def play(
    world: World,
    *,
    on_step: Callable[[Step, list[Risk], list[Risk], list[Record]], None] = lambda *_: None,
    before_step: Callable[[int], None] = lambda _: None,
    patience: float = UNSAFE_TIMEOUT_S,
) -> Evidence:
    """Evidence of the whole run. on_step is told the step, all risks right after its prices and when it was quiet, and its events;
    before_step its index (1..) before the prices move. patience: seconds for an account below 1.00 to be taken."""
    watch = _Watch(world, patience)
    steps: list[Step] = []
    watch.read_all(world.head())
    for index, market in enumerate(world.story.markets, 1):
        before_step(index)
        before = world.head()
        block = world.publish(market)
        after = watch.read_all(block)
        started = time.monotonic()
        settled = watch.wait(for_all=index == len(world.story.markets))
        spots = {symbol: quoted["spot"] for symbol, quoted in market["underlyings"].items()}
        step = Step(index, market["time"], spots, before, block, settled, round(time.monotonic() - started, 3))
        steps.append(step)
        on_step(step, after, list(watch.latest.values()), watch.take_events())
    world.require_running()
    if watch.losses_shared:
        # What holders owe is booked when they trade; here at once, so that the ledger adds up as it stands.
        for account in watch.latest:
            world.chain.send(world.deployment.contract(world.chain, "Ledger").functions.accrue(account), world.maker.address)
    # The house owes its fees to the fund; anybody may say so.
    world.chain.send(world.deployment.contract(world.chain, "Clearing").functions.collectFees(), world.maker.address)
    return watch.evidence(steps)


class _Watch:
    """Reads accounts as often as their health can have changed, no oftener."""

    def __init__(self, world: World, patience: float) -> None:
        self._world = world
        self._patience = patience
        self._reader = RiskReader(world.chain, world.deployment)
        self._events = EventReader(world.chain, world.deployment)
        self._keeper = world.keeper_account.account
        self._risks: dict[int, list[Risk]] = {}
        self._price_blocks: list[int] = []
        self._liquidated: set[int] = set()
        self._given_up: set[int] = set()
        self._deficits: set[int] = set()
        self._told: list[Record] = []
        self._first = self._followed = world.head()
        self.losses_shared = False
        self.latest: dict[int, Risk] = {}

    def read_all(self, block: int) -> list[Risk]:
        """Every account at `block`."""
        return self._keep(block, self._reader.all(block))

    def follow(self) -> None:
        """Takes in the events up to the head and reads whom they touched; of a first liquidation also the prices that led to it."""
        head = self._world.head()
        records = self._events.read(self._followed + 1, head)
        self._followed = max(head, self._followed)
        self._told += records
        self._price_blocks += sorted({r["block"] for r in records if r["event"] == "MarketUpdated"})
        for record in records:
            if record["event"] == "DeficitOpened":
                self._deficits.add(record["args"]["account"])
            elif record["event"] == "DeficitClosed":
                self._deficits.discard(record["args"]["account"])
        self._settle(records)
        touched = {r["args"]["account"] for r in records if r["event"] in OWN_EVENTS and r["contract"] == "Ledger"} - {0}
        self.losses_shared |= any(r["event"] == "LossShared" for r in records)
        if any(r["event"] == "LossShared" for r in records):
            self.read_all(head)  # holders bear it without an event of their own
        elif touched:
            self._keep(head, self._reader.read(touched, head))
        for record in records:
            account = record["args"].get("account")
            if record["event"] == "Liquidated" and account not in self._liquidated:
                self._liquidated.add(account)
                self._read_back(account, record["block"])

    def wait(self, *, for_all: bool) -> bool:
        """Until no account can be liquidated and the keeper's inventory is gone, or time is up (at once without a keeper); whether no
        account can be liquidated. for_all: also for those who were left below 1.00 before."""
        world = self._world
        started = time.monotonic()
        while True:
            self.follow()
            if for_all:
                self._given_up.clear()
            lowest = min(risk.health for account, risk in self.latest.items() if account not in self._given_up)
            if self._deficits:
                limit = DEFICIT_TIMEOUT_S
            elif lowest < FULL_THRESHOLD:
                limit = self._patience
            elif lowest < PARTIAL_THRESHOLD:
                limit = PARTIAL_TIMEOUT_S
            else:
                limit = INVENTORY_TIMEOUT_S if self.latest[self._keeper].gross_notional > INVENTORY_USD * WAD else 0.0
            if world.keeper is None or time.monotonic() - started >= limit:
                self._given_up |= {account for account, risk in self.latest.items() if risk.health < FULL_THRESHOLD}
                return all(risk.health >= PARTIAL_THRESHOLD for risk in self.latest.values())
            world.require_running()
            if self._deficits:
                time.sleep(DEFICIT_LOOK_S)  # nominations take their time too
                world.pass_time(DEFICIT_PAUSE_S)
            time.sleep(LOOK_EVERY_S)

    def _settle(self, records: list[Record]) -> None:
        """A block that followed at once may have shown in what was read of the one before; a story's own next market comes later."""
        for block in sorted({r["block"] for r in records if r["event"] in (*OWN_EVENTS, "MarketUpdated")}):
            if self._reader.time_of(block) - self._reader.time_of(block - 1) > AT_ONCE_S:
                continue
            if (risks := self._reader.settle(block - 1)) is not None:
                self._risks[block - 1] = risks

    def take_events(self) -> list[Record]:
        """Events since the last call."""
        told, self._told = self._told, []
        return told

    def evidence(self, steps: list[Step]) -> Evidence:
        """Reads the whole chain once more from its first block, and every account at its last."""
        world = self._world
        last = -1
        while last != world.head():
            last = world.head()
            self.follow()
            self._keep(last, self._reader.all(last))
            time.sleep(STILL_S)
        logs = self._events.logs(0, last)
        totals, fund = self._reader.totals(last), {"first": self._reader.fund(self._first), "last": self._reader.fund(last)}
        return Evidence(
            story=world.story.name,
            seed=world.story.seed,
            commit=commit(),
            keeper=world.keeper is not None,
            last_block=last,
            accounts={
                **{name: party.account for name, party in world.traders.items()},
                "maker": world.maker.account,
                "keeper": self._keeper,
            },
            contracts={name: entry["address"] for name, entry in world.deployment.contracts.items()},
            steps=steps,
            logs=logs,
            events=EventDecoder(world.deployment).records(logs),
            totals=totals,
            fund=fund,
            views=self._reader.views,
            seen=self._seen(last),
            risks=self._risks,
        )

    def _keep(self, block: int, risks: list[Risk]) -> list[Risk]:
        self._risks.setdefault(block, []).extend(risks)
        self.latest |= {risk.account: risk for risk in risks}
        return risks

    def _read_back(self, account: int, liquidated: int) -> None:
        """At the price updates before `liquidated`, back to one that left it healthy. Now: a node forgets old states."""
        known = {block: risk for block, risks in self._risks.items() for risk in risks if risk.account == account}
        for block in reversed([block for block in self._price_blocks if block < liquidated]):
            if (risk := known.get(block)) is None:
                (risk,) = self._reader.read([account], block)
                self._risks.setdefault(block, []).append(risk)
            if risk.health >= PARTIAL_THRESHOLD:
                return

    def _seen(self, last: int) -> dict[int, int]:
        """When the observer saw the blocks; it writes each a moment after it is mined."""
        deadline = time.monotonic() + OBSERVER_TIMEOUT_S
        while True:
            seen = seen_blocks(self._world.blocks_file)
            if last in seen or time.monotonic() > deadline:
                return seen
            time.sleep(LOOK_EVERY_S)
