"""Accounts that trade through Clearing, are priced by the signed feed, and fall under water; everything real but the market's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from keeper.model import Instrument
from scripts.anvil import Anvil, private_key
from scripts.deploy import SETTLEMENT
from scripts.market_path import OPENING_SPOTS
from scripts.orders import order, sign_order
from scripts.roles import address_of

ISOLATED, CROSS, PORTFOLIO = range(3)
NONE, PARTIAL, FULL, BANKRUPT = range(4)
WAD = 10**18
ETH, BTC = 0, 1
ETH_PERP = Instrument.perp(ETH).pack()
BTC_PERP = Instrument.perp(BTC).pack()
NO_WITNESS = (b"", b"")
SCENARIOS = 35

_KEYS = {address_of(index): private_key(index) for index in range(20)}


def wad(amount: float | str) -> int:
    """Whole units to 1e-18, exact for at most 12 decimals."""
    return round(float(amount) * 10**12) * 10**6


@dataclass
class World:
    """What a trader, a maker and a liquidator can do. Prices keep fresh by themselves: every action publishes the current market first."""

    system: Any
    publish: Callable[..., dict[str, Any]]
    maker: Any
    spots: dict[str, float] = field(default_factory=lambda: dict(OPENING_SPOTS))
    made: dict[str, float] = field(default_factory=dict)
    maker_account: int = 0

    def move(self, spots: Mapping[str, float] | None = None, **made: float) -> None:
        """Publishes a market; what is not named stays."""
        self.spots.update(spots or {})
        self.made.update(made)
        self.publish(self.spots, **self.made)

    def open(self, owner: Any, mode: int = CROSS, *, usdc: float = 0, weth: float = 0) -> int:
        self.system.clearing.openAccount(mode, {"from": owner})
        account = int(self.system.ledger.accountCount())
        self.deposit(owner, account, usdc=usdc, weth=weth)
        return account

    def deposit(self, owner: Any, account: int, *, usdc: float = 0, weth: float = 0) -> None:
        for token, index, amount in ((self.system.usdc, SETTLEMENT, usdc), (self.system.weth, 0, weth)):
            if amount:
                units = round(amount * 10 ** token.decimals())
                token.mint(owner, units, {"from": owner})
                token.approve(self.system.vault, units, {"from": owner})
                self.system.clearing.deposit(account, index, wad(amount), {"from": owner})

    def trade(self, account: int, instrument: int, size: float, price: float | None = None, *, against: int | None = None) -> int:
        """`account` trades signed `size` at `price` (default: mark) against the maker. Returns the price, 1e18."""
        self.move()
        at = self.mark(instrument) if price is None else wad(price)
        seller = against or self.maker_account
        self._settle(account, seller, instrument, wad(size), at)
        return at

    def _settle(self, account: int, against: int, instrument: int, size: int, price: int) -> None:
        clearing, ledger = self.system.clearing, self.system.ledger
        expiry = self.system.anvil.time() + 60

        def signed(who: int, change: int) -> tuple[Any, ...]:
            made = order(who, instrument, 1, limit=1, expiry=expiry)
            made = type(made)(**{**{name: getattr(made, name) for name in made.__slots__}, "size": change, "limit_price": price})
            return sign_order(made, _KEYS[ledger.account(who)[0]], 31337, clearing.address).as_tuple()

        buyer, seller = (account, against) if size > 0 else (against, account)
        clearing.settle(signed(buyer, abs(size)), signed(seller, -abs(size)), abs(size), price, {"from": self.maker})

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
        legs: Sequence[tuple[int, float]],
        by: Any,
        *,
        witness: tuple[bytes, bytes] = NO_WITNESS,
        min_payment: int = 0,
        callback: bytes = b"",
        fresh: bool = True,
    ) -> Any:
        """Sends a liquidation at the current market. Legs in whole contracts, or exact as ints of 1e-18."""
        if fresh:
            self.move()
        exact = [(instrument, size if isinstance(size, int) else wad(size)) for instrument, size in legs]
        return self.system.liquidator.liquidate((account, to, exact, witness, min_payment, callback), {"from": by})

    def convert(self, account: int, to: int, weth: float | int, by: Any, *, max_paid: int = 2**200) -> Any:
        self.move()
        quantity = weth if isinstance(weth, int) else wad(weth)
        return self.system.liquidator.convertCollateral(account, to, 0, quantity, max_paid, {"from": by})

    def fund(self, amount: float) -> None:
        """Money for the insurance fund."""
        units = round(amount * 10**6)
        self.system.usdc.mint(self.maker, units, {"from": self.maker})
        self.system.usdc.approve(self.system.insurance_fund, units, {"from": self.maker})
        self.system.insurance_fund.deposit(units, self.maker, {"from": self.maker})

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
    ledger: Any,
    vault: Any,
    clearing: Any,
    engine: Any,
    insurance_fund: Any,
    liquidator_contract: Any,
    lens: Any,
    risk_parameters: Any,
    price_door: Any,
    usdc: Any,
    weth: Any,
) -> Any:
    @dataclass(frozen=True)
    class System:
        anvil: Anvil
        ledger: Any
        vault: Any
        clearing: Any
        engine: Any
        insurance_fund: Any
        liquidator: Any
        lens: Any
        parameters: Any
        door: Any
        usdc: Any
        weth: Any

    return System(
        anvil, ledger, vault, clearing, engine, insurance_fund, liquidator_contract, lens, risk_parameters, price_door, usdc, weth
    )


@pytest.fixture
def world(system: Any, publish: Callable[..., dict[str, Any]], maker: Any) -> World:
    """Opening market, a maker with 50 M USD."""
    made = World(system, publish, maker)
    made.move()
    made.maker_account = made.open(maker, CROSS, usdc=50_000_000)
    return made


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
