"""One signer's transactions, in nonce order: written down, signed, sent, watched, replaced when nobody includes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from keeper.chain import ChainPort, Fees
from keeper.errors import CapError, ChainError, ExecutionError, UnreachableError
from keeper.execution.calls import Call
from keeper.execution.journal import Entry, Journal, Status

__all__ = ["FeePolicy", "TransactionManager", "TransactionSigner"]

_GWEI = 10**9
_DAY = 86_400
_RECEIPT_SECONDS = 3.0
"""How long a receipt may be missing although its nonce is used."""
_FEES_SECONDS = 0.5
_OUTBIDS = 40
"""Raises by which an unknown transaction at our nonce is outbid at most: the highest allowed fee ends it before."""


class TransactionSigner(Protocol):
    """Signs for one address."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, fields: dict[str, object]) -> tuple[str, bytes]:
        """(hash, raw) of an EIP-1559 transaction."""
        ...


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """max_fee, priority_fee: wei per gas; bump: raise per replacement; bump_after: seconds without inclusion; per_transaction,
    per_day: wei that one transaction, and those of a day (UTC), may cost at most, None: no cap."""

    max_fee: int
    priority_fee: int
    bump: float
    bump_after: float
    per_transaction: int | None = None
    per_day: int | None = None

    @classmethod
    def of_gwei(
        cls,
        max_fee: float,
        priority_fee: float,
        bump: float,
        bump_after: float,
        per_transaction: float | None = None,
        per_day: float | None = None,
    ) -> FeePolicy:
        """Fees in gwei per gas; caps in ether."""
        caps = [None if cap is None else int(cap * _GWEI * _GWEI) for cap in (per_transaction, per_day)]
        return cls(int(max_fee * _GWEI), int(priority_fee * _GWEI), bump, bump_after, *caps)


class TransactionManager:
    """The only sender of its key: nonces are its own count, checked against the chain's at start and after every surprise.

    Nonces that somebody unknown has used, or a lost journal knew, are waited for: until they end nothing is sent, since it
    might be sent for the second time. What is stuck there is outbid at last. relay: a second port that broadcasts (a private
    one); the public one gets a transaction only when nobody included it in time.
    Not for several threads. clock: unix seconds.
    """

    def __init__(
        self,
        port: ChainPort,
        signer: TransactionSigner,
        journal: Journal,
        policy: FeePolicy,
        chain_id: int,
        clock: Callable[[], float] = time.time,
        relay: ChainPort | None = None,
    ) -> None:
        self._port = port
        self._signer = signer
        self._journal = journal
        self._policy = policy
        self._chain_id = chain_id
        self._clock = clock
        self._relay = relay
        self._next_nonce: int | None = None
        self._foreign_until = 0
        self._foreign_since: float | None = None
        self._asked_fees: tuple[float, Fees | None] = (0.0, None)

    @property
    def address(self) -> str:
        return self._signer.address

    def recover(self) -> list[Entry]:
        """Reconciles the journal with the chain; what was settled meanwhile. Nothing is sent again: what the node lost is
        decided anew from present prices. Raises ChainError."""
        settled = self.poll(replace=False)
        pending = self._port.transaction_count(self.address, pending=True)
        mined = self._port.transaction_count(self.address)
        known = set()
        for entry in self._journal.open_entries(self.address):
            if entry.nonce >= pending:
                settled.append(self._journal.settle(entry, Status.DROPPED, self._clock(), note="the node did not know it after a restart"))
            else:
                known.add(entry.nonce)
        self._next_nonce = pending
        foreign = [nonce for nonce in range(mined, pending) if nonce not in known]
        self._foreign_until = foreign[-1] + 1 if foreign else 0
        self._foreign_since = self._clock() if foreign else None
        return settled

    @property
    def next_nonce(self) -> int | None:
        """None before the first transaction."""
        return self._next_nonce

    @property
    def in_flight(self) -> int:
        """Nonces in use that are not mined, as far as the journal knows."""
        return self._journal.in_flight(self.address)

    @property
    def spent_today(self) -> int:
        """wei of fees since midnight UTC, open transactions at their highest."""
        now = self._clock()
        return self._journal.spent_since(now - now % _DAY, self.address)

    @property
    def cap_today(self) -> int | None:
        return self._policy.per_day

    def may_send(self) -> bool:
        """False while transactions that the journal does not know are in flight. Raises ChainError."""
        if not self._foreign_until:
            return True
        mined = self._port.transaction_count(self.address)
        if mined >= self._foreign_until:
            self._foreign_until, self._foreign_since = 0, None
            self._next_nonce = None
            return True
        if self._clock() - (self._foreign_since or 0.0) > self._policy.bump_after:
            # Stuck: the next transactions take these nonces, and outbid what is there.
            self._next_nonce, self._foreign_until = mined, 0
            return True
        return False

    def submit(self, call: Call, correlation: str, gas: int, detected_at: float) -> Entry:
        """Sends a call with the next nonce. Raises CapError where it could cost more than is allowed, ExecutionError where the node
        refuses it; where it cannot be reached the transaction counts as open, since it may have arrived."""
        if not self.may_send():
            raise ExecutionError(f"{call.purpose}: transactions of {self.address} that the journal does not know are in flight")
        fees = self._fees()
        self._require_caps(gas, fees[0])
        stuck = self._foreign_since is not None
        if self._next_nonce is None or (not stuck and not self.in_flight):
            # With nothing in flight the chain's count is the truth, also after a reorganisation or another user of the key.
            self._next_nonce = self._port.transaction_count(self.address, pending=True)
        if stuck:
            return self._outbid(call, correlation, gas, fees, detected_at)
        try:
            return self._send(call, correlation, self._next_nonce, gas, fees, detected_at)
        except _WrongNonceError:
            self._next_nonce = self._port.transaction_count(self.address, pending=True)
            try:
                return self._send(call, correlation, self._next_nonce, gas, fees, detected_at)
            except _WrongNonceError as error:
                raise ExecutionError(f"{call.purpose}: the node refuses nonce {self._next_nonce}: {error}") from error

    def poll(self, *, replace: bool = True) -> list[Entry]:
        """Looks for receipts of open transactions; those that ended. replace: outbid what waits too long. Raises ChainError."""
        by_nonce: dict[int, list[Entry]] = {}
        for entry in self._journal.open_entries(self.address):
            by_nonce.setdefault(entry.nonce, []).append(entry)
        settled = []
        for nonce, attempts in by_nonce.items():
            if (ended := self._included(attempts)) is not None:
                settled.append(ended)
                continue
            newest = attempts[0]
            waited = self._clock() - (newest.sent_at or newest.prepared_at)
            # Nodes count a transaction a moment before they have its receipt: not every missing receipt is a loss.
            if not 0.0 <= waited <= _RECEIPT_SECONDS and self._port.transaction_count(self.address) > nonce:
                note = "its nonce was used by a transaction that the journal does not know"
                settled += [self._journal.settle(entry, Status.DROPPED, self._clock(), note=note) for entry in attempts]
                continue
            if replace and not 0.0 <= waited <= self._policy.bump_after:
                # A clock that went backwards shows as a negative wait: nothing is known then, so it counts as long.
                self._replace(newest)
        return settled

    def roll_back(self, block: int) -> list[Entry]:
        """Blocks above `block` are no more: transactions in them are open again."""
        self._next_nonce = None
        return self._journal.reopen_above(block, self.address)

    def _included(self, attempts: list[Entry]) -> Entry | None:
        for entry in attempts:
            receipt = self._port.receipt(entry.hash)
            if receipt is not None:
                status = Status.INCLUDED if receipt.succeeded else Status.FAILED
                fee = receipt.gas_used * receipt.gas_price
                return self._journal.settle(entry, status, self._clock(), receipt.block, receipt.gas_used, fee=fee)
        return None

    def _fees(self) -> tuple[int, int]:
        """(max fee, priority fee): twice the base fee bears six full blocks in a row. Asked anew every half second."""
        asked_at, now = self._asked_fees
        if now is None or not 0.0 <= self._clock() - asked_at < _FEES_SECONDS:
            now = self._port.fees()
            self._asked_fees = self._clock(), now
        priority = min(max(self._policy.priority_fee, now.priority_fee), self._policy.max_fee)
        return min(2 * now.base_fee + priority, self._policy.max_fee), priority

    def _require_caps(self, gas: int, max_fee: int) -> None:
        policy, most = self._policy, gas * max_fee
        if policy.per_transaction is not None and most > policy.per_transaction:
            raise CapError(f"a transaction may cost {policy.per_transaction / 1e18} ETH, this one up to {most / 1e18}")
        if policy.per_day is not None and (spent := self.spent_today) + most > policy.per_day:
            raise CapError(f"{spent / 1e18} of {policy.per_day / 1e18} ETH of the day are spent, this one costs up to {most / 1e18}")

    def _outbid(self, call: Call, correlation: str, gas: int, fees: tuple[int, int], detected_at: float) -> Entry:
        """Takes a nonce from an unknown transaction that is stuck: dearer until the node accepts."""
        nonce = self._next_nonce if self._next_nonce is not None else self._port.transaction_count(self.address)
        price, tip = fees
        for _ in range(_OUTBIDS):
            try:
                entry = self._send(call, correlation, nonce, gas, (price, min(tip, price)), detected_at)
            except _WrongNonceError as error:
                price, tip = int(price * (1.0 + self._policy.bump)) + 1, int(tip * (1.0 + self._policy.bump)) + 1
                if price > self._policy.max_fee:
                    self._foreign_since = None
                    raise ExecutionError(f"{call.purpose}: what is stuck at nonce {nonce} pays more than is allowed: {error}") from error
                self._require_caps(gas, price)
                continue
            if self._port.transaction_count(self.address, pending=True) <= entry.nonce + 1:
                self._foreign_since = None
            return entry
        raise ExecutionError(f"{call.purpose}: what is stuck at nonce {nonce} was not outbid in {_OUTBIDS} raises")

    def _replace(self, entry: Entry) -> None:
        """The same call with the same nonce for more. At the highest allowed fee the attempt is only broadcast again."""
        asked, tip = self._fees()
        raised = max(asked, int(entry.max_fee * (1.0 + self._policy.bump)) + 1)
        raised_tip = max(tip, int(entry.priority_fee * (1.0 + self._policy.bump)) + 1)
        capped = self._policy.per_transaction is not None and raised * entry.gas > self._policy.per_transaction
        if raised > self._policy.max_fee or capped:
            with suppress(ChainError):  # known already, or refused as before: the receipts will tell
                self._port.send(entry.raw)
            self._journal.sent(entry, self._clock())
            return
        try:
            fees = raised, min(raised_tip, raised)
            self._send(entry.call, entry.correlation, entry.nonce, entry.gas, fees, entry.detected_at, public=True)
        except ExecutionError:
            # Included meanwhile (the next poll finds the receipt), or not wanted at this price: wait as long again.
            self._journal.sent(entry, self._clock())

    def _send(
        self, call: Call, correlation: str, nonce: int, gas: int, fees: tuple[int, int], detected_at: float, *, public: bool = False
    ) -> Entry:
        fields: dict[str, object] = {
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
        entry = self._journal.prepare(call, correlation, nonce, signed, gas, fees, detected_at, self._clock(), self.address)
        port = self._port if public or self._relay is None else self._relay
        try:
            port.send(entry.raw)
        except UnreachableError:
            self._count(nonce)
            return entry  # it may have arrived: open until the chain tells
        except ChainError as error:
            message = str(error).lower()
            if "already known" in message or "already imported" in message:
                self._count(nonce)
                return self._journal.sent(entry, self._clock())
            self._journal.settle(entry, Status.DROPPED, self._clock(), note=str(error)[:300])
            if "nonce" in message or "underpriced" in message:
                raise _WrongNonceError(str(error)) from error
            raise ExecutionError(f"{call.purpose}: the node refused the transaction: {error}") from error
        # Counted before anything else can go wrong: the nonce is used.
        self._count(nonce)
        return self._journal.sent(entry, self._clock())

    def _count(self, nonce: int) -> None:
        self._next_nonce = max(self._next_nonce or 0, nonce + 1)


class _WrongNonceError(ExecutionError):
    """The node expects another nonce, or holds another transaction with this one."""
