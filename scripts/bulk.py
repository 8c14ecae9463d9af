"""Many transactions in one block of a local node whose accounts are unlocked and that mines when told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.chain import Chain, TransactionFailedError

__all__ = ["Bulk"]

GAS_PRICE = 10**9
_BATCH = 500  # requests


class Bulk:
    """Transactions that wait for the next block; what they used is added up. Nobody else may send from the same accounts."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.transactions = 0
        self.gas = 0
        self._waiting: list[tuple[str, Sequence[Any]]] = []
        self._nonces: dict[str, int] = {}

    def add(self, call: Any, sender: str, gas: int, price: int = GAS_PRICE) -> None:
        """price: wei per gas; what pays more comes first in the block."""
        if sender not in self._nonces:
            self._nonces[sender] = int(self.chain.rpc("eth_getTransactionCount", sender, "latest"), 16)
        nonce, self._nonces[sender] = self._nonces[sender], self._nonces[sender] + 1
        data = call._encode_transaction_data()  # noqa: SLF001 - the public way asks the node four times
        body = {"from": sender, "to": call.address, "data": data, "gas": hex(gas), "gasPrice": hex(price), "nonce": hex(nonce)}
        self._waiting.append(("eth_sendTransaction", [body]))

    def mine(self) -> list[dict[str, Any]]:
        """Everything added, in one block; the receipts in the order of adding. Raises TransactionFailedError where one was not mined
        or reverted, with the reason."""
        calls, receipts = self._block()
        failed = next((body for (_, (body,)), receipt in zip(calls, receipts, strict=True) if not _succeeded(receipt)), None)
        if failed is not None:
            raise TransactionFailedError(f"one of {len(calls)} transactions of a block failed: {self.reason(failed, receipts)}")
        return receipts

    def try_all(self) -> list[tuple[dict[str, Any], str | None]]:
        """The same, for calls that may lose a race: (receipt, why it reverted or None) in the order of adding."""
        calls, receipts = self._block()
        return [
            (receipt, None if _succeeded(receipt) else self.reason(body, receipts))
            for (_, (body,)), receipt in zip(calls, receipts, strict=True)
        ]

    def _block(self) -> tuple[list[tuple[str, Sequence[Any]]], list[Any]]:
        calls, self._waiting = self._waiting, []
        hashes: list[str] = []
        for start in range(0, len(calls), _BATCH):
            hashes += self.chain.rpc_batch(calls[start : start + _BATCH])
        self.chain.rpc("evm_mine")
        receipts: list[Any] = []
        for start in range(0, len(hashes), _BATCH):
            receipts += self.chain.rpc_batch([("eth_getTransactionReceipt", [found]) for found in hashes[start : start + _BATCH]])
        mined = [receipt for receipt in receipts if receipt is not None]
        self.transactions += len(mined)
        self.gas += sum(int(receipt["gasUsed"], 16) for receipt in mined)
        return calls, receipts

    def reason(self, body: dict[str, Any], receipts: Sequence[dict[str, Any] | None]) -> str:
        """Why a call of the last block failed, as the block before it tells."""
        last = next((int(receipt["blockNumber"], 16) for receipt in receipts if receipt is not None), None)
        if last is None:
            return "it was not mined"
        try:
            self.chain.rpc("eth_call", {name: value for name, value in body.items() if name != "nonce"}, hex(last - 1))
        except TransactionFailedError as error:
            return str(error)
        return "for no reason that the state before the block gives"


def _succeeded(receipt: dict[str, Any] | None) -> bool:
    return receipt is not None and int(receipt["status"], 16) == 1
