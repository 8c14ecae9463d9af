"""A node over HTTP: web3's provider carries the requests, nothing of web3's middleware is in the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from keeper.chain.contract import Errors
from keeper.chain.port import Block, Fees, Log, Receipt
from keeper.errors import ChainError, UnreachableError

__all__ = ["NodeClient"]

# Codes with which nodes report "execution reverted": geth and Anvil use 3, older ones the generic server error.
_REVERTED = 3


class NodeClient:
    """ChainPort over one HTTP endpoint. errors: the custom errors that reverts are explained with."""

    def __init__(self, url: str, errors: Errors, timeout: float = 10.0) -> None:
        self._provider = HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self._errors = errors

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

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        return self._logs({"address": list(addresses), "fromBlock": hex(first), "toBlock": hex(last)})

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        return self._logs({"address": list(addresses), "blockHash": block_hash})

    def code(self, address: str) -> bytes:
        return _bytes(self._request("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        return int(self._request("eth_getBalance", address, "latest"), 16)

    def transaction_count(self, address: str, *, pending: bool = False) -> int:
        return int(self._request("eth_getTransactionCount", address, "pending" if pending else "latest"), 16)

    def fees(self) -> Fees:
        head = self._request("eth_getBlockByNumber", "latest", False)
        base_fee = int(head.get("baseFeePerGas", "0x0"), 16)
        return Fees(base_fee, int(self._request("eth_maxPriorityFeePerGas"), 16))

    def call(self, to: str, data: bytes, *, sender: str | None = None, gas: int | None = None) -> bytes:
        request = {"to": to, "data": Web3.to_hex(data)}
        if sender is not None:
            request["from"] = sender
        if gas is not None:
            request["gas"] = hex(gas)
        return _bytes(self._request("eth_call", request, "latest"))

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
        )

    def _logs(self, query: dict[str, Any]) -> list[Log]:
        found = [_log(entry) for entry in self._request("eth_getLogs", query) if not entry.get("removed")]
        return sorted(found, key=lambda log: (log.block, log.index))

    def _request(self, method: str, *parameters: Any) -> Any:
        try:
            answer = self._provider.make_request(RPCEndpoint(method), parameters)
        except (RequestException, Web3Exception, ValueError) as error:
            raise UnreachableError(f"{method}: no usable answer from the node ({type(error).__name__}: {error})") from error
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
    return Block(int(answer["number"], 16), str(answer["hash"]), str(answer["parentHash"]), int(answer["timestamp"], 16))


def _log(answer: Any) -> Log:
    return Log(
        block=int(answer["blockNumber"], 16),
        block_hash=str(answer["blockHash"]),
        transaction=str(answer["transactionHash"]),
        index=int(answer["logIndex"], 16),
        address=str(Web3.to_checksum_address(answer["address"])),
        topics=tuple(_bytes(topic) for topic in answer["topics"]),
        data=_bytes(answer["data"]),
    )
