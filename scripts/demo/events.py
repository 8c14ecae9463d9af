"""Logs of the chain as records: which contract said what, where. Knows only ABIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from scripts.chain import Chain
from scripts.deploy import Deployment

__all__ = ["EventReader", "Record"]

Record = dict[str, Any]
"""{"block", "index", "transaction", "contract", "event", "args": {name: value}}; addresses and bytes as 0x text, integers as they are."""


class EventReader:
    """Reads the events of a deployment's contracts in block order."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._chain = chain
        self._known: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
        for name, entry in deployment.contracts.items():
            for item in entry["abi"]:
                if item["type"] == "event" and not item["anonymous"]:
                    types = ",".join(collapse_if_tuple(argument) for argument in item["inputs"])
                    topic = "0x" + keccak(text=f"{item['name']}({types})").hex()
                    self._known[entry["address"].lower(), topic] = (name, item)

    def read(self, first: int, last: int) -> list[Record]:
        """Events of blocks first..last inclusive."""
        if first > last:
            return []
        addresses = sorted({address for address, _ in self._known})
        logs = self._chain.rpc("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last), "address": addresses})
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


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
