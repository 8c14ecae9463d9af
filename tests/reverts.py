"""`with reverts("StalePrice", 120, 60): ...` - a custom error by its name and the numbers it carries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from scripts.brownie_env import estimating_gas

__all__ = ["reverts"]

BUILD = Path(__file__).resolve().parents[1] / "build" / "contracts"

# The two errors that the compiler itself raises.
_COMPILER_ERRORS = {"08c379a0": ("Error", ["string"]), "4e487b71": ("Panic", ["uint256"])}


@contextmanager
def reverts(name: str, *arguments: Any) -> Iterator[None]:
    """Passes when the block reverts with the error `name` carrying exactly `arguments` (without arguments, only the name counts).

    Addresses compare without regard to case, `...` stands for any value. `Error` is a require string, `Panic` a compiler check.
    Works for Brownie's transactions and calls and for web3's.
    """
    try:
        with estimating_gas():
            yield
    except Exception as error:
        data = _revert_data(error)
        if data is None:
            raise
        found, values = _decode(data)
        got = f"{found}({', '.join(map(str, values))})"
        expected = f"{name}({', '.join(map(str, arguments))})"
        if found != name or (arguments and not _equal(arguments, values)):
            raise AssertionError(f"expected a revert with {expected}, got {got}") from None
        return
    raise AssertionError(f"expected a revert with {name}, but nothing reverted")


def _revert_data(error: BaseException | None) -> bytes | None:
    """Revert data of the node's answer, anywhere in the chain of exceptions: Brownie hands on a ValueError's dict, web3 attributes."""
    while error is not None:
        response = getattr(error, "rpc_response", None)
        answer = response["error"] if response else next((a for a in error.args if isinstance(a, dict)), {})
        data = answer.get("data") or getattr(error, "data", None)
        if isinstance(data, str) and data.startswith("0x"):
            return bytes.fromhex(data[2:])
        error = error.__cause__ or error.__context__
    return None


@lru_cache(maxsize=1)
def _known() -> dict[str, tuple[str, list[str]]]:
    """Selector -> (name, argument types) of every error of the compiled contracts."""
    known = dict(_COMPILER_ERRORS)
    for path in BUILD.rglob("*.json"):
        for item in json.loads(path.read_text())["abi"]:
            if item["type"] == "error":
                types = [collapse_if_tuple(argument) for argument in item["inputs"]]
                selector = keccak(text=f"{item['name']}({','.join(types)})")[:4].hex()
                known[selector] = (item["name"], types)
    return known


def _decode(data: bytes) -> tuple[str, tuple[Any, ...]]:
    if not data:
        return "revert without data", ()
    selector = data[:4].hex()
    if selector not in _known():
        return f"unknown error 0x{selector}", (f"0x{data[4:].hex()}",)
    name, types = _known()[selector]
    return name, decode(types, data[4:])


def _equal(expected: Any, value: Any) -> bool:
    if expected is ...:
        return True
    if isinstance(expected, tuple | list) and isinstance(value, tuple | list):
        return len(expected) == len(value) and all(map(_equal, expected, value))
    if isinstance(value, str) and value.startswith("0x"):
        return str(expected).lower() == value.lower()
    if isinstance(value, bytes):
        return bytes.fromhex(str(expected).removeprefix("0x")) == value if not isinstance(expected, bytes) else expected == value
    return bool(expected == value)
