"""The fall and the waterfall on a node of our own: every account, price and call is a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.venue import EXPIRIES, GENESIS, OWNER, Builder, VenueError, follower_in
from keeper.margin import witness
from keeper.model import MarginMode
from keeper.monitoring import Assessment, Assessor
from scripts.anvil import Anvil, private_key
from scripts.chain import Chain
from scripts.configure import configure
from scripts.deploy import SETTLEMENT, UNDERLYINGS, deploy
from scripts.market_feed import market_updates, sign
from scripts.market_path import CALM_VOL, OPENING_SPOTS, market_at
from scripts.october.crowd import Crowd
from scripts.october.schemes import Leg
from scripts.roles import DEPLOYER, FIRST_TRADER, KEEPER, PUBLISHER, PUBLISHER_SIGNERS, address_of
from scripts.seed_local import deposit_into_fund
from scripts.staging import Staged

__all__ = ["FALL", "MINUTES", "Stage"]

FALL, MINUTES = 0.30, 20
WORST_VOL = 1.40
BLOCK_GAS = 1_500_000_000
PER_BLOCK = 60  # executions and nominations: each may use what a transaction may
CALL_GAS = 15_000_000
CLOSES = 32  # queue entries of one execution
BATCH = 500  # requests
WAD = 10**18
RESCUER = FIRST_TRADER + 1  # the liquidator


@dataclass(frozen=True, slots=True)
class Attempt:
    """account: whose deficit; refused: the contract's error, None where it went through."""

    account: int
    refused: str | None


class Stage(Staged):
    """A node with the deployed system and the crowd on it. Leaving the `with` block ends it."""

    def __init__(self, made: Crowd, folder: Path, fund_usdc: float, progress: Callable[[str], None]) -> None:
        super().__init__()
        self.crowd, self.folder, self.fund_usdc, self.progress = made, folder, fund_usdc, progress
        self.accounts: list[int] = []  # of the crowd, by place
        self.spots = dict(OPENING_SPOTS)
        self.vol = CALM_VOL

    def _set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.anvil = self._stack.enter_context(Anvil(timestamp=GENESIS, gas_limit=BLOCK_GAS, accounts=20))
        self.chain = Chain(self.anvil.url)
        deployer = address_of(DEPLOYER)
        self.deployment = deploy(self.chain, deployer)
        configure(self.chain, self.deployment, deployer, EXPIRIES)
        self.deployment.save(self.folder / "deployment.json")
        deposit_into_fund(self.chain, self.deployment, DEPLOYER, self.fund_usdc)
        self.chain.rpc("evm_setAutomine", False)
        store, self.follower = follower_in(self.anvil.url, self.folder)
        self._stack.callback(store.close)
        self.bulk = Builder(self.anvil, self.chain, self.deployment, self.follower, self.progress)
        self.bulk.add_prices()
        self.bulk.mine()
        self._open()

    def _open(self) -> None:
        clearing = self.deployment.contract(self.chain, "Clearing")
        owner = address_of(OWNER)
        traders = self.crowd.traders
        for start in range(0, len(traders), 1_000):
            self.accounts += self.bulk.open([trader.mode for trader in traders[start : start + 1_000]], OWNER)
        [self.rescuer] = self.bulk.open([MarginMode.CROSS], KEEPER)
        self.bulk.deposit([self.rescuer], 100_000_000, KEEPER)
        amounts = [
            (account, self.deployment.tokens[symbol]["index"] if symbol != "USDC" else SETTLEMENT, symbol, amount)
            for account, trader in zip(self.accounts, traders, strict=True)
            for symbol, amount in (("USDC", trader.usdc), ("WETH", trader.weth))
            if amount
        ]
        for symbol in ("USDC", "WETH"):
            token = self.deployment.token(self.chain, symbol)
            total = sum(amount for _, _, name, amount in amounts if name == symbol)
            self.bulk.add(
                token.functions.mint(owner, round((total + 1) * 10 ** self.deployment.tokens[symbol]["decimals"])), owner, 300_000
            )
            self.bulk.add(token.functions.approve(self.deployment.address("CollateralVault"), 2**255), owner, 300_000)
        for start in range(0, len(amounts), 1_000):
            for account, index, _, amount in amounts[start : start + 1_000]:
                self.bulk.add(clearing.functions.deposit(account, index, round(amount * 10**6) * 10**12), owner, 500_000)
            self.bulk.mine()
        self.progress(f"    {len(self.accounts):,} accounts, {len(amounts):,} deposits")
        instruments = sorted({fill.instrument.pack() for fill in self.crowd.fills})
        marks = self.deployment.contract(self.chain, "MarginEngine").functions.marks(instruments).call()[0]
        prices = dict(zip(instruments, marks, strict=True))
        self.bulk.trade(
            [
                (self.accounts[fill.buyer], self.accounts[fill.seller], fill.instrument, fill.size, int(prices[fill.instrument.pack()]))
                for fill in self.crowd.fills
            ]
        )

    # --- the market ---

    def fall(self) -> None:
        """A price a minute, each lower than the one before it by the same share."""
        for minute in range(1, MINUTES + 1):
            part = minute / MINUTES
            self.spots = {symbol: spot * (1.0 - FALL) ** part for symbol, spot in OPENING_SPOTS.items()}
            self.vol = CALM_VOL + (WORST_VOL - CALM_VOL) * part
            self.anvil.advance(59)
            self.add_prices()
            self.bulk.mine()

    def add_prices(self) -> None:
        """The current market, signed now, first of the next block."""
        now = self.anvil.time()
        door = self.deployment.contract(self.chain, "PriceDoor")
        updates = market_updates(market_at(now, EXPIRIES, self.spots, vol=self.vol), UNDERLYINGS, now)
        keys = [private_key(index) for index in PUBLISHER_SIGNERS]
        signatures = [sign(update, keys, self.deployment.chain_id, door.address) for update in updates]
        call = door.functions.submitBatch([update.as_tuple() for update in updates], signatures)
        self.bulk.add(call, address_of(PUBLISHER), 3_000_000, 10**12)

    def pass_window(self) -> None:
        """Seconds and blocks of a nomination window."""
        self.anvil.advance(61)
        self.anvil.mine(6)

    # --- the state ---

    def assess(self) -> Assessment:
        """Every account at the newest block, by the keeper's own margin."""
        self.bulk.follow()
        progress = self.follower.current()
        if progress is None:
            raise VenueError("expected blocks on the node, found none")
        return Assessor().assess(self.follower.state, progress.block)

    # --- the waterfall ---

    def calls(self, calls: Sequence[tuple[int, Any]], sender: int) -> list[Attempt]:
        """(account, contract call), a block of current prices and as many calls as it holds after the other."""
        attempts: list[Attempt] = []
        for start in range(0, len(calls), PER_BLOCK):
            part = calls[start : start + PER_BLOCK]
            for _, call in part:
                self.bulk.add(call, address_of(sender), CALL_GAS)
            self.add_prices()
            found = self.bulk.try_all()
            attempts += [Attempt(account, reason) for (account, _), (_, reason) in zip(part, found[:-1], strict=True)]
        return attempts

    def liquidate(self, book: Assessment, accounts: Sequence[int]) -> list[Attempt]:
        """All legs of each, by the rescuer: the fund pays what is missing, while it can."""
        liquidator = self.deployment.contract(self.chain, "Liquidator")
        calls = []
        for account in accounts:
            held = book.state.accounts[account].positions
            legs = [(instrument.pack(), position.size.raw) for instrument, position in held.items()]
            proof = witness(book.alone(account), 0).encode()
            calls.append((account, liquidator.functions.liquidate((account, self.rescuer, legs, proof, 0, b""))))
        return self.calls(calls, KEEPER)

    def open_deficits(self, accounts: Sequence[int]) -> list[Attempt]:
        deleverager = self.deployment.contract(self.chain, "Deleverager")
        return self.calls([(account, deleverager.functions.openDeficit(account)) for account in accounts], RESCUER)

    def execute(self, accounts: Sequence[int]) -> list[Attempt]:
        deleverager = self.deployment.contract(self.chain, "Deleverager")
        return self.calls([(account, deleverager.functions.execute(account, CLOSES)) for account in accounts], RESCUER)

    def nominate(self, book: Assessment, nominees: Sequence[tuple[int, int]]) -> list[Attempt]:
        """(account, instrument)"""
        nominations = self.deployment.contract(self.chain, "Nominations")
        calls = [
            (account, nominations.functions.nominate(instrument, account, witness(book.alone(account), 0).encode()))
            for account, instrument in nominees
        ]
        return self.calls(calls, RESCUER)

    def queue(self, instrument: int, *, longs: bool) -> list[int]:
        nominations = self.deployment.contract(self.chain, "Nominations")
        return [int(account) for account in nominations.functions.adlQueue(instrument, longs).call()[0]]

    def logs(self, name: str, event: str, since: int) -> list[dict[str, Any]]:
        """Arguments of every such event from block `since` on, in order."""
        contract = self.deployment.contract(self.chain, name)
        return [dict(found["args"]) for found in contract.events[event]().get_logs(from_block=since)]

    def follow_from(self) -> int:
        """The next block's number."""
        return int(self.chain.rpc("eth_blockNumber"), 16) + 1

    def marks(self, instruments: set[int]) -> dict[int, float]:
        """Packed instrument -> USD."""
        wanted = sorted(instruments)
        found = self.deployment.contract(self.chain, "MarginEngine").functions.marks(wanted).call()[0]
        return {instrument: mark / WAD for instrument, mark in zip(wanted, found, strict=True)}

    def legs_of(self, account: int, marks: dict[int, float]) -> list[Leg]:
        """Of an open deficit, with what each contract's closing will cost the counterparty, by the contract's own view."""
        deleverager = self.deployment.contract(self.chain, "Deleverager")
        _, instruments, sizes, prices = deleverager.functions.bankruptcyPrices(account).call()
        return [
            Leg(account, instrument, size / WAD, abs(marks[instrument] - price / WAD))
            for instrument, size, price in zip(instruments, sizes, prices, strict=True)
        ]

    def holdings(self) -> float:
        """Of the insurance fund, USD."""
        return int(self.deployment.contract(self.chain, "InsuranceFund").functions.holdings().call()) / WAD

    def drift(self) -> int:
        """INV-LEDGER: recorded by the vault less what accounts hold, carry that nobody realised yet included, 1e-18 USD."""
        lens, ledger = self.deployment.contract(self.chain, "Lens"), self.deployment.contract(self.chain, "Ledger")
        stored = int(lens.functions.totals(0, 2**32).call({"gas": BLOCK_GAS})[3])
        calls = [
            ("eth_call", ({"to": ledger.address, "data": ledger.encode_abi("accrued", [account])}, "latest"))
            for account in [*self.accounts, self.rescuer]
        ]
        answers = [answer for start in range(0, len(calls), BATCH) for answer in self.chain.rpc_batch(calls[start : start + BATCH])]
        return stored + sum(int.from_bytes(bytes.fromhex(answer[2:66]), signed=True) for answer in answers)
