"""A crowd of leveraged longs and somebody who liquidates it by the contracts' own quotes; figures from events alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from web3.logs import DISCARD

from scripts.chain import TransactionFailedError
from tests.contracts.waterfall.conftest import BANKRUPT, CROSS, ETH_PERP, NO_WITNESS, NONE, WAD, World

__all__ = ["Crowd", "Figures"]

_OF_CLOSABLE = 99  # percent: the clock and the price move until inclusion


@dataclass
class Figures:
    """liquidations: arguments of every Liquidated; prices: (paid per contract, mark of the block) of every LegTaken; gas: per liquidation;
    refused: what the fund would have had to pay beyond its means."""

    liquidations: list[dict[str, Any]] = field(default_factory=list)
    prices: list[tuple[int, int]] = field(default_factory=list)
    gas: list[int] = field(default_factory=list)
    refused: int = 0

    def total(self, name: str) -> float:
        return sum(event[name] for event in self.liquidations) / WAD

    def line(self) -> str:
        return (
            f"{len(self.liquidations)} liquidations of {len({e['account'] for e in self.liquidations})} accounts, "
            f"{sum(e['tier'] == BANKRUPT for e in self.liquidations)} bankrupt, paid {self.total('payment'):,.2f}, "
            f"fees {self.total('fee'):,.2f}, fund paid {self.total('fundPaid'):,.2f}, refused {self.refused}, "
            f"gas {max(self.gas, default=0):,} at most"
        )


@dataclass
class Crowd:
    """CROSS accounts, long ETH perps at leverages of their own; `rescuer` takes legs for `liquidator`."""

    world: World
    quotes: Any
    rescuer: int
    liquidator: Any
    accounts: list[int] = field(default_factory=list)

    def open(self, owners: Iterable[Any], leverages: Sequence[float], contracts: float = 3.0) -> None:
        spot = self.world.spots["ETH"]
        for owner, leverage in zip(owners, leverages, strict=True):
            account = self.world.open(owner, CROSS, usdc=round(contracts * spot / leverage, 2))
            self.world.trade(account, ETH_PERP, contracts)
            self.accounts.append(account)

    def sweep(self, figures: Figures, most: int = 10**6) -> None:
        """Liquidates up to `most` accounts, each once, to where the quote says."""
        world, system = self.world, self.world.system
        contract = system.deployment.contract(system.chain, "Liquidator")
        world.move()
        for account in self.accounts:
            quote = self.quotes.quote(account, NO_WITNESS)
            size = int(system.ledger.positionSize(account, ETH_PERP))
            if most == 0 or quote["tier"] == NONE or size == 0:
                continue
            share = WAD if quote["closable"] == WAD else int(quote["closable"]) * _OF_CLOSABLE // 100
            leg = size * share // WAD
            if leg == 0:
                continue
            world.move()
            mark = world.mark(ETH_PERP)
            call = contract.functions.liquidate((account, self.rescuer, [(ETH_PERP, leg)], NO_WITNESS, 0, b""))
            try:
                receipt = system.chain.send(call, self.liquidator.address)
            except TransactionFailedError as error:
                if "DeficitExceedsFund" not in str(error):
                    raise
                figures.refused += 1
                continue
            most -= 1
            figures.gas.append(int(receipt["gasUsed"], 16))
            for event in contract.events.Liquidated().process_receipt(receipt, errors=DISCARD):
                figures.liquidations.append(dict(event["args"]))
            for event in contract.events.LegTaken().process_receipt(receipt, errors=DISCARD):
                figures.prices.append((int(event["args"]["price"]), mark))

    def equities(self) -> list[float]:
        return [self.world.requirement(account)["equity"] / WAD for account in self.accounts]
