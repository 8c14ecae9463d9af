"""Logs to events; the deployment's ABI drives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from keeper.chain.contract import EventSpec
from keeper.chain.deployment import Deployment
from keeper.chain.events import clearing, governance, ledger, oracle, waterfall
from keeper.chain.events.event import Event
from keeper.chain.port import Log
from keeper.errors import DeploymentError, EventError

__all__ = ["EVENTS", "Decoder"]

EVENTS: dict[str, type[Event]] = {
    name: getattr(room, name) for room in (ledger, oracle, governance, clearing, waterfall) for name in room.__all__
}
"""Every event the keeper decodes, by its Solidity name. What is absent here is ignored (wiring, token transfers, roles)."""

# `index` of an event is its place in the block; `from` is a keyword.
_RENAMED = {"index": "token_index", "from": "sender"}


class Decoder:
    """Logs to events, by the ABIs of a deployment.

    Raises DeploymentError at construction where an ABI lacks an event or its parameters differ from the class here: a
    keeper that does not understand an event must not start.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._specs: dict[tuple[str, bytes], tuple[type[Event], EventSpec, tuple[str, ...], tuple[str, ...]]] = {}
        addresses: list[str] = []
        for name, kind in EVENTS.items():
            contract = deployment.contract(kind.contract)
            spec = contract.events.get(name)
            if spec is None:
                raise DeploymentError(f"{contract.name}'s ABI is expected to declare the event {name}")
            indexed = tuple(_field(parameter) for parameter, _ in spec.indexed)
            data = tuple(_field(parameter) for parameter, _ in spec.data)
            expected = {field.name for field in fields(kind)} - {"block", "index", "transaction"}
            if {*indexed, *data} != expected:
                raise DeploymentError(f"event {name}: expected the parameters {sorted(expected)}, the ABI has {sorted({*indexed, *data})}")
            self._specs[contract.address, spec.topic] = (kind, spec, indexed, data)
            if contract.address not in addresses:
                addresses.append(contract.address)
        self.addresses = tuple(addresses)

    def decode(self, log: Log) -> Event | None:
        """None for an event that the keeper has no use for. Raises EventError for a log that contradicts the ABI."""
        if not log.topics or (found := self._specs.get((log.address, log.topics[0]))) is None:
            return None
        kind, spec, indexed, data = found
        try:
            values: dict[str, Any] = {
                field: decode((parameter,), topic)[0]
                for field, (_, parameter), topic in zip(indexed, spec.indexed, log.topics[1:], strict=True)
            }
            values.update(zip(data, decode([parameter for _, parameter in spec.data], log.data), strict=True))
        except (DecodingError, OverflowError, ValueError) as error:
            raise EventError(f"{spec.name} in transaction {log.transaction}: the log does not decode: {error}") from error
        for field, parameter in (*zip(indexed, spec.indexed, strict=True), *zip(data, spec.data, strict=True)):
            if parameter[1] == "address":
                values[field] = _checksummed(values[field])
            elif parameter[1] == "address[]":
                values[field] = tuple(_checksummed(address) for address in values[field])
        return kind(block=log.block, index=log.index, transaction=log.transaction, **values)

    def decode_all(self, logs: Iterable[Log]) -> list[Event]:
        return [event for log in logs if (event := self.decode(log)) is not None]


def _field(parameter: str) -> str:
    return _RENAMED.get(parameter, re.sub(r"(?<!^)([A-Z])", r"_\1", parameter).lower())


_checksummed: Callable[[str], str] = lru_cache(maxsize=4096)(lambda address: str(Web3.to_checksum_address(address)))
