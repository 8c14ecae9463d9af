"""A thin way to a local node: transactions of its unlocked accounts, and reverts as the contract's own error.

Deployment, seeding and the demo send hundreds of transactions; without gas estimates and local signatures each takes one or two requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import requests
from eth_abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError
from web3.types import RPCEndpoint

__all__ = ["Chain", "TransactionFailedError", "http_provider"]

GAS = 15_000_000  # per transaction; no entry point may need more
DEPLOYMENT_GAS = 29_000_000
GAS_PRICE = 10**9  # above Anvil's base fee of at most a few wei
TIMEOUT_S = 120
RECEIPT_POLL_S = 0.002

_COMPILER_ERRORS = {"08c379a0": ("Error", ["string"]), "4e487b71": ("Panic", ["uint256"])}


class TransactionFailedError(RuntimeError):
    """The node refused a transaction or it reverted; the message names call, sender and the contract's error with its numbers."""


def http_provider(url: str, timeout: float, session: requests.Session | None = None) -> HTTPProvider:
    """A provider that asks for the chain's id once; web3's validation asks before every call."""
    return HTTPProvider(
        url,
        request_kwargs={"timeout": timeout},
        session=session,
        exception_retry_configuration=None,
        cache_allowed_requests=True,
        cacheable_requests={RPCEndpoint("eth_chainId")},
    )


class Chain:
    """One node. `send` and `deploy` wait for the receipt.

    Errors: TransactionFailedError. Addresses are checksummed text, amounts integers in the contracts' units.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self.web3 = Web3(http_provider(url, TIMEOUT_S, self._session))
        self._errors: dict[str, tuple[str, list[str]]] = dict(_COMPILER_ERRORS)

    @property
    def chain_id(self) -> int:
        return int(self.web3.eth.chain_id)

    def contract(self, address: str, abi: list[dict[str, Any]]) -> Contract:
        """The contract at `address`; its custom errors are known to `send` from now on."""
        self.learn_errors(abi)
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)

    def learn_errors(self, abi: Iterable[Mapping[str, Any]]) -> None:
        for item in abi:
            if item["type"] == "error":
                types = [collapse_if_tuple(argument) for argument in item["inputs"]]
                self._errors[keccak(text=f"{item['name']}({','.join(types)})")[:4].hex()] = (item["name"], types)

    def rpc(self, method: str, *params: Any) -> Any:
        """JSON-RPC `result`; raises TransactionFailedError with the node's message."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._session.post(self.url, json=body, timeout=TIMEOUT_S).json()
        if "error" in answer:
            raise TransactionFailedError(f"{method}: {self._explain(answer['error'])}")
        return answer["result"]

    def rpc_batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results of several JSON-RPC requests sent as one, in their order; raises TransactionFailedError at the first error."""
        if not requests:
            return []
        body = [{"jsonrpc": "2.0", "id": i, "method": method, "params": params} for i, (method, params) in enumerate(requests)]
        answers = sorted(self._session.post(self.url, json=body, timeout=TIMEOUT_S).json(), key=lambda answer: answer["id"])
        for (method, _), answer in zip(requests, answers, strict=True):
            if "error" in answer:
                raise TransactionFailedError(f"{method}: {self._explain(answer['error'])}")
        return [answer["result"] for answer in answers]

    def send(self, call: ContractFunction, sender: str, *, gas: int = GAS) -> dict[str, Any]:
        """Sends a contract call from an unlocked account; its receipt (JSON as the node gives it)."""
        transaction = {
            "from": sender,
            "to": call.address,
            "data": call._encode_transaction_data(),  # noqa: SLF001 - the public way fills in defaults with four requests
            "gas": hex(gas),
            "gasPrice": hex(GAS_PRICE),
        }
        return self._receipt(transaction, call.fn_name)

    def deploy(self, abi: list[dict[str, Any]], bytecode: str, arguments: tuple[Any, ...], sender: str) -> tuple[Contract, int]:
        """Deploys creation code; the contract and the block it is in."""
        self.learn_errors(abi)
        data = self.web3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments).data_in_transaction
        transaction = {"from": sender, "data": data, "gas": hex(DEPLOYMENT_GAS), "gasPrice": hex(GAS_PRICE)}
        receipt = self._receipt(transaction, "constructor")
        return self.contract(receipt["contractAddress"], abi), int(receipt["blockNumber"], 16)

    def explain(self, error: ContractLogicError) -> str:
        """A failed web3 call as the contract's error with its numbers."""
        data = error.data
        return self._decoded(data) if isinstance(data, str) else str(error)

    def _receipt(self, transaction: dict[str, Any], name: str) -> dict[str, Any]:
        try:
            receipt = self._mined(self.rpc("eth_sendTransaction", transaction))
            if int(receipt["status"], 16) == 1:
                return receipt
            # The receipt has no reason: the same call on the block before gives it.
            self.rpc("eth_call", transaction, hex(int(receipt["blockNumber"], 16) - 1))
        except TransactionFailedError as error:
            raise TransactionFailedError(f"{name} from {transaction['from']}: {error}") from None
        raise TransactionFailedError(
            f"{name} from {transaction['from']}: reverted in block {receipt['blockNumber']}, not on the one before"
        )

    def _mined(self, transaction: str) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", transaction)
            if receipt is not None:
                return receipt
            time.sleep(RECEIPT_POLL_S)
        raise TransactionFailedError(f"not mined within {TIMEOUT_S} s: {transaction}")

    def _explain(self, error: Mapping[str, Any]) -> str:
        data = error.get("data")
        return self._decoded(data) if isinstance(data, str) and data.startswith("0x") else str(error.get("message", json.dumps(error)))

    def _decoded(self, data: str) -> str:
        selector = data[2:10]
        if selector not in self._errors:
            return f"revert {data[:74] or 'without data'}"
        name, types = self._errors[selector]
        return f"{name}({', '.join(map(str, decode(types, bytes.fromhex(data[10:]))))})"
