"""Plays a story: one market after the other, each until the chain is quiet again."""

from __future__ import annotations

import time
from collections.abc import Callable

from scripts.demo.events import EventReader, Record
from scripts.demo.evidence import FULL_THRESHOLD, PARTIAL_THRESHOLD, Evidence, Risk, RiskReader, Step, gather
from scripts.demo.world import World

__all__ = ["play"]

WAD = 10**18
LOOK_EVERY_S = 0.1
UNSAFE_TIMEOUT_S = 20.0  # while an account is below 1.00
PARTIAL_TIMEOUT_S = 5.0  # while accounts are between 1.00 and 1.05: liquidation is allowed, not due
INVENTORY_TIMEOUT_S = 5.0  # while the keeper hands on what it took; between two markets minutes pass, so it would have the time
INVENTORY_USD = 1_000


def play(
    world: World,
    *,
    on_step: Callable[[Step, list[Risk], list[Risk], list[Record]], None] = lambda *_: None,
    before_step: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Evidence of the whole run. on_step is told the step, all risks right after its prices and when it was quiet, and its events;
    before_step its index (1..) before the prices move."""
    reader, events = RiskReader(world.chain, world.deployment), EventReader(world.chain, world.deployment)
    steps: list[Step] = []
    told = before = world.head()
    scans = {before: reader.all(before)}
    for index, market in enumerate(world.story.markets, 1):
        before_step(index)
        block = world.publish(market)
        started = time.monotonic()
        after = scans[block] = reader.all(block)
        settled, last, quiet = _wait(world, reader, block, after)
        scans[last] = quiet
        spots = {symbol: quoted["spot"] for symbol, quoted in market["underlyings"].items()}
        step = Step(index, market["time"], spots, before, block, settled, round(time.monotonic() - started, 3))
        steps.append(step)
        head = world.head()
        on_step(step, after, quiet, events.read(told + 1, head))
        told, before = head, last
    world.require_running()
    # The house owes its fees to the fund; anybody may say so.
    world.chain.send(world.deployment.contract(world.chain, "Clearing").functions.collectFees(), world.maker.address)
    return gather(
        world.chain,
        world.deployment,
        world.story.name,
        keeper=world.keeper is not None,
        accounts={
            **{name: party.account for name, party in world.traders.items()},
            "maker": world.maker.account,
            "keeper": world.keeper_account.account,
        },
        steps=steps,
        scans=scans,
        blocks_file=world.blocks_file,
    )


def _wait(world: World, reader: RiskReader, block: int, risks: list[Risk]) -> tuple[bool, int, list[Risk]]:
    """From the scan at `block` until no account can be liquidated and the keeper's inventory is gone, or time is up (at once without a
    keeper); whether no account can be liquidated, the block of the last scan, and the scan."""
    started = time.monotonic()
    while True:
        lowest = min(risk.health for risk in risks)
        inventory = next(risk.gross_notional for risk in risks if risk.account == world.keeper_account.account)
        if lowest < FULL_THRESHOLD:
            limit = UNSAFE_TIMEOUT_S
        elif lowest < PARTIAL_THRESHOLD:
            limit = PARTIAL_TIMEOUT_S
        else:
            limit = INVENTORY_TIMEOUT_S if inventory > INVENTORY_USD * WAD else 0.0
        if world.keeper is None or time.monotonic() - started >= limit:
            return lowest >= PARTIAL_THRESHOLD, block, risks
        world.require_running()
        time.sleep(LOOK_EVERY_S)
        block = world.head()
        risks = reader.all(block)
