"""Deploys every contract and writes out/deployment.json, which keeper, publisher, maker and demo read.

    python -m scripts.deploy [--url http://127.0.0.1:8545] [--output out/deployment.json]     (a node whose accounts are unlocked)

Order follows the layers: nothing is deployed before what its constructor names. `scripts.configure` lists and hands over afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from web3 import Web3
from web3.contract import Contract

from scripts.artifacts import load
from scripts.chain import Chain
from scripts.roles import DEPLOYER, GOVERNOR, ORACLE_QUORUM, ORACLE_SIGNERS, address_of

__all__ = ["DEPLOYMENT_FILE", "SETTLEMENT", "TIMELOCK_DELAY", "UNDERLYINGS", "Deployment", "deploy"]

ROOT = Path(__file__).resolve().parents[1]
DEPLOYMENT_FILE = ROOT / "out" / "deployment.json"

SETTLEMENT = 255  # token index of the settlement token
TIMELOCK_DELAY = 3_600  # seconds; a public deployment takes days
UNDERLYINGS = {"ETH": 0, "BTC": 1}
TOKENS = {"USDC": ("USD Coin (local)", 6, SETTLEMENT), "WETH": ("Wrapped Ether (local)", 18, 0)}
ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True)
class Deployment:
    """What was deployed where. contracts: name -> {"address", "abi"}; tokens: symbol -> {"address", "decimals", "index"}; block: the first
    block to read events from."""

    chain_id: int
    block: int
    contracts: Mapping[str, Mapping[str, Any]]
    tokens: Mapping[str, Mapping[str, Any]]
    underlyings: Mapping[str, int] = field(default_factory=lambda: dict(UNDERLYINGS))

    def address(self, name: str) -> str:
        return str(self.contracts[name]["address"])

    def contract(self, chain: Chain, name: str) -> Contract:
        """The contract `name` on `chain`."""
        return chain.contract(self.address(name), self.contracts[name]["abi"])

    def token(self, chain: Chain, symbol: str) -> Contract:
        return chain.contract(self.tokens[symbol]["address"], load("TokenMock").abi)

    def save(self, path: Path = DEPLOYMENT_FILE) -> None:
        """Written beside and renamed, so that no reader sees half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.__dict__, indent=1, default=dict))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path = DEPLOYMENT_FILE) -> Self:
        return cls(**json.loads(path.read_text()))


def _constructors() -> dict[str, Callable[[Callable[[str], str], str], tuple[Any, ...]]]:
    """Contract -> constructor arguments from (address of a contract deployed before, deployer), in the order of deployment."""
    signers = [address_of(index) for index in ORACLE_SIGNERS]
    governor = address_of(GOVERNOR)
    return {
        # Anyone may execute what has waited.
        "Timelock": lambda _, __: (TIMELOCK_DELAY, [governor], [ZERO_ADDRESS]),
        "RiskParameters": lambda _, deployer: (deployer,),
        "CircuitBreaker": lambda _, deployer: (deployer,),
        "InstrumentRegistry": lambda _, deployer: (deployer,),
        "PriceDoor": lambda at, deployer: (
            deployer,
            at("InstrumentRegistry"),
            at("RiskParameters"),
            at("CircuitBreaker"),
            signers,
            ORACLE_QUORUM,
        ),
        "SpotSources": lambda at, deployer: (deployer, at("PriceDoor")),
        "CollateralVault": lambda at, deployer: (at("USDC"), deployer),
        "Ledger": lambda _, __: (),
        "MarginEngine": lambda at, _: (at("Ledger"), at("PriceDoor"), at("RiskParameters")),
        "MarginModel": lambda at, _: (at("MarginEngine"),),
        "MarginReport": lambda at, _: (at("Ledger"), at("PriceDoor"), at("RiskParameters"), at("MarginEngine")),
        "InsuranceFund": lambda at, deployer: (at("USDC"), at("RiskParameters"), deployer),
        "TradingLimits": lambda at, deployer: (
            at("Ledger"),
            at("CollateralVault"),
            at("PriceDoor"),
            at("RiskParameters"),
            deployer,
        ),
        "TripDiscount": lambda at, _: (
            at("Ledger"),
            at("PriceDoor"),
            at("RiskParameters"),
            at("MarginModel"),
            at("CircuitBreaker"),
        ),
        "Nominations": lambda at, _: (at("Ledger"), at("MarginEngine"), at("RiskParameters")),
        "Deleverager": lambda at, _: (
            at("Ledger"),
            at("CollateralVault"),
            at("RiskParameters"),
            at("MarginEngine"),
            at("InsuranceFund"),
            at("Nominations"),
        ),
        "MarginCheck": lambda at, _: (
            at("Ledger"),
            at("PriceDoor"),
            at("RiskParameters"),
            at("MarginEngine"),
            at("CircuitBreaker"),
            at("TradingLimits"),
            at("Nominations"),
            at("TripDiscount"),
        ),
        "WithdrawalQueue": lambda at, _: (
            at("CollateralVault"),
            at("PriceDoor"),
            at("RiskParameters"),
            at("CircuitBreaker"),
            at("MarginCheck"),
        ),
        "Clearing": lambda at, _: (
            (
                at("Ledger"),
                at("CollateralVault"),
                at("InstrumentRegistry"),
                at("RiskParameters"),
                at("MarginEngine"),
                at("CircuitBreaker"),
                at("TradingLimits"),
                at("MarginCheck"),
                at("WithdrawalQueue"),
                at("InsuranceFund"),
            ),
        ),
        "Funding": lambda at, _: (at("Ledger"), at("PriceDoor"), at("RiskParameters")),
        "Settlement": lambda at, _: (at("Ledger"), at("PriceDoor")),
        "Liquidator": lambda at, _: (
            (
                at("Ledger"),
                at("CollateralVault"),
                at("PriceDoor"),
                at("RiskParameters"),
                at("MarginEngine"),
                at("InsuranceFund"),
                at("CircuitBreaker"),
            ),
        ),
        "LiquidationQuotes": lambda at, _: (
            at("Liquidator"),
            at("Ledger"),
            at("PriceDoor"),
            at("RiskParameters"),
            at("MarginEngine"),
            at("InsuranceFund"),
        ),
        "ShutdownSettlement": lambda at, _: (
            (
                at("CircuitBreaker"),
                at("PriceDoor"),
                at("RiskParameters"),
                at("InstrumentRegistry"),
                at("MarginModel"),
                at("Ledger"),
                at("CollateralVault"),
                at("WithdrawalQueue"),
                at("InsuranceFund"),
            ),
        ),
        "Lens": lambda at, _: (at("Ledger"), at("CollateralVault"), at("MarginEngine")),
        "MarginLens": lambda at, _: (at("MarginEngine"), at("MarginReport")),
        "LiquidationBatch": lambda at, _: (at("Ledger"), at("PriceDoor"), at("Liquidator")),
    }


# Contract -> the only ones that may write to it.
MODULES = {
    "Ledger": ("Clearing", "Liquidator", "TradingLimits", "Deleverager", "Funding", "Settlement", "ShutdownSettlement"),
    "CollateralVault": ("Clearing", "Liquidator", "Deleverager", "ShutdownSettlement"),
    "Nominations": ("Deleverager",),
}


def deploy(chain: Chain, deployer: str, progress: Callable[[str], None] = lambda _: None) -> Deployment:
    """Deploys tokens and contracts and wires the modules. progress is told each name. Raises ArtifactError, TransactionFailedError."""
    addresses: dict[str, str] = {}
    contracts: dict[str, dict[str, Any]] = {}
    tokens: dict[str, dict[str, Any]] = {}
    first_block = 0
    token = load("TokenMock")
    for symbol, (name, decimals, index) in TOKENS.items():
        progress(symbol)
        found, block = chain.deploy(token.abi, token.bytecode, (name, symbol, decimals), deployer)
        first_block = first_block or block
        addresses[symbol] = found.address
        tokens[symbol] = {"address": found.address, "decimals": decimals, "index": index}
    for name, arguments in _constructors().items():
        progress(name)
        artifact = load(name)
        found, _ = chain.deploy(artifact.abi, artifact.bytecode, arguments(addresses.__getitem__, deployer), deployer)
        addresses[name] = found.address
        contracts[name] = {"address": found.address, "abi": artifact.abi}
    deployment = Deployment(chain.chain_id, first_block, contracts, tokens)
    for name, modules in MODULES.items():
        chain.send(deployment.contract(chain, name).functions.wire([addresses[module] for module in modules]), deployer)
    return deployment


def main() -> None:
    parser = argparse.ArgumentParser(description="Deploys every contract on a local node.")
    parser.add_argument("--url", default=os.environ.get("DPRE_RPC", "http://127.0.0.1:8545"))
    parser.add_argument("--output", type=Path, default=DEPLOYMENT_FILE)
    options = parser.parse_args()
    deployment = deploy(Chain(options.url), Web3.to_checksum_address(address_of(DEPLOYER)), lambda name: print(f"    {name}"))
    deployment.save(options.output)


if __name__ == "__main__":
    main()
