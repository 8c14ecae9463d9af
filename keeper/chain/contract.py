"""A contract as bytes in and bytes out: calls are encoded and answers decoded by its ABI, without a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import Web3

from keeper.errors import ChainError, DeploymentError, RevertError

__all__ = ["Contract", "Errors", "EventSpec"]

_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x32: "index out of range",
}


@dataclass(frozen=True, slots=True)
class _Function:
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One event of an ABI: names and types of its indexed and its other parameters, in order."""

    name: str
    topic: bytes
    indexed: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]


class Errors:
    """Every custom error of a system: reverts bubble up through contracts, so one table serves all of them."""

    def __init__(self, abis: Iterable[Sequence[Mapping[str, Any]]]) -> None:
        self._by_selector: dict[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
            keccak(text="Error(string)")[:4]: ("Error", ("reason",), ("string",)),
            keccak(text="Panic(uint256)")[:4]: ("Panic", ("code",), ("uint256",)),
        }
        for abi in abis:
            for item in abi:
                if item.get("type") == "error":
                    names = tuple(str(parameter["name"]) for parameter in item["inputs"])
                    self._by_selector[_selector(item)] = (str(item["name"]), names, _types(item["inputs"]))

    def explain(self, data: bytes) -> RevertError:
        """The exception for a revert reason; never raises."""
        known = self._by_selector.get(data[:4])
        if known is None:
            return RevertError("", {}, data)
        name, names, types = known
        try:
            arguments = dict(zip(names, decode(types, data[4:]), strict=True))
        except (DecodingError, OverflowError):
            return RevertError("", {}, data)
        if name == "Panic":
            arguments = {"reason": _PANICS.get(arguments["code"], hex(arguments["code"]))}
        return RevertError(name, arguments, data)


class Contract:
    """A contract at an address. Raises DeploymentError for functions its ABI lacks."""

    def __init__(self, name: str, address: str, abi: Sequence[Mapping[str, Any]], errors: Errors | None = None) -> None:
        self.name = name
        self.address = address
        self.errors = errors or Errors([abi])
        self.events: dict[str, EventSpec] = {}
        self._functions: dict[str, _Function] = {}
        for item in abi:
            if item.get("type") == "function":
                self._functions[str(item["name"])] = _Function(_selector(item), _types(item["inputs"]), _types(item.get("outputs", ())))
            elif item.get("type") == "event" and not item.get("anonymous"):
                self.events[str(item["name"])] = _event(item)

    def has(self, function: str) -> bool:
        return function in self._functions

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Call data. Structs are tuples in the order of their fields. Raises ChainError where the arguments do not fit."""
        spec = self._function(function)
        try:
            return spec.selector + encode(spec.inputs, arguments)
        except (EncodingError, TypeError, ValueError) as error:
            raise ChainError(f"{self.name}.{function} expects {', '.join(spec.inputs)}: {error}") from error

    def decode(self, function: str, data: bytes) -> Any:
        """The returned value, or a tuple of them where there are several (or none)."""
        spec = self._function(function)
        try:
            values = decode(spec.outputs, data)
        except (DecodingError, OverflowError) as error:
            raise ChainError(f"{self.name}.{function} answered {len(data)} bytes that are not {', '.join(spec.outputs)}") from error
        return values[0] if len(values) == 1 else values

    def _function(self, name: str) -> _Function:
        try:
            return self._functions[name]
        except KeyError:
            raise DeploymentError(f"{self.name} at {self.address} has no function {name} in its ABI") from None


def _types(parameters: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(collapse_if_tuple(dict(parameter)) for parameter in parameters)


def _selector(item: Mapping[str, Any]) -> bytes:
    return keccak(text=abi_to_signature(dict(item)))[:4]  # type: ignore[arg-type]


def _event(item: Mapping[str, Any]) -> EventSpec:
    signature = f"{item['name']}({','.join(_types(item['inputs']))})"
    fields = [(str(p["name"]), collapse_if_tuple(dict(p)), bool(p["indexed"])) for p in item["inputs"]]
    return EventSpec(
        name=str(item["name"]),
        topic=bytes(Web3.keccak(text=signature)),
        indexed=tuple((name, kind) for name, kind, indexed in fields if indexed),
        data=tuple((name, kind) for name, kind, indexed in fields if not indexed),
    )
