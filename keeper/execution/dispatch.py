"""Several signers, one serial queue each: whoever has the least in flight sends next."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.errors import ExecutionError
from keeper.execution.calls import Call
from keeper.execution.journal import Entry, Journal
from keeper.execution.transactions import TransactionManager

__all__ = ["Dispatch"]


class Dispatch:
    """managers: one per signer, over one journal; limit: nonces that one signer may have in flight."""

    def __init__(self, managers: Sequence[TransactionManager], journal: Journal, limit: int) -> None:
        if not managers:
            raise ExecutionError("expected at least one signer")
        self.managers = tuple(managers)
        self._journal = journal
        self._limit = limit

    def recover(self) -> list[Entry]:
        """Raises ChainError."""
        return [entry for manager in self.managers for entry in manager.recover()]

    def poll(self) -> list[Entry]:
        """Raises ChainError."""
        return [entry for manager in self.managers for entry in manager.poll()]

    def roll_back(self, block: int) -> list[Entry]:
        return [entry for manager in self.managers for entry in manager.roll_back(block)]

    def submit(self, call: Call, correlation: str, gas: int, detected_at: float) -> Entry:
        """By the signer with the least in flight. Raises as TransactionManager.submit, ExecutionError where all are at their limit."""
        ready = [manager for manager in self.managers if manager.in_flight < self._limit and manager.may_send()]
        if not ready:
            raise ExecutionError(f"{call.purpose}: every signer has {self._limit} transactions in flight, or waits for unknown ones")
        return min(ready, key=lambda manager: manager.in_flight).submit(call, correlation, gas, detected_at)

    @property
    def has_room(self) -> bool:
        """Whether anybody may send now. Raises ChainError."""
        return any(manager.in_flight < self._limit and manager.may_send() for manager in self.managers)

    @property
    def gas_in_flight(self) -> int:
        """Gas limits of what is under way, whoever sent it."""
        return self._journal.gas_in_flight()

    @property
    def busy_accounts(self) -> frozenset[int]:
        """Accounts that an open transaction concerns, whoever sent it."""
        return self._journal.busy_accounts()

    def is_open(self, purpose: str) -> bool:
        """Whether a transaction of this purpose is under way."""
        return purpose in self._journal.open_purposes()

    def counts(self) -> dict[str, int]:
        """Attempts by status."""
        return self._journal.counts()
