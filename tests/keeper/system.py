"""A described system for tests without a node: ABIs of events and errors read from the Solidity interfaces, logs written
as the contracts write them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from web3 import Web3

from keeper.chain import Deployment
from keeper.chain.contract import Contract
from keeper.chain.deployment import REQUIRED_CONTRACTS

INTERFACES = Path(__file__).parents[2] / "contracts" / "interfaces"
_ENUMS = {"MarginMode", "CashReason", "Tier", "Parameter", "State", "ICircuitBreaker.Cause", "Cause"}
_CONTRACTS = {"ISpotSource", "ISpotSources"}
_STRUCTS = {
    "SourceConfig": [("address", "source"), ("uint32", "maxAge"), ("uint64", "band"), ("uint64", "jump")],
    "CollateralConfig": [("uint8", "underlying"), ("bool", "joins"), ("uint64", "haircutInitial"), ("uint64", "haircutMaintenance")],
    "UnderlyingLimits": [("uint128", name) for name in ("openInterest", "instrument", "position", "entity")],
    "TokenLimits": [("uint128", "total"), ("uint128", "account")],
}
_INHERITED = {"PriceDoor": ("OracleSigners",)}
_WITNESS = "(bytes,bytes)"
_QUOTE = "(uint32,uint96,int64,int64,uint64,int64,int64,uint64,uint96,uint64)"
_UPDATE = f"(uint8,uint32,uint96,uint96,uint16,{_QUOTE}[])"
_LIQUIDATION = f"(uint64,uint64,(uint112,int128)[],{_WITNESS},uint256,bytes)"
_OUTCOME = "(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"
_ORDER = "(uint64,uint112,int128,uint128,uint64,uint64,uint64,bool,address)"
_SIGNED_ORDER = f"({_ORDER},address,bytes)"

# Functions the keeper calls: (contract, name, inputs, outputs).
FUNCTIONS = [
    (
        "Liquidator",
        "liquidate",
        [_LIQUIDATION],
        [_OUTCOME],
    ),
    (
        "Liquidator",
        "liquidateThrough",
        [f"(uint64,uint64,(uint112,int128)[],{_WITNESS},uint256,bytes)", "uint32", "(uint112,int128)[]"],
        ["(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"] * 2,
    ),
    ("Liquidator", "flag", ["uint64", _WITNESS], []),
    ("Liquidator", "coverDeficit", ["uint64"], ["uint256"]),
    ("Liquidator", "convertCollateral", ["uint64", "uint64", "uint8", "uint256", "uint256"], []),
    ("Liquidator", "discountNow", ["uint64"], ["uint256"]),
    ("Funding", "update", ["uint8"], ["int256"]),
    ("Funding", "updateDebitRate", [], []),
    ("Funding", "updateProfitVesting", [], []),
    ("Settlement", "fix", ["uint8", "uint32"], ["uint256"]),
    ("Settlement", "settle", ["uint64[]", "uint8", "uint32"], ["uint256"]),
    ("RiskParameters", "setUnderlying", ["uint8", "uint8", "uint64"], []),
    ("PriceDoor", "poke", ["uint8"], []),
    ("Deleverager", "openDeficit", ["uint64"], []),
    ("Deleverager", "execute", ["uint64", "uint256"], ["(int256,uint256,uint256,uint256,uint256,bool)"]),
    ("Deleverager", "deficit", ["uint64"], ["(uint40,uint64,uint8,uint128)"]),
    ("Nominations", "droppedSince", ["uint112[]", "int256[]", "uint256"], ["bool"]),
    ("Nominations", "nominate", ["uint112", "uint64", _WITNESS], ["uint64"]),
    ("PriceDoor", "submitBatch", [f"{_UPDATE}[]", "bytes[][]"], []),
    ("Lens", "accounts", ["uint64", "uint64"], ["(uint64,address,uint8,int256,uint256[],(uint112,int256,int256)[])[]"]),
    ("RiskParameters", "table", [], ["uint256[]"]),
    (
        "LiquidationBatch",
        "liquidate",
        [f"{_UPDATE}[]", "bytes[][]", f"{_LIQUIDATION}[]"],
        [f"(bool,uint256,{_OUTCOME},bytes)[]"],
    ),
    ("Clearing", "settle", [_SIGNED_ORDER, _SIGNED_ORDER, "uint256", "uint256"], []),
]


@lru_cache
def abi_of(contract: str) -> list[dict[str, Any]]:
    """Events and errors of contracts/interfaces/I<contract>.sol and what it inherits, and the functions above."""
    texts = (INTERFACES / f"I{name}.sol" for name in (contract, *_INHERITED.get(contract, ())))
    source = "".join(re.sub(r"//[^\n]*", "", text.read_text()) for text in texts)
    entries: list[dict[str, Any]] = [
        {"type": kind, "name": name, "inputs": [_parameter(text) for text in parameters.split(",") if text.strip()]}
        for kind, name, parameters in re.findall(r"\b(event|error)\s+(\w+)\(([^)]*)\)\s*;", source)
    ]
    for owner, name, inputs, outputs in FUNCTIONS:
        if owner == contract:
            function = {"inputs": [_typed(kind) for kind in inputs], "outputs": [_typed(kind) for kind in outputs]}
            entries.append({"type": "function", "name": name, **function})
    return entries


def _parameter(text: str) -> dict[str, Any]:
    kind, *rest = text.split()
    entry: dict[str, Any] = {"name": rest[-1], "indexed": "indexed" in rest, "type": kind}
    base = kind.removesuffix("[]")
    if kind in _ENUMS:
        entry["type"] = "uint8"
    elif kind in _CONTRACTS:
        entry["type"] = "address"
    elif base in _STRUCTS:
        entry |= {"type": "tuple" + kind[len(base) :], "components": [{"name": name, "type": part} for part, name in _STRUCTS[base]]}
    return entry


def _typed(kind: str) -> dict[str, Any]:
    """An unnamed parameter of a type like "(uint64,(bytes,bytes))[]"."""
    if not kind.startswith("("):
        return {"name": "", "type": kind}
    inner, _, array = kind[1:].rpartition(")")
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(inner + ","):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    return {"name": "", "type": "tuple" + array, "components": [_typed(part) for part in parts]}


def address_of(name: str) -> str:
    return str(Web3.to_checksum_address(Web3.keccak(text=name)[:20]))


def description(first_block: int = 1, *optional: str) -> dict[str, Any]:
    """The contents of a deployment file. optional: contracts that a keeper can do without."""
    return {
        "chain_id": 31337,
        "block": first_block,
        "contracts": {name: {"address": address_of(name), "abi": list(abi_of(name))} for name in (*REQUIRED_CONTRACTS, *optional)},
        "tokens": {
            "USDC": {"address": address_of("USDC"), "decimals": 6, "index": 255},
            "WETH": {"address": address_of("WETH"), "decimals": 18, "index": 0},
        },
        "underlyings": {"ETH": 0, "BTC": 1},
    }


def deployment(first_block: int = 1, *optional: str) -> Deployment:
    return Deployment.parse(description(first_block, *optional))


def log(contract: Contract, event: str, **values: Any) -> tuple[str, list[bytes], bytes]:
    """(address, topics, data) of an event with Solidity's parameter names."""
    spec = contract.events[event]
    topics = [spec.topic, *(encode([kind], [values.pop(name)]) for name, kind in spec.indexed)]
    data = encode([kind for _, kind in spec.data], [values.pop(name) for name, _ in spec.data])
    if values:
        raise AssertionError(f"{event} has no {sorted(values)}")
    return contract.address, topics, data
