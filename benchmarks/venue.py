"""A large venue on Anvil, built once through real transactions: accounts opened, deposits received, signed orders settled.

    python -m benchmarks.venue --accounts 10000 --positions 10

The chain's state is kept below cache/venue-<fingerprint> (the fingerprint covers the contracts' code and the sizes), so that the
next run loads it in seconds; beside it the database of a keeper that followed the building block by block, since the node
does not keep a gigabyte of old transactions and their traces.
Every account holds `positions` legs, each opened by a fill between two signed orders.

Three cohorts. Single: small long accounts, each of which falls at a price of its own, a hundredth of a percent below the one
before it. Burst: those that fall together further down. The others never fall in what the benchmarks play.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from benchmarks.order_signing import OrderSigner
from keeper.chain import Deployment as KeeperDeployment
from keeper.chain import NodeClient, Store
from keeper.engine import follower_of
from keeper.execution.orders import Order, order_types
from keeper.margin import Book, margin
from keeper.model import ExpiryMarket, Instrument, MarginMode, Market, SviSlice, UnderlyingMarket
from keeper.portfolio import Follower, State
from scripts.anvil import ROOT, Anvil, private_key
from scripts.artifacts import load
from scripts.bulk import Bulk
from scripts.chain import Chain, TransactionFailedError
from scripts.configure import configure
from scripts.deploy import Deployment, deploy
from scripts.market_feed import market_updates, sign
from scripts.market_path import OPENING_SPOTS, market_at
from scripts.roles import DEPLOYER, KEEPER, PUBLISHER, PUBLISHER_SIGNERS, address_of

__all__ = ["Builder", "Plan", "Venue", "VenueError", "build", "follower_in", "prices_call", "venue"]

GENESIS = 1_735_689_600  # 2025-01-01 00:00 UTC
DAY, WAD = 86_400, 10**18
EXPIRIES = tuple(GENESIS + days * DAY + 8 * 3_600 for days in (7, 30, 90))
ETH, BTC = 0, 1
PERP = Instrument.perp(ETH)
OWNER = 11  # of every trading account
SENDERS = range(12, 18)
BUILD_GAS = 1_500_000_000  # per block while building; the benchmarks run on blocks of 30 M
FILLS_PER_TRANSACTION = 40
SINGLE_FROM, SINGLE_STEP = 0.06, 0.0001  # falls of the opening price
BURST_FROM, BURST_TO = 0.145, 0.155
RICH, KEEPER_CASH, FUND = 300_000, 2_000_000_000, 50_000_000
SINGLE_NOTIONAL, BURST_NOTIONAL, OTHER_NOTIONAL = 8_000.0, 60_000.0, 40_000.0  # of the perpetual
SIDE_NOTIONAL = {True: 50.0, False: 300.0}  # of each other leg; singles stay small enough to be closed whole
FORGETFUL = ("--transaction-block-keeper", "64", "--prune-history", "64")
REMEMBERED = 5_000  # positions
_ACCOUNT_OPENED = "0x" + keccak(text="AccountOpened(uint64,address,uint8)").hex()


class VenueError(RuntimeError):
    """The venue could not be built or loaded; the message says where it stopped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """accounts: even; positions: per account; singles, bursts: accounts of these cohorts, together at most half of all."""

    accounts: int
    positions: int
    singles: int
    bursts: int
    seed: int = 7

    @classmethod
    def of(cls, accounts: int, positions: int = 10, singles: int | None = None, bursts: int | None = None) -> Plan:
        return cls(accounts, positions, accounts * 6 // 100 if singles is None else singles, accounts // 10 if bursts is None else bursts)

    @property
    def options(self) -> tuple[str, ...]:
        """Of Anvil: a large venue forgets old transactions."""
        return FORGETFUL if self.accounts * self.positions > REMEMBERED else ()

    @property
    def fingerprint(self) -> str:
        """Of the plan, of this file and of the code of every contract."""
        names = (
            "Ledger",
            "CollateralVault",
            "Clearing",
            "Liquidator",
            "MarginEngine",
            "PriceDoor",
            "RiskParameters",
            "InsuranceFund",
            "Lens",
        )
        code = "".join(load(name).bytecode for name in names)
        return hashlib.sha256(f"{asdict(self)}{Path(__file__).read_text()}{code}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Venue:
    """A built venue on disk. keeper: account in the ledger; singles: (account, price below which it falls), falling; bursts: accounts that
    have fallen at `burst_price`; seconds, transactions, gas: what the building took."""

    folder: Path
    plan: Plan
    keeper: int
    singles: tuple[tuple[int, float], ...]
    bursts: tuple[int, ...]
    burst_price: float
    seconds: float
    transactions: int
    gas: int

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def deployment(self) -> Path:
        return self.folder / "deployment.json"

    @property
    def database(self) -> Path:
        """Of a keeper that has followed everything."""
        return self.folder / "keeper.sqlite"

    def save(self) -> None:
        content = {**asdict(self), "folder": str(self.folder)}
        (self.folder / "venue.json").write_text(json.dumps(content))

    @classmethod
    def read(cls, folder: Path) -> Venue:
        content = json.loads((folder / "venue.json").read_text())
        content |= {
            "folder": folder,
            "plan": Plan(**content["plan"]),
            "singles": tuple((int(number), float(price)) for number, price in content["singles"]),
            "bursts": tuple(content["bursts"]),
        }
        return cls(**content)


def venue(plan: Plan, progress: Any = print) -> Venue:
    """The venue of `plan`, from the cache or built."""
    folder = ROOT / "cache" / f"venue-{plan.fingerprint}"
    if (folder / "venue.json").is_file():
        return Venue.read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return build(plan, folder, progress)


def market(at: int, eth: float) -> dict[str, Any]:
    return market_at(at, EXPIRIES, {"ETH": eth, "BTC": OPENING_SPOTS["BTC"]})


def prices_call(deployment: Deployment, chain: Chain, now: int, eth: float) -> Any:
    """PriceDoor.submitBatch of both underlyings, signed by a quorum."""
    door = deployment.contract(chain, "PriceDoor")
    updates = market_updates(market(now, eth), deployment.underlyings, now)
    keys = [private_key(index) for index in PUBLISHER_SIGNERS]
    signatures = [sign(update, keys, deployment.chain_id, door.address) for update in updates]
    return door.functions.submitBatch([update.as_tuple() for update in updates], signatures)


class Builder(Bulk):
    def __init__(self, anvil: Anvil, chain: Chain, deployment: Deployment, follower: Follower, progress: Any) -> None:
        super().__init__(chain)
        self.anvil, self.deployment, self.follower, self.progress = anvil, deployment, follower, progress
        self.clearing = deployment.contract(chain, "Clearing")

    def mine(self) -> list[dict[str, Any]]:
        """Everything added, in one block, and the keeper's database behind it; the receipts in order."""
        try:
            receipts = super().mine()
        except TransactionFailedError as error:
            raise VenueError(str(error)) from error
        self.follow()
        return receipts

    def add_prices(self) -> None:
        """The opening's again, first of the next block."""
        prices = prices_call(self.deployment, self.chain, self.anvil.time(), OPENING_SPOTS["ETH"])
        self.add(prices, address_of(PUBLISHER), 3_000_000, 10**12)

    def follow(self) -> None:
        while self.follower.advance() is not None:
            pass

    # --- steps ---

    def open(self, modes: Sequence[MarginMode], sender: int) -> list[int]:
        for mode in modes:
            self.add(self.clearing.functions.openAccount(int(mode)), address_of(sender), 300_000)
        numbers = []
        for receipt in self.mine():
            (opened,) = (log for log in receipt["logs"] if log["topics"][0] == _ACCOUNT_OPENED)
            numbers.append(int(opened["topics"][1], 16))
        return numbers

    def deposit(self, accounts: Iterable[int], amount: int, sender: int) -> None:
        """Whole USDC each, minted before."""
        listed = list(accounts)
        token, owner = self.deployment.token(self.chain, "USDC"), address_of(sender)
        self.add(token.functions.mint(owner, amount * len(listed) * 10**6), owner, 300_000)
        self.add(token.functions.approve(self.deployment.address("CollateralVault"), 2**255), owner, 300_000)
        for account in listed:
            self.add(self.clearing.functions.deposit(account, 255, amount * WAD), owner, 500_000)
        self.mine()

    def trade(self, fills: Sequence[tuple[int, int, Instrument, int, int]]) -> None:
        """(buyer, seller, instrument, size, price) in order; prices are renewed with every block."""
        kinds = order_types()
        signer = OrderSigner(private_key(OWNER), address_of(OWNER), kinds, self.deployment.chain_id, self.clearing.address)
        expiry, started = self.anvil.time() + 10 * DAY, time.monotonic()
        per_block = FILLS_PER_TRANSACTION * 16
        for start in range(0, len(fills), per_block):
            part = fills[start : start + per_block]
            orders: list[Order] = []
            for at, (buyer, seller, instrument, size, price) in enumerate(part, start):
                number = instrument.pack()
                orders += [
                    Order(buyer, number, size, price, WAD // 100, expiry, 2 * at),
                    Order(seller, number, -size, price, WAD // 100, expiry, 2 * at + 1),
                ]
            signed = [found.as_tuple() for found in signer.sign(orders)]
            for first in range(0, len(part), FILLS_PER_TRANSACTION):
                batch = part[first : first + FILLS_PER_TRANSACTION]
                listed = [(signed[2 * (first + i)], signed[2 * (first + i) + 1], fill[3], fill[4]) for i, fill in enumerate(batch)]
                sender = address_of(SENDERS[(first // FILLS_PER_TRANSACTION) % len(SENDERS)])
                self.add(self.clearing.functions.settleBatch(listed, True), sender, 85_000_000)
            self.add_prices()
            self.mine()
            done = start + len(part)
            self.progress(f"    {2 * done:7,} positions, {2 * done / (time.monotonic() - started):6.0f}/s, {self.gas / 1e9:.1f} Ggas")

    def withdraw(self, amounts: Sequence[tuple[int, int]]) -> None:
        """(account, WAD)"""
        for start in range(0, len(amounts), 400):
            for account, amount in amounts[start : start + 400]:
                self.add(self.clearing.functions.withdraw(account, 255, amount, address_of(OWNER)), address_of(OWNER), 3_000_000)
            self.add_prices()
            self.mine()


def build(plan: Plan, folder: Path, progress: Any = print) -> Venue:
    """Builds `plan` into `folder`. Raises VenueError."""
    started = time.monotonic()
    state = folder / "state.json"
    with Anvil(
        timestamp=GENESIS,
        gas_limit=BUILD_GAS,
        accounts=20,
        extra=("--dump-state", str(state), "--state-interval", "1000000", *plan.options),
    ) as anvil:
        chain = Chain(anvil.url)
        deployer = address_of(DEPLOYER)
        deployment = deploy(chain, deployer)
        configure(chain, deployment, deployer, EXPIRIES)
        deployment.save(folder / "deployment.json")
        token, fund = deployment.token(chain, "USDC"), deployment.contract(chain, "InsuranceFund")
        for call in (
            token.functions.mint(deployer, FUND * 10**6),
            token.functions.approve(fund.address, FUND * 10**6),
            fund.functions.deposit(FUND * 10**6, deployer),
        ):
            chain.send(call, deployer)
        chain.rpc("evm_setAutomine", False)
        store, follower = follower_in(anvil.url, folder)
        builder = Builder(anvil, chain, deployment, follower, progress)
        builder.add(prices_call(deployment, chain, anvil.time(), OPENING_SPOTS["ETH"]), address_of(PUBLISHER), 3_000_000)
        builder.mine()
        [keeper] = builder.open([MarginMode.PORTFOLIO], KEEPER)
        builder.deposit([keeper], KEEPER_CASH, KEEPER)

        modes = [MarginMode.PORTFOLIO if i % 3 == 0 and i >= plan.singles else MarginMode.CROSS for i in range(plan.accounts)]
        numbers: list[int] = []
        for start in range(0, plan.accounts, 1_000):
            numbers += builder.open(modes[start : start + 1_000], OWNER)
            builder.deposit(numbers[start : start + 1_000], RICH, OWNER)
        progress(f"    {len(numbers):,} accounts, {time.monotonic() - started:.0f} s")
        fills = _fills(plan, numbers, deployment, chain)
        builder.trade(fills)

        singles, bursts = numbers[: plan.singles], numbers[plan.singles : plan.singles + plan.bursts]
        opening = OPENING_SPOTS["ETH"]
        targets = [(number, opening * (1.0 - SINGLE_FROM - SINGLE_STEP * place)) for place, number in enumerate(singles)]
        width = (BURST_TO - BURST_FROM) / max(1, len(bursts))
        targets += [(number, opening * (1.0 - BURST_FROM - width * place)) for place, number in enumerate(bursts)]
        builder.withdraw(_spare(follower.state, targets, anvil.time()))
        progress(f"    {builder.transactions:,} transactions, {builder.gas / 1e9:.1f} Ggas, {time.monotonic() - started:.0f} s")
        built = Venue(
            folder=folder,
            plan=plan,
            keeper=keeper,
            singles=tuple(targets[: len(singles)]),
            bursts=tuple(bursts),
            burst_price=opening * (1.0 - BURST_TO - 0.004),
            seconds=round(time.monotonic() - started, 1),
            transactions=builder.transactions,
            gas=builder.gas,
        )
        if plan.options:
            for _ in range(22):
                anvil.mine(3)  # empty blocks push the transactions out of what is kept
        builder.follow()
        follower.save()
        store.close()
    if not state.is_file():
        raise VenueError(f"Anvil wrote no state to {state}")
    built.save()
    return built


def _fills(plan: Plan, numbers: Sequence[int], deployment: Deployment, chain: Chain) -> list[tuple[int, int, Instrument, int, int]]:
    """Each account of the first half against one of the second: the perpetual first, then small legs in alternating directions."""
    dice = random.Random(plan.seed)  # noqa: S311 - a venue, not a secret
    everything = _instruments()
    prices = dict(
        zip(everything, deployment.contract(chain, "MarginEngine").functions.marks([i.pack() for i in everything]).call()[0], strict=True)
    )
    few = [i for i in everything if not i.expiry or i.expiry == EXPIRIES[1]][:16]  # what the keeper may come to hold
    half, fills = plan.accounts // 2, []
    for at in range(half):
        special = at < plan.singles + plan.bursts
        notional = SINGLE_NOTIONAL if at < plan.singles else BURST_NOTIONAL if special else OTHER_NOTIONAL
        others = dice.sample([i for i in (few if special else everything) if i != PERP], plan.positions - 1)
        one, other = numbers[at], numbers[half + at]
        for place, instrument in enumerate([PERP, *others]):
            spot = OPENING_SPOTS["ETH" if instrument.underlying == ETH else "BTC"]
            size = int((notional if place == 0 else SIDE_NOTIONAL[at < plan.singles]) / spot * 10**6) * 10**12
            buyer, seller = (one, other) if place == 0 or dice.random() < 0.5 else (other, one)
            fills.append((buyer, seller, instrument, size, int(prices[instrument])))
    return fills


def _instruments() -> list[Instrument]:
    found = [PERP, Instrument.perp(BTC)]
    for underlying, symbol in ((ETH, "ETH"), (BTC, "BTC")):
        for expiry in EXPIRIES:
            found.append(Instrument.future(underlying, expiry))
            for share in (0.8, 0.9, 1.0, 1.1, 1.25):
                strike = round(OPENING_SPOTS[symbol] * share, -2)
                found += [Instrument.call(underlying, expiry, strike), Instrument.put(underlying, expiry, strike)]
    return found


def follower_in(url: str, folder: Path) -> tuple[Store, Follower]:
    deployment = KeeperDeployment.load(folder / "deployment.json")
    port = NodeClient(url, deployment.contract("Ledger").errors, 120.0)
    database = folder / "keeper.sqlite"
    database.unlink(missing_ok=True)
    store = Store(database, deployment.fingerprint)
    return store, follower_of(port, deployment, store)


def _spare(state: State, targets: Sequence[tuple[int, float]], now: int) -> list[tuple[int, int]]:
    """What each account has to withdraw so that it falls below the partial threshold at its price."""
    parameters, threshold = state.table.parameters(state.tokens), state.table.rules().partial_threshold
    amounts = []
    for number, price in targets:
        result = margin(Book.from_accounts([state.accounts[number]], parameters), _as_folded(state, now, price), parameters)
        binding = float(result.maintenance[0] - result.long_options[0])
        spare = float(result.margin_equity_maintenance[0] - result.long_options[0]) - threshold * binding
        amounts.append((number, int(spare * 10**6) * 10**12))
    return amounts


def _as_folded(state: State, now: int, eth: float) -> Market:
    """The market at a price of ETH, as the keeper will read it from the door."""
    quoted = market(now, eth)["underlyings"]
    return Market(
        now,
        {
            index: UnderlyingMarket(
                spot=quoted[symbol]["spot"],
                mark=quoted[symbol]["mark"],
                confidence=quoted[symbol]["confidence"],
                spot_scale=state.table.spot_scale(index),
                expiries=tuple(
                    ExpiryMarket(found["expiry"], found["forward"], found["rate"], SviSlice(**found["svi"]), None)
                    for found in quoted[symbol]["expiries"]
                ),
            )
            for symbol, index in (("ETH", ETH), ("BTC", BTC))
        },
        tuple(group for _, group in state.table.groups()),
        {},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the venue of the latency benchmark.")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--positions", type=int, default=10)
    options = parser.parse_args()
    built = venue(Plan.of(options.accounts, options.positions))
    print(
        json.dumps(
            {
                "folder": built.folder.name,
                "seconds": built.seconds,
                "transactions": built.transactions,
                "gas": built.gas,
                "singles": len(built.singles),
                "bursts": len(built.bursts),
            }
        )
    )


if __name__ == "__main__":
    main()
