"""Accounts that trade through Clearing, are priced by the signed feed, and fall under water; everything real but the market's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from scripts.anvil import Anvil
from scripts.chain import Chain
from scripts.deploy import SETTLEMENT, Deployment
from scripts.market_path import OPENING_SPOTS
from scripts.roles import MAKER, address_of
from scripts.seed_local import Party, deposit_into_fund, fund_account, open_account, trade

ISOLATED, CROSS, PORTFOLIO = range(3)
NONE, PARTIAL, FULL, BANKRUPT = range(4)
WAD = 10**18
ETH, BTC = 0, 1
ETH_PERP = Instrument.perp(ETH).pack()
BTC_PERP = Instrument.perp(BTC).pack()
NO_WITNESS = (b"", b"")
SCENARIOS = 35
NOMINATION_WINDOW, NOMINATION_BLOCKS = 60, 5

_INDEX = {address_of(index): index for index in range(20)}


def wad(amount: float | str) -> int:
    """Whole units to 1e-18, exact for at most 12 decimals."""
    return round(float(amount) * 10**12) * 10**6


@dataclass
class World:
    """What a trader, a maker and a liquidator can do. Prices keep fresh by themselves: every action publishes the current market first."""

    system: Any
    publish: Callable[..., dict[str, Any]]
    spots: dict[str, float] = field(default_factory=lambda: dict(OPENING_SPOTS))
    made: dict[str, float] = field(default_factory=dict)
    parties: dict[int, Party] = field(default_factory=dict)
    maker_account: int = 0

    def move(self, spots: Mapping[str, float] | None = None, **made: float) -> None:
        """Publishes a market; what is not named stays."""
        self.spots.update(spots or {})
        self.made.update(made)
        self.publish(self.spots, **self.made)

    def open(self, owner: Any, mode: int = CROSS, *, usdc: float = 0, weth: float = 0) -> int:
        party = open_account(self.system.chain, self.system.deployment, _INDEX[owner.address], MarginMode(mode))
        self.parties[party.account] = party
        self.deposit(party.account, usdc=usdc, weth=weth)
        return party.account

    def deposit(self, account: int, *, usdc: float = 0, weth: float = 0) -> None:
        fund_account(self.system.chain, self.system.deployment, self.parties[account], usdc=usdc, weth=weth)

    def withdraw(self, account: int, quantity: int) -> None:
        """USDC, 1e-18, to the owner."""
        self.move()
        owner = self.parties[account].address
        self.system.clearing.withdraw(account, SETTLEMENT, quantity - quantity % 10**12, owner, {"from": owner})

    def withdraw_what_is_free(self, account: int) -> None:
        """Down to a little above initial margin."""
        now = self.requirement(account)
        self.withdraw(account, (now["margin_initial"] - now["initial"]) * 99 // 100)

    def trade(self, account: int, instrument: int, size: float) -> int:
        """`account` trades signed `size` with the maker at mark. Returns the price, 1e18."""
        self.move()
        price = self.mark(instrument)
        buyer, seller = self.parties[account], self.parties[self.maker_account]
        if size < 0:
            buyer, seller = seller, buyer
        trade(self.system.chain, self.system.deployment, buyer, seller, instrument, abs(wad(size)), price)
        return price

    def mark(self, instrument: int) -> int:
        return int(self.system.engine.marks([instrument])[0][0])

    def requirement(self, account: int) -> dict[str, int]:
        names = ["initial", "maintenance", "equity", "margin_initial", "margin_maintenance", "long_options", "gross", "oldest"]
        return dict(zip(names, map(int, self.system.engine.requirement(account)), strict=True))

    def health(self, account: int) -> float:
        return float(self.system.engine.health(self.system.engine.requirement(account))) / WAD

    def witness(self, account: int, underlyings: int = 1, groups: int = 1) -> tuple[bytes, bytes]:
        """The worst scenario of each underlying and group, searched one index at a time (each maximum stands alone)."""
        chosen = [0] * (underlyings + groups)

        def bound(indices: Sequence[int]) -> int:
            witness = (bytes(indices[:underlyings]), bytes(indices[underlyings:]))
            return int(self.system.engine.witnessed(account, witness)[1])

        for place in range(len(chosen)):
            chosen[place] = max(range(SCENARIOS), key=lambda index: bound([*chosen[:place], index, *chosen[place + 1 :]]))
        return bytes(chosen[:underlyings]), bytes(chosen[underlyings:])

    def flag(self, account: int, by: Any, witness: tuple[bytes, bytes] = NO_WITNESS) -> Any:
        self.move()
        return self.system.liquidator.flag(account, witness, {"from": by})

    def liquidate(
        self,
        account: int,
        to: int,
        legs: Sequence[tuple[int, int]],
        by: Any,
        *,
        witness: tuple[bytes, bytes] = NO_WITNESS,
        min_payment: int = 0,
        callback: bytes = b"",
        fresh: bool = True,
    ) -> Any:
        """Sends a liquidation at the current market. Sizes of legs in 1e-18 contracts."""
        if fresh:
            self.move()
        return self.system.liquidator.liquidate((account, to, list(legs), witness, min_payment, callback), {"from": by})

    def convert(self, account: int, to: int, weth: int, by: Any, *, max_paid: int = 2**200) -> Any:
        self.move()
        return self.system.liquidator.convertCollateral(account, to, 0, weth, max_paid, {"from": by})

    def fund(self, amount: float) -> None:
        """Money for the insurance fund."""
        deposit_into_fund(self.system.chain, self.system.deployment, MAKER, amount)

    def open_deficit(self, account: int, by: Any) -> Any:
        self.move()
        return self.system.deleverager.openDeficit(account, {"from": by})

    def nominate(self, instrument: int, account: int, by: Any, witness: tuple[bytes, bytes] = NO_WITNESS) -> Any:
        self.move()
        return self.system.nominations.nominate(instrument, account, witness, {"from": by})

    def wait_for_nominations(self) -> None:
        """The window passes, in seconds and in blocks."""
        self.system.anvil.advance(NOMINATION_WINDOW)
        for _ in range(NOMINATION_BLOCKS):
            self.system.anvil.mine()

    def execute(self, account: int, by: Any, closes: int = 64) -> Any:
        self.move()
        return self.system.deleverager.execute(account, closes, {"from": by})

    def queue(self, instrument: int, *, longs: bool) -> list[int]:
        """Accounts, the first to be closed first."""
        return [int(account) for account in self.system.nominations.adlQueue(instrument, longs)[0]]

    def claim(self, account: int) -> int:
        return int(self.system.deleverager.deficit(account)[3])

    def drift(self) -> int:
        """INV-LEDGER: recorded by the vault minus what accounts hold, 1e-18 USD."""
        return int(self.system.lens.totals(0, 2**32)[3])

    def cash(self, account: int) -> int:
        return int(self.system.ledger.cash(account))

    def size(self, account: int, instrument: int) -> int:
        return int(self.system.ledger.positionSize(account, instrument))


@pytest.fixture(scope="session")
def system(
    anvil: Anvil,
    chain: Chain,
    deployment: Deployment,
    ledger: Any,
    vault: Any,
    clearing: Any,
    engine: Any,
    insurance_fund: Any,
    liquidator_contract: Any,
    nominations: Any,
    deleverager: Any,
    lens: Any,
    risk_parameters: Any,
    price_door: Any,
    usdc: Any,
    weth: Any,
) -> Any:
    @dataclass(frozen=True)
    class System:
        anvil: Anvil
        chain: Chain
        deployment: Deployment
        ledger: Any
        vault: Any
        clearing: Any
        engine: Any
        insurance_fund: Any
        liquidator: Any
        nominations: Any
        deleverager: Any
        lens: Any
        parameters: Any
        door: Any
        usdc: Any
        weth: Any

    return System(
        anvil,
        chain,
        deployment,
        ledger,
        vault,
        clearing,
        engine,
        insurance_fund,
        liquidator_contract,
        nominations,
        deleverager,
        lens,
        risk_parameters,
        price_door,
        usdc,
        weth,
    )


@pytest.fixture
def world(system: Any, publish: Callable[..., dict[str, Any]], maker: Any) -> World:
    """Opening market, a maker with 50 M USD."""
    made = World(system, publish)
    made.move()
    made.maker_account = made.open(maker, CROSS, usdc=50_000_000)
    return made


@pytest.fixture(scope="session")
def quotes(project: Any, deployment: Deployment) -> Any:
    return project.LiquidationQuotes.at(deployment.address("LiquidationQuotes"))


@pytest.fixture
def rescuer(world: World, liquidator: Any) -> int:
    """The liquidator's own account: CROSS, 100,000 USDC."""
    return world.open(liquidator, CROSS, usdc=100_000)


@pytest.fixture
def long_eth(world: World, alice: Any) -> int:
    """CROSS, 2,000 USDC, long 10 ETH perp from 3,400 (fee 10.2): equity 1,989.8 + 10 (p - 3,400), maintenance 0.25 p.
    Health 1.0226 at 3,285, 0.9632 at 3,280, bankrupt below 3,201.02."""
    account = world.open(alice, CROSS, usdc=2_000)
    world.trade(account, ETH_PERP, 10)
    return account


@pytest.fixture
def covered(world: World, alice: Any, expiries: Any) -> tuple[int, int]:
    """10 WETH and 10 deep calls sold against them, 400 of debt. Account and call."""
    call = Instrument.call(ETH, expiries[0], 500).pack()
    account = world.open(alice, PORTFOLIO, weth=10)
    world.trade(account, ETH_PERP, 2)
    world.move({"ETH": 3_200.0})
    world.trade(account, ETH_PERP, -2)
    world.trade(account, call, -10)
    assert world.cash(account) < -wad(400)
    return account, call
