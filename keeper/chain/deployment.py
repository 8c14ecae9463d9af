"""The deployment file: where every contract is and how to talk to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from web3 import Web3

from keeper.chain.contract import Contract, Errors
from keeper.errors import DeploymentError

__all__ = ["REQUIRED_CONTRACTS", "SETTLEMENT_INDEX", "Deployment", "Token"]

REQUIRED_CONTRACTS = (
    "Ledger",
    "CollateralVault",
    "InstrumentRegistry",
    "RiskParameters",
    "CircuitBreaker",
    "PriceDoor",
    "SpotSources",
    "MarginEngine",
    "InsuranceFund",
    "TradingLimits",
    "WithdrawalQueue",
    "Clearing",
    "Funding",
    "Settlement",
    "Liquidator",
    "ShutdownSettlement",
    "Nominations",
    "Deleverager",
    "Lens",
)

SETTLEMENT_INDEX = 255
"""Index of the settlement token in the vault (interfaces/ICollateralVault.sol)."""


@dataclass(frozen=True, slots=True)
class Token:
    """name: symbol; index: in the vault, 255 for the settlement token; decimals: of the ERC-20."""

    name: str
    index: int
    address: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployed system. first_block: where its events begin; contracts: by name; underlyings: symbol -> index.

    `load` raises DeploymentError where the file is missing, no JSON, or lacks a part that the keeper needs.
    """

    chain_id: int
    first_block: int
    contracts: Mapping[str, Contract]
    tokens: Mapping[int, Token]
    underlyings: Mapping[str, int]

    @classmethod
    def load(cls, path: Path) -> Deployment:
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            raise DeploymentError(
                f"{path} does not exist: deploy first (scripts/deploy.py writes it) or name another with --deployment"
            ) from None
        except json.JSONDecodeError as error:
            raise DeploymentError(f"{path} is expected to hold JSON: {error}") from error
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: Mapping[str, Any], source: str = "the deployment") -> Deployment:
        try:
            entries = content["contracts"]
            missing = [name for name in REQUIRED_CONTRACTS if name not in entries]
            if missing:
                raise DeploymentError(f"{source}: contracts {', '.join(missing)} are missing")
            errors = Errors(entry["abi"] for entry in entries.values())
            contracts = {name: Contract(name, _address(entry["address"]), entry["abi"], errors) for name, entry in entries.items()}
            tokens = {
                int(entry["index"]): Token(name, int(entry["index"]), _address(entry["address"]), int(entry["decimals"]))
                for name, entry in content["tokens"].items()
            }
            if SETTLEMENT_INDEX not in tokens:
                raise DeploymentError(f"{source}: tokens lacks the settlement token (index {SETTLEMENT_INDEX})")
            return cls(
                chain_id=int(content["chain_id"]),
                first_block=int(content["block"]),
                contracts=MappingProxyType(contracts),
                tokens=MappingProxyType(tokens),
                underlyings=MappingProxyType({str(name): int(index) for name, index in content["underlyings"].items()}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise DeploymentError(
                f"{source}: expected chain_id, block, contracts, tokens and underlyings; {error!r} is wrong or missing"
            ) from error

    def contract(self, name: str) -> Contract:
        """Raises DeploymentError where the deployment has no such contract."""
        try:
            return self.contracts[name]
        except KeyError:
            raise DeploymentError(f"the deployment has no contract {name}; it has {', '.join(self.contracts)}") from None

    @property
    def fingerprint(self) -> str:
        """Names this deployment: a database that was filled from another one must not be continued."""
        addresses = sorted((name, contract.address) for name, contract in self.contracts.items())
        return hashlib.sha256(json.dumps([self.chain_id, self.first_block, addresses]).encode()).hexdigest()[:16]


def _address(text: str) -> str:
    if not Web3.is_address(text):
        raise DeploymentError(f"expected an address of 20 bytes, got {text!r}")
    return str(Web3.to_checksum_address(text))
