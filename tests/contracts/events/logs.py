"""Logs as the node has them, decoded by the ABIs of the deployment and by nothing of the keeper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from scripts.anvil import Anvil
from scripts.artifacts import load
from scripts.deploy import Deployment

__all__ = ["Log", "contracts_of", "event_names", "read_logs"]


@dataclass(frozen=True, slots=True)
class Log:
    """One event. `args` by the ABI's names: addresses in lower case, structs as tuples."""

    contract: str
    name: str
    args: Mapping[str, Any]
    emitter: str
    block: int
    time: int
    transaction: str

    @property
    def kind(self) -> str:
        return f"{self.contract}.{self.name}"

    def __getitem__(self, argument: str) -> Any:
        return self.args[argument]


def contracts_of(deployment: Deployment) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Lower-case address -> (name, ABI) of everything deployed; the tokens are `Token`."""
    found = {str(entry["address"]).lower(): (name, list(entry["abi"])) for name, entry in deployment.contracts.items()}
    return found | {str(token["address"]).lower(): ("Token", load("TokenMock").abi) for token in deployment.tokens.values()}


def event_names(contracts: Mapping[str, tuple[str, list[dict[str, Any]]]]) -> set[str]:
    """Every kind of event that the contracts can emit, `Contract.Event`."""
    return {f"{name}.{item['name']}" for name, abi in contracts.values() for item in abi if item["type"] == "event"}


def read_logs(anvil: Anvil, contracts: Mapping[str, tuple[str, list[dict[str, Any]]]]) -> list[Log]:
    """Every log of the contracts since the first block, in order. A log that no ABI explains raises KeyError."""
    events = {
        (address, "0x" + keccak(text=f"{item['name']}({','.join(map(collapse_if_tuple, item['inputs']))})").hex()): (name, item)
        for address, (name, abi) in contracts.items()
        for item in abi
        if item["type"] == "event"
    }
    raw = anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": list(contracts)})
    times = {number: _time(anvil, number) for number in {log["blockNumber"] for log in raw}}
    return [
        Log(
            contract=name,
            name=event["name"],
            args=_arguments(event["inputs"], log["topics"][1:], log["data"]),
            emitter=log["address"].lower(),
            block=int(log["blockNumber"], 16),
            time=times[log["blockNumber"]],
            transaction=log["transactionHash"],
        )
        for log in raw
        for name, event in [events[log["address"].lower(), log["topics"][0]]]
    ]


def _time(anvil: Anvil, number: str) -> int:
    return int(anvil.rpc("eth_getBlockByNumber", number, False)["timestamp"], 16)


def _arguments(inputs: Iterable[Mapping[str, Any]], topics: list[str], data: str) -> dict[str, Any]:
    inputs = list(inputs)
    plain = [i for i in inputs if not i["indexed"]]
    rest = iter(decode([collapse_if_tuple(i) for i in plain], bytes.fromhex(data[2:])))
    indexed = iter(topics)
    return {i["name"]: decode([collapse_if_tuple(i)], bytes.fromhex(next(indexed)[2:]))[0] if i["indexed"] else next(rest) for i in inputs}
