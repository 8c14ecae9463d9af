"""The deployment file (out/deployment.json): which contract lives where. Read by every process that talks to the chain without Brownie.

{"chain_id", "block", "contracts": {name: {"address", "abi"}}, "tokens": {...}, "underlyings": {symbol: id}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract

__all__ = ["Deployment", "DeploymentError", "describe_revert", "read_deployment"]

# The two errors that the compiler itself raises.
_COMPILER_ERRORS = {"08c379a0": ("Error", ("string",)), "4e487b71": ("Panic", ("uint256",))}


class DeploymentError(RuntimeError):
    """The deployment file is missing, incomplete, or describes another chain; the message says which."""


@dataclass(frozen=True)
class Deployment:
    """chain_id: EIP-155; block: first block of the deployment; contracts: name -> {"address", "abi"}; underlyings: symbol -> id."""

    chain_id: int
    block: int
    contracts: Mapping[str, Mapping[str, Any]]
    underlyings: Mapping[str, int]

    def contract(self, web3: Web3, name: str) -> Contract:
        """Raises DeploymentError for a name that the file does not hold."""
        try:
            entry = self.contracts[name]
        except KeyError:
            raise DeploymentError(f"expected a contract {name!r} in the deployment file, got {sorted(self.contracts)}") from None
        return web3.eth.contract(address=Web3.to_checksum_address(entry["address"]), abi=entry["abi"])

    def require_chain(self, web3: Web3) -> None:
        """Raises DeploymentError unless the node serves the deployment's chain and has its contracts."""
        if web3.eth.chain_id != self.chain_id:
            raise DeploymentError(f"expected chain {self.chain_id}, the node serves chain {web3.eth.chain_id}")
        for name, entry in self.contracts.items():
            if not web3.eth.get_code(Web3.to_checksum_address(entry["address"])):
                raise DeploymentError(f"expected {name} at {entry['address']}, the node has no code there")


def read_deployment(path: Path) -> Deployment:
    """Raises DeploymentError for a file that is absent, not JSON, or lacks a field."""
    try:
        raw = json.loads(path.read_text())
        return Deployment(int(raw["chain_id"]), int(raw["block"]), raw["contracts"], {k: int(v) for k, v in raw["underlyings"].items()})
    except FileNotFoundError:
        raise DeploymentError(f"{path} does not exist: deploy first (scripts/deploy.py)") from None
    except json.JSONDecodeError as error:
        raise DeploymentError(f"{path} is no JSON: {error}") from None
    except KeyError as error:
        raise DeploymentError(f"{path}: expected a field {error}") from None


def describe_revert(error: BaseException, deployment: Deployment) -> tuple[str, tuple[Any, ...]] | None:
    """Name and arguments of the custom error in a web3 exception; None when it carries no revert data."""
    data = getattr(error, "data", None)
    if not isinstance(data, str) or len(data) < 10:
        return None
    selector, payload = data[2:10], bytes.fromhex(data[10:])
    name, types = _known_errors(deployment).get(selector, (f"unknown error 0x{selector}", ()))
    return name, decode(types, payload)


def _known_errors(deployment: Deployment) -> dict[str, tuple[str, tuple[str, ...]]]:
    known = dict(_COMPILER_ERRORS)
    for entry in deployment.contracts.values():
        for item in entry["abi"]:
            if item["type"] == "error":
                types = tuple(collapse_if_tuple(argument) for argument in item["inputs"])
                known[keccak(text=f"{item['name']}({','.join(types)})")[:4].hex()] = (item["name"], types)
    return known
