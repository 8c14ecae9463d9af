"""Logs of the chain as records: which contract said what, where. Knows only ABIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from scripts.chain import Chain
from scripts.deploy import Deployment

__all__ = ["EventDecoder", "EventReader", "Record"]

Record = dict[str, Any]
"""{"block", "index", "transaction", "contract", "event", "args": {name: value}}; addresses and bytes as 0x text, integers as they are."""


TRANSFER = {
    "type": "event",
    "name": "Transfer",
    "anonymous": False,
    "inputs": [
        {"name": "from", "type": "address", "indexed": True},
        {"name": "to", "type": "address", "indexed": True},
        {"name": "value", "type": "uint256", "indexed": False},
    ],
}


class EventDecoder:
    """Logs of a deployment's contracts and the transfers of its tokens as records. Takes what the node gives, asks for nothing."""

    def __init__(self, deployment: Deployment) -> None:
        self._known: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
        for name, entry in deployment.contracts.items():
            for item in entry["abi"]:
                if item["type"] == "event" and not item["anonymous"]:
                    self._known[entry["address"].lower(), _topic(item)] = (name, item)
        for symbol, token in deployment.tokens.items():
            self._known[token["address"].lower(), _topic(TRANSFER)] = (symbol, TRANSFER)

    @property
    def addresses(self) -> list[str]:
        """All that is listened to."""
        return sorted({address for address, _ in self._known})

    def records(self, logs: Iterable[Mapping[str, Any]]) -> list[Record]:
        """In the order of the logs; what no ABI knows is left out."""
        return [record for log in logs if (record := self._record(log)) is not None]

    def _record(self, log: Mapping[str, Any]) -> Record | None:
        found = self._known.get((log["address"].lower(), log["topics"][0]))
        if found is None:
            return None
        contract, event = found
        inputs = event["inputs"]
        indexed = [item for item in inputs if item["indexed"]]
        plain = [item for item in inputs if not item["indexed"]]
        values = dict(
            zip(
                (item["name"] for item in plain),
                decode([collapse_if_tuple(item) for item in plain], bytes.fromhex(log["data"][2:])),
                strict=True,
            )
        )
        for item, topic in zip(indexed, log["topics"][1:], strict=True):
            # Dynamic types are indexed by their hash.
            dynamic = item["type"] in ("string", "bytes") or item["type"].endswith("]")
            values[item["name"]] = topic if dynamic else decode([item["type"]], bytes.fromhex(topic[2:]))[0]
        return {
            "block": int(log["blockNumber"], 16),
            "index": int(log["logIndex"], 16),
            "transaction": log["transactionHash"],
            "contract": contract,
            "event": event["name"],
            "args": {item["name"]: _plain(values[item["name"]]) for item in inputs},
        }


class EventReader:
    """Reads the events of a deployment's contracts in block order."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._chain = chain
        self._decoder = EventDecoder(deployment)

    def logs(self, first: int, last: int) -> list[dict[str, Any]]:
        """Logs of blocks first..last inclusive as the node gives them."""
        if first > last:
            return []
        wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._decoder.addresses}
        found: list[dict[str, Any]] = self._chain.rpc("eth_getLogs", wanted)
        return found

    def read(self, first: int, last: int) -> list[Record]:
        """Events of blocks first..last inclusive."""
        return self._decoder.records(self.logs(first, last))


def _topic(item: Mapping[str, Any]) -> str:
    types = ",".join(collapse_if_tuple(argument) for argument in item["inputs"])
    return "0x" + keccak(text=f"{item['name']}({types})").hex()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
