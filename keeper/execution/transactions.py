"""One signer's transactions, in nonce order: written down, signed, sent, watched, replaced when nobody includes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from keeper.chain import ChainPort
from keeper.errors import ChainError, ExecutionError, UnreachableError
from keeper.execution.calls import Call
from keeper.execution.journal import Entry, Journal, Status
from keeper.execution.signer import Signer

__all__ = ["FeePolicy", "TransactionManager"]

_GWEI = 10**9
_RECEIPT_SECONDS = 3.0
"""How long a receipt may be missing although its nonce is used."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """max_fee, priority_fee: wei per gas; bump: raise per replacement; bump_after: seconds without inclusion."""

    max_fee: int
    priority_fee: int
    bump: float
    bump_after: float

    @classmethod
    def of_gwei(cls, max_fee: float, priority_fee: float, bump: float, bump_after: float) -> FeePolicy:
        return cls(int(max_fee * _GWEI), int(priority_fee * _GWEI), bump, bump_after)


class TransactionManager:
    """The only sender of its key: nonces are its own count, checked against the chain's at start and after every surprise.

    Not for several threads. clock: unix seconds.
    """

    def __init__(
        self, port: ChainPort, signer: Signer, journal: Journal, policy: FeePolicy, chain_id: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._port = port
        self._signer = signer
        self._journal = journal
        self._policy = policy
        self._chain_id = chain_id
        self._clock = clock
        self._next_nonce: int | None = None

    def recover(self) -> list[Entry]:
        """Reconciles the journal with the chain; what was settled meanwhile. Nothing is sent again: what the node lost is
        decided anew from present prices. Raises ChainError."""
        settled = self.poll(replace=False)
        pending = self._port.transaction_count(self._signer.address, pending=True)
        for entry in self._journal.open_entries():
            if entry.nonce >= pending:
                settled.append(self._journal.settle(entry, Status.DROPPED, self._clock(), note="the node did not know it after a restart"))
        self._next_nonce = pending
        return settled

    @property
    def next_nonce(self) -> int | None:
        """None before the first transaction."""
        return self._next_nonce

    def counts(self) -> dict[str, int]:
        """Attempts by status."""
        return self._journal.counts()

    @property
    def busy_accounts(self) -> frozenset[int]:
        """Accounts that an open transaction concerns."""
        return frozenset(entry.account for entry in self._journal.open_entries() if entry.account is not None)

    def open_with(self, purpose: str) -> list[Entry]:
        return [entry for entry in self._journal.open_entries() if entry.purpose == purpose]

    def submit(self, call: Call, correlation: str, gas: int, detected_at: float) -> Entry:
        """Sends a call with the next nonce. Raises ExecutionError where the node refuses it; where it cannot be reached the
        transaction counts as open, since it may have arrived."""
        if self._next_nonce is None or not self._journal.open_entries():
            # With nothing in flight the chain's count is the truth, also after a reorganisation or another user of the key.
            self._next_nonce = self._port.transaction_count(self._signer.address, pending=True)
        fees = self._fees()
        try:
            entry = self._send(call, correlation, self._next_nonce, gas, fees, detected_at)
        except _WrongNonceError:
            self._next_nonce = self._port.transaction_count(self._signer.address, pending=True)
            try:
                entry = self._send(call, correlation, self._next_nonce, gas, fees, detected_at)
            except _WrongNonceError as error:
                raise ExecutionError(f"{call.purpose}: the node refuses nonce {self._next_nonce}: {error}") from error
        self._next_nonce += 1
        return entry

    def poll(self, *, replace: bool = True) -> list[Entry]:
        """Looks for receipts of open transactions; those that ended. replace: outbid what waits too long. Raises ChainError."""
        by_nonce: dict[int, list[Entry]] = {}
        for entry in self._journal.open_entries():
            by_nonce.setdefault(entry.nonce, []).append(entry)
        settled = []
        for nonce, attempts in by_nonce.items():
            if (ended := self._included(attempts)) is not None:
                settled.append(ended)
                continue
            newest = attempts[0]
            waited = self._clock() - (newest.sent_at or newest.prepared_at)
            # Nodes count a transaction a moment before they have its receipt: not every missing receipt is a loss.
            if waited > _RECEIPT_SECONDS and self._port.transaction_count(self._signer.address) > nonce:
                note = "its nonce was used by a transaction that the journal does not know"
                settled += [self._journal.settle(entry, Status.DROPPED, self._clock(), note=note) for entry in attempts]
                continue
            if replace and waited > self._policy.bump_after:
                self._replace(newest)
        return settled

    def roll_back(self, block: int) -> list[Entry]:
        """Blocks above `block` are no more: transactions in them are open again."""
        self._next_nonce = None
        return self._journal.reopen_above(block)

    def _included(self, attempts: list[Entry]) -> Entry | None:
        for entry in attempts:
            receipt = self._port.receipt(entry.hash)
            if receipt is not None:
                status = Status.INCLUDED if receipt.succeeded else Status.FAILED
                return self._journal.settle(entry, status, self._clock(), receipt.block, receipt.gas_used)
        return None

    def _fees(self) -> tuple[int, int]:
        """(max fee, priority fee): twice the base fee bears six full blocks in a row."""
        now = self._port.fees()
        priority = min(max(self._policy.priority_fee, now.priority_fee), self._policy.max_fee)
        return min(2 * now.base_fee + priority, self._policy.max_fee), priority

    def _replace(self, entry: Entry) -> None:
        """The same call with the same nonce for more. At the highest allowed fee the attempt is only broadcast again."""
        asked, tip = self._fees()
        raised = max(asked, int(entry.max_fee * (1.0 + self._policy.bump)) + 1)
        raised_tip = max(tip, int(entry.priority_fee * (1.0 + self._policy.bump)) + 1)
        if raised > self._policy.max_fee:
            with suppress(ChainError):  # known already, or refused as before: the receipts will tell
                self._port.send(entry.raw)
            self._journal.sent(entry, self._clock())
            return
        try:
            self._send(entry.call, entry.correlation, entry.nonce, entry.gas, (raised, min(raised_tip, raised)), entry.detected_at)
        except ExecutionError:
            # Included meanwhile (the next poll finds the receipt), or not wanted at this price: wait as long again.
            self._journal.sent(entry, self._clock())

    def _send(self, call: Call, correlation: str, nonce: int, gas: int, fees: tuple[int, int], detected_at: float) -> Entry:
        fields = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": call.to,
            "data": call.data,
            "value": 0,
            "gas": gas,
            "maxFeePerGas": fees[0],
            "maxPriorityFeePerGas": fees[1],
        }
        signed = self._signer.sign_transaction(fields)
        entry = self._journal.prepare(call, correlation, nonce, signed, gas, fees, detected_at, self._clock())
        try:
            self._port.send(entry.raw)
        except UnreachableError:
            return entry  # it may have arrived: open until the chain tells
        except ChainError as error:
            message = str(error).lower()
            if "already known" in message or "already imported" in message:
                return self._journal.sent(entry, self._clock())
            self._journal.settle(entry, Status.DROPPED, self._clock(), note=str(error)[:300])
            if "nonce" in message or "underpriced" in message:
                raise _WrongNonceError(str(error)) from error
            raise ExecutionError(f"{call.purpose}: the node refused the transaction: {error}") from error
        return self._journal.sent(entry, self._clock())


class _WrongNonceError(ExecutionError):
    """The node expects another nonce, or holds another transaction with this one."""
