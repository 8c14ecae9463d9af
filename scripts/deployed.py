"""What is deployed, for processes of their own that hold their own keys: contracts of out/deployment.json on a node, reverts by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract

from scripts.deploy import Deployment

__all__ = ["DeploymentError", "contract", "custom_error", "read_deployment", "require_chain"]

# The two errors that the compiler itself raises.
_COMPILER_ERRORS = {"08c379a0": ("Error", ("string",)), "4e487b71": ("Panic", ("uint256",))}


class DeploymentError(RuntimeError):
    """The deployment file is missing, incomplete, or describes another chain; the message says which."""


def read_deployment(path: Path) -> Deployment:
    """Raises DeploymentError for a file that is absent, not JSON, or of other fields."""
    try:
        return Deployment.read(path)
    except FileNotFoundError:
        raise DeploymentError(f"{path} does not exist: deploy first (scripts/deploy.py)") from None
    except json.JSONDecodeError as error:
        raise DeploymentError(f"{path} is no JSON: {error}") from None
    except TypeError as error:
        raise DeploymentError(f"{path} is no deployment file: {error}") from None


def contract(web3: Web3, deployment: Deployment, name: str) -> Contract:
    """Raises DeploymentError for a name that the deployment does not hold."""
    if name not in deployment.contracts:
        raise DeploymentError(f"expected a contract {name!r} in the deployment file, got {sorted(deployment.contracts)}")
    return web3.eth.contract(address=Web3.to_checksum_address(deployment.address(name)), abi=deployment.contracts[name]["abi"])


def require_chain(web3: Web3, deployment: Deployment) -> None:
    """Raises DeploymentError unless the node serves the deployment's chain and has its contracts."""
    if web3.eth.chain_id != deployment.chain_id:
        raise DeploymentError(f"expected chain {deployment.chain_id}, the node serves chain {web3.eth.chain_id}")
    for name in deployment.contracts:
        if not web3.eth.get_code(Web3.to_checksum_address(deployment.address(name))):
            raise DeploymentError(f"expected {name} at {deployment.address(name)}, the node has no code there")


def custom_error(error: BaseException, deployment: Deployment) -> tuple[str, tuple[Any, ...]] | None:
    """Name and values of the contract error in a web3 exception; None when it carries no revert data."""
    data = getattr(error, "data", None)
    if not isinstance(data, str) or len(data) < 10:
        return None
    known = dict(_COMPILER_ERRORS)
    for entry in deployment.contracts.values():
        for item in entry["abi"]:
            if item["type"] == "error":
                types = tuple(collapse_if_tuple(argument) for argument in item["inputs"])
                known[keccak(text=f"{item['name']}({','.join(types)})")[:4].hex()] = (item["name"], types)
    name, types = known.get(data[2:10], (f"unknown error {data[:10]}", ()))
    return name, decode(types, bytes.fromhex(data[10:]))
