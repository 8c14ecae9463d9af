"""From a price on chain to a liquidation on chain, on a large venue: how long, and how many at once.

    python -m benchmarks.latency [--accounts 10000] [--ticks 600] [--burst 1000]        (make bench-latency)

Ticks: one account falls with each price (instant mining). margin: the block with the price is announced -> every account of
the venue is re-margined and the findings are there; inclusion: the same block -> the block with the liquidation of that account
is announced. Both are wall times of one machine: the blocks' as this process hears of them, the margin's as the keeper logs it.
Burst: one price puts `burst` accounts under water at once; blocks of 30 M gas, one every --block-ms; how long until none is left.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmarks.venue import GENESIS, Plan, Venue, prices_call, venue
from scripts.anvil import ROOT, Anvil, private_key
from scripts.chain import GAS_PRICE, Chain
from scripts.deploy import Deployment
from scripts.processes import Child, exit_on_sigterm
from scripts.roles import KEEPER, PUBLISHER, address_of
from scripts.staging import Staged

__all__ = ["Blocks", "Stage", "main"]

BLOCK_GAS = 30_000_000
TICK_TIMEOUT_S, BURST_TIMEOUT_S = 10.0, 300.0
LIQUIDATED = "0x" + keccak(text="Liquidated(uint64,uint64,uint8,int256,int256,uint256,uint256,uint256,uint256,uint256)").hex()
JUMP_S = 120  # chain time before the burst: no breaker takes the fall for a flash
RENEW_S = 1.0
SCOPE_TRADE = 1
WARMED_AT_ONCE = 50  # accounts


class Blocks(threading.Thread):
    """Wall time of every block, as the node announces it."""

    def __init__(self, url: str) -> None:
        super().__init__(name="blocks", daemon=True)
        self._url = url
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self.seen: dict[int, float] = {}

    def run(self) -> None:
        with connect(self._url, max_size=2**24, proxy=None) as socket:
            socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
            while not self._ended.is_set():
                try:
                    message = json.loads(socket.recv(timeout=0.5))
                except TimeoutError:
                    continue
                except WebSocketException:
                    return
                at = time.time()
                head = message.get("params", {}).get("result", {})
                if "number" in head:
                    with self._changed:
                        self.seen[int(head["number"], 16)] = at
                        self._changed.notify_all()

    def wait_beyond(self, number: int, timeout: float) -> int:
        """The newest block once it is above `number`, or the newest when time is up."""
        with self._changed:
            self._changed.wait_for(lambda: max(self.seen, default=-1) > number, timeout)
            return max(self.seen, default=-1)

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=5.0)


class Stage(Staged):
    """A node on the venue's state, and a keeper on it. Leaving the `with` block ends both."""

    def __init__(self, built: Venue, folder: Path) -> None:
        super().__init__()
        self.venue, self.folder = built, folder

    def _set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.glob("*"):
            stale.unlink()
        # Anvil computes the state's root anew with every block, most of a second on a state of this size, unless it forks: so the
        # large state lies in one node, and the one that everybody works on takes from there what it touches.
        extra = ("--load-state", str(self.venue.state), *self.venue.plan.options)
        base = Anvil(timestamp=GENESIS, gas_limit=BLOCK_GAS, accounts=20, log=self.folder / "base.log", extra=extra)
        fork = ("--fork-url", self._stack.enter_context(base).url, "--no-rate-limit", "--no-storage-caching")
        self.anvil = self._stack.enter_context(Anvil(gas_limit=BLOCK_GAS, accounts=20, log=self.folder / "anvil.log", extra=fork))
        self.chain = Chain(self.anvil.url)
        self.chain.rpc("evm_setBlockGasLimit", hex(BLOCK_GAS))
        # The loaded chain goes on where it stopped, not at the wall clock.
        self.anvil.set_time(self.anvil.time() + 1)
        shutil.copy(self.venue.database, self.folder / "keeper.sqlite")
        self.deployment = Deployment.read(self.venue.deployment)
        self.blocks = Blocks(self.anvil.ws_url)
        self.blocks.start()
        self._stack.callback(self.blocks.end)
        self.publish(OPENING)
        operator = self.deployment.address("LiquidationBatch")
        clearing = self.deployment.contract(self.chain, "Clearing").functions
        self.chain.send(clearing.setOperator(self.venue.keeper, operator, SCOPE_TRADE), address_of(KEEPER))
        self._warm()
        environment = {
            "KEEPER_RPC_URL": self.anvil.url,
            "KEEPER_WS_URL": self.anvil.ws_url,
            "KEEPER_DEPLOYMENT": str(self.venue.deployment),
            "KEEPER_DATABASE": str(self.folder / "keeper.sqlite"),
            "KEEPER_ACCOUNT": str(self.venue.keeper),
            "KEEPER_PRIVATE_KEY": private_key(KEEPER),
            "KEEPER_JOBS__RECONCILE_EVERY": "5",
            "KEEPER_IN_FLIGHT": "256",
        }
        self.keeper = Child("keeper", "keeper.cli", ["run", "--log-level", "debug"], self.folder / "keeper.log", environment)
        started = time.monotonic()
        self._stack.enter_context(self.keeper)
        self.keeper.wait_for("started", timeout=600.0)
        self.caught_up_seconds = time.monotonic() - started
        self.keeper.wait_for("assessed", timeout=60.0)

    def _warm(self) -> None:
        """Reads the accounts that will be looked at, once: a fork fetches every word over HTTP when it is first asked for, which
        no node of one's own does."""
        lens, last = self.deployment.contract(self.chain, "Lens").functions, max(self.venue.bursts, default=self.venue.keeper)
        for first in range(0, last + 1, WARMED_AT_ONCE):
            lens.accounts(first, min(last, first + WARMED_AT_ONCE - 1)).call({"gas": 500_000_000})

    def publish(self, eth: float) -> int:
        """Signs, sends and waits; the block with the price."""
        call = prices_call(self.deployment, self.chain, self.anvil.time(), eth)
        return int(self.chain.send(call, address_of(PUBLISHER), gas=3_000_000)["blockNumber"], 16)

    def liquidations(self, first: int, last: int | None = None) -> list[dict[str, Any]]:
        """Liquidated logs of blocks first..last."""
        query = {
            "fromBlock": hex(first),
            "toBlock": "latest" if last is None else hex(last),
            "address": self.deployment.address("Liquidator"),
            "topics": [LIQUIDATED],
        }
        found: list[dict[str, Any]] = self.chain.rpc("eth_getLogs", query)
        return found

    def logged(self, event: str, since: int = 0) -> Iterator[dict[str, Any]]:
        """What the keeper logged of an event, decided in blocks from `since` on."""
        with (self.folder / "keeper.log").open() as file:
            for line in file:
                if f'"{event}"' in line and (entry := json.loads(line))["event"] == event:
                    block = entry.get("block") or int(str(entry.get("correlation", "0")).partition("-")[0])
                    if block >= since and entry.get("purpose", "liquidate") == "liquidate":
                        yield entry

    def assessed(self) -> Iterator[tuple[int, float, float]]:
        """(block, wall time at which its findings were there, milliseconds of computing) of the keeper's assessments."""
        for entry in self.logged("assessed"):
            yield entry["block"], entry["found_at"], entry["milliseconds"]


OPENING = 3_400.0


def ticks(stage: Stage, count: int) -> list[tuple[int, int, int | None]]:
    """(block of the price, account, block of its liquidation)."""
    done: list[tuple[int, int, int | None]] = []
    taken: set[int] = set()
    stage.publish(stage.venue.singles[0][1] * 1.00004)
    time.sleep(0.5)
    for number, price in stage.venue.singles[:count]:
        priced = stage.publish(price * (1.0 - 0.00003))
        deadline, scanned, found = time.monotonic() + TICK_TIMEOUT_S, priced, None
        while found is None and time.monotonic() < deadline:
            head = stage.blocks.wait_beyond(scanned, 0.25)
            if head > scanned:
                for log in stage.liquidations(scanned + 1, head):
                    account = int(log["topics"][1], 16)
                    taken.add(account)
                    if account == number:
                        found = int(log["blockNumber"], 16)
                scanned = head
            if number in taken and found is None:
                break
        done.append((priced, number, found))
        if len(done) % 100 == 0:
            print(f"    {len(done)} ticks, {sum(entry[2] is not None for entry in done)} liquidated", flush=True)
        stage.keeper.require_running()
    return done


class Miner(threading.Thread):
    """A block every `seconds`, whatever waits."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(name="miner", daemon=True)
        self._chain, self._seconds, self._ended = Chain(url), seconds, threading.Event()
        self.mining = 0.0  # seconds that the node took

    def run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            due = max(due + self._seconds, time.monotonic())
            self._ended.wait(max(0.0, due - time.monotonic()))
            begun = time.monotonic()
            self._chain.rpc("evm_mine")
            self.mining += time.monotonic() - begun

    def end(self) -> None:
        self._ended.set()
        self.join(timeout=30.0)


def burst(stage: Stage, count: int, block_seconds: float) -> dict[str, Any]:
    """One price under water for `count` accounts, a block every `block_seconds` until all are out of it."""
    chain, wanted = stage.chain, set(stage.venue.bursts[:count])
    stage.anvil.set_time(stage.anvil.time() + JUMP_S)
    stage.publish(stage.venue.burst_price * 1.02 / 0.98)
    time.sleep(2.0)
    stage.anvil.set_time(stage.anvil.time() + JUMP_S)
    chain.rpc("evm_setAutomine", False)
    head = int(chain.rpc("eth_blockNumber"), 16)
    miner = Miner(stage.anvil.url, block_seconds)
    _send_price(stage)
    miner.start()
    stage.blocks.wait_beyond(head, 5.0)
    first, priced_at = head + 1, time.monotonic()
    order: list[int] = []
    transactions: set[str] = set()
    gas_blocks: dict[int, int] = {}
    scanned, renewed, ended = head, time.monotonic(), priced_at
    while wanted - set(order) and time.monotonic() - priced_at < BURST_TIMEOUT_S:
        newest = stage.blocks.wait_beyond(scanned, 0.5)
        if newest > scanned:
            for log in stage.liquidations(scanned + 1, newest):
                order.append(int(log["topics"][1], 16))
                transactions.add(log["transactionHash"])
            for number in range(scanned + 1, newest + 1):
                gas_blocks[number] = int(chain.rpc("eth_getBlockByNumber", hex(number), False)["gasUsed"], 16)
            scanned, ended = newest, time.monotonic()
        if time.monotonic() - renewed > RENEW_S:
            renewed = time.monotonic()
            _send_price(stage)
        stage.keeper.require_running()
    seconds, mining = ended - priced_at, miner.mining
    gas = sum(int(receipt["gasUsed"], 16) for receipt in _receipts(chain, sorted(transactions)))
    taken = [account for account in dict.fromkeys(order) if account in wanted]
    miner.end()
    chain.rpc("evm_setAutomine", True)
    return {
        "burst_accounts": len(taken),
        "burst_seconds": round(seconds, 2),
        "burst_liquidations": len(order),
        "burst_transactions": len(transactions),
        "burst_transactions_per_second": round(len(transactions) / seconds, 1),
        "gas_per_liquidation": round(gas / max(1, len(order))),
        "in_risk_order": _order(stage, order),
        "mining_seconds": round(mining, 2),
        "simulating_seconds": round(sum(entry["confirm_ms"] for entry in stage.logged("sent", first)) / 1_000.0, 2),
        "block_seconds": block_seconds,
        "fullest_block": max(gas_blocks.values(), default=0),
        "blocks": scanned - first + 1,
    }


def _order(stage: Stage, taken: Sequence[int]) -> float | None:
    """Rank correlation of the order in which accounts were taken with their urgency as the keeper first found it; 1: most urgent first."""
    urgency = {entry["account"]: entry["urgency"] for entry in stage.logged("under_margined")}
    first = [account for account in dict.fromkeys(taken) if account in urgency]
    if len(first) < 3:
        return None
    ranks = {account: rank for rank, account in enumerate(sorted(first, key=lambda account: -urgency[account]))}
    return round(statistics.correlation(range(len(first)), [ranks[account] for account in first]), 3)


def _send_price(stage: Stage) -> None:
    call = prices_call(stage.deployment, stage.chain, stage.anvil.time(), stage.venue.burst_price)
    data = call._encode_transaction_data()  # noqa: SLF001 - the public way asks the node four times
    body = {"from": address_of(PUBLISHER), "to": call.address, "data": data, "gas": hex(3_000_000), "gasPrice": hex(1_000 * GAS_PRICE)}
    stage.chain.rpc("eth_sendTransaction", body)


def _receipts(chain: Chain, hashes: Sequence[str]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(hashes), 200):
        found += chain.rpc_batch([("eth_getTransactionReceipt", [one]) for one in hashes[start : start + 200]])
    return found


def figures(stage: Stage, done: Sequence[tuple[int, int, int | None]]) -> dict[str, Any]:
    seen, assessed = stage.blocks.seen, {block: (at, milliseconds) for block, at, milliseconds in stage.assessed()}
    margin = [1000.0 * (assessed[priced][0] - seen[priced]) for priced, _, _ in done if priced in assessed and priced in seen]
    compute = [assessed[priced][1] for priced, _, _ in done if priced in assessed]
    inclusion = [1000.0 * (seen[found] - seen[priced]) for priced, _, found in done if found is not None]
    parts = {name: [entry[f"{name}_ms"] for entry in stage.logged("sent")] for name in ("plan", "confirm", "submit")}
    return {
        "ticks": len(done),
        "liquidated": len(inclusion),
        "compute_p50_ms": _quantile(compute, 0.50),
        "compute_p99_ms": _quantile(compute, 0.99),
        "margin_p50_ms": _quantile(margin, 0.50),
        "margin_p99_ms": _quantile(margin, 0.99),
        "inclusion_p50_ms": _quantile(inclusion, 0.50),
        "inclusion_p99_ms": _quantile(inclusion, 0.99),
        **{f"{name}_p50_ms": _quantile(values, 0.50) for name, values in parts.items()},
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    if len(values) < 2:
        return None
    return round(statistics.quantiles(values, n=1_000, method="inclusive")[round(share * 1_000) - 1], 2)


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description="Price on chain to liquidation on chain.")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--positions", type=int, default=10, help="per account")
    parser.add_argument("--ticks", type=int, default=600)
    parser.add_argument("--burst", type=int, default=1_000, help="accounts under water at once")
    parser.add_argument("--block-ms", type=int, default=500, help="between blocks of the burst")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "latency")
    parser.add_argument("--venue", type=Path, help="folder of a venue built before, whatever the contracts have become since")
    options = parser.parse_args()
    if options.venue is None:
        built = venue(Plan.of(options.accounts, options.positions, singles=options.ticks, bursts=options.burst))
    else:
        built = Venue.read(options.venue)
    plan = built.plan
    print(f"  venue: {plan.accounts:,} accounts, {plan.accounts * plan.positions:,} positions, built in {built.seconds} s", flush=True)
    with Stage(built, options.folder) as stage:
        print(f"  keeper: caught up in {stage.caught_up_seconds:.1f} s", flush=True)
        result = figures(stage, ticks(stage, options.ticks))
        print(f"  ticks: {json.dumps(result)}", flush=True)
        drained = burst(stage, options.burst, options.block_ms / 1_000) if options.burst else {}
        print(f"  burst: {json.dumps(drained)}", flush=True)
    print(json.dumps({"positions": plan.accounts * plan.positions, **result, **drained}))
    missed = result["ticks"] - result["liquidated"]
    return 1 if missed or drained.get("burst_accounts", 0) < options.burst else 0


if __name__ == "__main__":
    sys.exit(main())
