"""A node over HTTP: JSON-RPC on kept-alive connections, nothing between the keeper and the node's answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from web3 import Web3

from keeper.chain.contract import Errors
from keeper.chain.port import Block, Fees, Log, Receipt
from keeper.errors import ChainError, UnreachableError

__all__ = ["NodeClient"]

# Codes with which nodes report "execution reverted": geth and Anvil use 3, older ones the generic server error.
_REVERTED = 3
_CONNECTIONS = 8
_HEADERS = {"Content-Type": "application/json"}


class NodeClient:
    """ChainPort over one HTTP endpoint; safe between threads. errors: the custom errors that reverts are explained with."""

    def __init__(self, url: str, errors: Errors, timeout: float = 10.0) -> None:
        self._url = url
        parts = urlsplit(url)
        self._hidden = parts.path + (f"?{parts.query}" if parts.query else "")
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS, timeout=urllib3.Timeout(timeout), retries=False)
        self._errors = errors
        self._numbers = itertools.count(1)

    def chain_id(self) -> int:
        return int(self._request("eth_chainId"), 16)

    def head(self) -> Block:
        answer = self._request("eth_getBlockByNumber", "latest", False)
        if answer is None:
            raise ChainError("the node has no latest block")
        return _block(answer)

    def block(self, number: int) -> Block | None:
        answer = self._request("eth_getBlockByNumber", hex(number), False)
        return None if answer is None else _block(answer)

    def blocks(self, first: int, last: int) -> list[Block]:
        wanted = range(first, last + 1)
        answers = self._batch([("eth_getBlockByNumber", [hex(number), False]) for number in wanted])
        if any(answer is None for answer in answers):
            missing = next(number for number, answer in zip(wanted, answers, strict=True) if answer is None)
            raise ChainError(f"the node does not know block {missing} that it announced")
        return [_block(answer) for answer in answers]

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        return self._logs({"address": list(addresses), "fromBlock": hex(first), "toBlock": hex(last)})

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        return self._logs({"address": list(addresses), "blockHash": block_hash})

    def logs_by_receipts(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        wanted = set(addresses)
        receipts = self._request("eth_getBlockReceipts", block_hash) or []
        found = [_log(entry) for receipt in receipts for entry in receipt["logs"]]
        return sorted((log for log in found if log.address in wanted), key=lambda log: (log.block, log.index))

    def code(self, address: str) -> bytes:
        return _bytes(self._request("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        return int(self._request("eth_getBalance", address, "latest"), 16)

    def transaction_count(self, address: str, *, pending: bool = False) -> int:
        return int(self._request("eth_getTransactionCount", address, "pending" if pending else "latest"), 16)

    def fees(self) -> Fees:
        head, priority = self._batch([("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])])
        return Fees(int(head.get("baseFeePerGas", "0x0"), 16), int(priority, 16))

    def call(self, to: str, data: bytes, *, sender: str | None = None, gas: int | None = None, block: int | None = None) -> bytes:
        request = {"to": to, "data": Web3.to_hex(data)}
        if sender is not None:
            request["from"] = sender
        if gas is not None:
            request["gas"] = hex(gas)
        return _bytes(self._request("eth_call", request, "latest" if block is None else hex(block)))

    def estimate_gas(self, to: str, data: bytes, sender: str) -> int:
        return int(self._request("eth_estimateGas", {"to": to, "data": Web3.to_hex(data), "from": sender}, "latest"), 16)

    def send(self, raw: bytes) -> str:
        return str(self._request("eth_sendRawTransaction", Web3.to_hex(raw)))

    def receipt(self, transaction: str) -> Receipt | None:
        answer = self._request("eth_getTransactionReceipt", transaction)
        if answer is None or answer.get("blockNumber") is None:
            return None
        return Receipt(
            transaction=transaction,
            block=int(answer["blockNumber"], 16),
            succeeded=int(answer["status"], 16) == 1,
            gas_used=int(answer["gasUsed"], 16),
            logs=tuple(_log(entry) for entry in answer["logs"]),
            gas_price=int(answer.get("effectiveGasPrice") or "0x0", 16),
        )

    def _logs(self, query: dict[str, Any]) -> list[Log]:
        found = [_log(entry) for entry in self._request("eth_getLogs", query) if not entry.get("removed")]
        return sorted(found, key=lambda log: (log.block, log.index))

    def _request(self, method: str, *parameters: Any) -> Any:
        answer = self._post(method, {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": parameters})
        return self._result(method, answer)

    def _batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results in the order of the requests."""
        body = [{"jsonrpc": "2.0", "id": at, "method": method, "params": parameters} for at, (method, parameters) in enumerate(requests)]
        answers = self._post(requests[0][0], body)
        if not isinstance(answers, list):  # a node that takes no batches answers with one error
            return [self._request(method, *parameters) for method, parameters in requests]
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        try:
            return [self._result(method, by_id[at]) for at, (method, _) in enumerate(requests)]
        except KeyError as error:
            raise UnreachableError(f"{requests[0][0]}: the answer to request {error} of a batch is missing") from None

    def _post(self, method: str, body: Any) -> Any:
        try:
            answer = self._pool.request("POST", self._url, body=json.dumps(body).encode(), headers=_HEADERS)
            return json.loads(answer.data)
        except (HTTPError, OSError, ValueError) as error:
            # The libraries quote the path, in which providers put the key: messages go to logs, alerts and the API.
            reason = str(error).replace(self._hidden, "/...") if len(self._hidden) > 1 else str(error)
            raise UnreachableError(f"{method}: no usable answer from the node ({type(error).__name__}: {reason})") from error

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, dict):
            raise UnreachableError(f"{method}: no usable answer from the node: expected an object, got {type(answer).__name__}")
        failure: Any = answer.get("error")
        if failure is not None:
            if isinstance(failure, dict):
                reason = failure.get("data")
                reverted = failure.get("code") == _REVERTED or "revert" in str(failure.get("message", "")).lower()
                if reverted:
                    raise self._errors.explain(_bytes(reason) if isinstance(reason, str) and reason.startswith("0x") else b"")
                raise ChainError(f"{method}: the node answered {failure.get('message', failure)} (code {failure.get('code')})")
            raise ChainError(f"{method}: the node answered {failure}")
        return answer.get("result")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _block(answer: Any) -> Block:
    bloom = answer.get("logsBloom")
    return Block(
        number=int(answer["number"], 16),
        hash=str(answer["hash"]),
        parent=str(answer["parentHash"]),
        time=int(answer["timestamp"], 16),
        bloom=None if bloom is None else int(bloom, 16),
    )


def _log(answer: Any) -> Log:
    return Log(
        block=int(answer["blockNumber"], 16),
        block_hash=str(answer["blockHash"]),
        transaction=str(answer["transactionHash"]),
        index=int(answer["logIndex"], 16),
        address=_checksummed(answer["address"]),
        topics=tuple(_bytes(topic) for topic in answer["topics"]),
        data=_bytes(answer["data"]),
    )


@lru_cache(maxsize=4_096)
def _checksummed(address: str) -> str:
    return str(Web3.to_checksum_address(address))
