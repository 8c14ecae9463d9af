"""Every transaction, written down before it is broadcast: what a restart finds here it reconciles with the chain.

Keepers that share their keys share this table too. Each writes only while it holds the lease (`fence`), so that what one
began the next one finds, and nothing is begun twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum

from keeper.execution.calls import Call

__all__ = ["Entry", "Journal", "Status"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transactions (
    id INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, hash TEXT NOT NULL UNIQUE, raw BLOB NOT NULL,
    target TEXT NOT NULL, data BLOB NOT NULL, purpose TEXT NOT NULL, account INTEGER, correlation TEXT NOT NULL,
    gas INTEGER NOT NULL, max_fee INTEGER NOT NULL, priority_fee INTEGER NOT NULL, status TEXT NOT NULL,
    detected_at REAL NOT NULL, prepared_at REAL NOT NULL, sent_at REAL, settled_at REAL,
    block INTEGER, gas_used INTEGER, note TEXT NOT NULL DEFAULT '',
    sender TEXT NOT NULL DEFAULT '', accounts TEXT NOT NULL DEFAULT '', fee_gwei INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS transactions_open ON transactions (status, nonce);
"""
# Columns that databases of older versions lack.
_ADDED = {"sender": "TEXT NOT NULL DEFAULT ''", "accounts": "TEXT NOT NULL DEFAULT ''", "fee_gwei": "INTEGER"}
_GWEI = 10**9


class Status(StrEnum):
    PREPARED = "prepared"  # signed and written down; whether the node has it is unknown
    SENT = "sent"
    INCLUDED = "included"
    FAILED = "failed"  # included, reverted
    REPLACED = "replaced"  # another attempt with its nonce was included
    DROPPED = "dropped"  # will never be included: its nonce is free, or was used by somebody else


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt. detected_at, prepared_at, sent_at, settled_at: wall clock, unix seconds; fees: wei per gas; sender: who signed;
    account: whom it concerns, the first of several; fee_gwei: paid in all, once included."""

    id: int
    nonce: int
    hash: str
    raw: bytes
    target: str
    data: bytes
    purpose: str
    account: int | None
    correlation: str
    gas: int
    max_fee: int
    priority_fee: int
    status: Status
    detected_at: float
    prepared_at: float
    sent_at: float | None
    settled_at: float | None
    block: int | None
    gas_used: int | None
    note: str
    sender: str
    accounts: str
    fee_gwei: int | None

    @property
    def concerns(self) -> frozenset[int]:
        """All accounts that it acts on."""
        listed = {int(number) for number in self.accounts.split(",") if number}
        return frozenset(listed if self.account is None else listed | {self.account})

    @property
    def call(self) -> Call:
        return Call(self.target, self.data, self.purpose, self.account, tuple(sorted(self.concerns)))


class Journal:
    """The table `transactions` of the keeper's database, or of one that several keepers share. fence: asked inside the database
    transaction that writes a new attempt down; what it raises keeps the attempt from being written, and so from being sent."""

    def __init__(self, connection: sqlite3.Connection, fence: Callable[[], None] | None = None) -> None:
        self._connection = connection
        self._fence = fence
        connection.executescript(_SCHEMA)
        known = {row[1] for row in connection.execute("PRAGMA table_info(transactions)")}
        for column, kind in _ADDED.items():
            if column not in known:
                connection.execute(f"ALTER TABLE transactions ADD COLUMN {column} {kind}")

    def prepare(
        self,
        call: Call,
        correlation: str,
        nonce: int,
        signed: tuple[str, bytes],
        gas: int,
        fees: tuple[int, int],
        detected_at: float,
        now: float,
        sender: str = "",
    ) -> Entry:
        """signed: hash and raw bytes; fees: highest and priority fee. Raises what the fence raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._fence is not None:
                self._fence()
            number = self._insert(call, correlation, nonce, signed, gas, fees, detected_at, now, sender)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return self.entry(number)

    def _insert(
        self,
        call: Call,
        correlation: str,
        nonce: int,
        signed: tuple[str, bytes],
        gas: int,
        fees: tuple[int, int],
        detected_at: float,
        now: float,
        sender: str,
    ) -> int:
        cursor = self._connection.execute(
            "INSERT INTO transactions (nonce, hash, raw, target, data, purpose, account, correlation, gas, max_fee, priority_fee, "
            "status, detected_at, prepared_at, sender, accounts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            # The very same transaction again, which never arrived the first time.
            "ON CONFLICT (hash) DO UPDATE SET status = excluded.status, correlation = excluded.correlation, "
            "detected_at = excluded.detected_at, prepared_at = excluded.prepared_at, sent_at = NULL, settled_at = NULL, note = '' "
            "RETURNING id",
            (
                nonce,
                *signed,
                call.to,
                call.data,
                call.purpose,
                call.account,
                correlation,
                gas,
                *fees,
                Status.PREPARED.value,
                detected_at,
                now,
                sender,
                ",".join(str(number) for number in call.accounts),
            ),
        )
        [(number,)] = cursor.fetchall()
        return int(number)

    def entry(self, number: int) -> Entry:
        [found] = self._select("WHERE id = ?", (number,))
        return found

    def sent(self, entry: Entry, now: float) -> Entry:
        self._connection.execute("UPDATE transactions SET status = ?, sent_at = ? WHERE id = ?", (Status.SENT.value, now, entry.id))
        return self.entry(entry.id)

    def settle(
        self,
        entry: Entry,
        status: Status,
        now: float,
        block: int | None = None,
        gas_used: int | None = None,
        note: str = "",
        fee: int | None = None,
    ) -> Entry:
        """The end of an attempt; its siblings with the same nonce that were open are replaced, if it was included. fee: wei."""
        fee_gwei = None if fee is None else -(-fee // _GWEI)
        self._connection.execute(
            "UPDATE transactions SET status = ?, settled_at = ?, block = ?, gas_used = ?, note = ?, fee_gwei = ? WHERE id = ?",
            (status.value, now, block, gas_used, note, fee_gwei, entry.id),
        )
        if status in (Status.INCLUDED, Status.FAILED):
            self._connection.execute(
                "UPDATE transactions SET status = ?, settled_at = ? WHERE nonce = ? AND sender = ? AND id <> ? AND status IN (?, ?)",
                (Status.REPLACED.value, now, entry.nonce, entry.sender, entry.id, Status.PREPARED.value, Status.SENT.value),
            )
        return self.entry(entry.id)

    def reopen_above(self, block: int, sender: str = "") -> list[Entry]:
        """Attempts of `sender` included in blocks above `block`, which are no more: open again."""
        gone = self._select(
            "WHERE status IN (?, ?) AND block > ? AND sender = ?", (Status.INCLUDED.value, Status.FAILED.value, block, sender)
        )
        for entry in gone:
            self._connection.execute(
                "UPDATE transactions SET status = ?, settled_at = NULL, block = NULL, gas_used = NULL WHERE id = ?",
                (Status.SENT.value, entry.id),
            )
        return gone

    def open_entries(self, sender: str | None = None) -> list[Entry]:
        """Attempts whose end is not known (of one sender, or of all), by nonce, newest attempt of a nonce first."""
        known = (Status.PREPARED.value, Status.SENT.value)
        if sender is None:
            return self._select("WHERE status IN (?, ?) ORDER BY sender, nonce, id DESC", known)
        return self._select("WHERE status IN (?, ?) AND sender = ? ORDER BY nonce, id DESC", (*known, sender))

    def in_flight(self, sender: str) -> int:
        """Nonces of `sender` whose end is not known."""
        query = "SELECT count(DISTINCT nonce) FROM transactions WHERE status IN (?, ?) AND sender = ?"
        [(found,)] = self._connection.execute(query, (Status.PREPARED.value, Status.SENT.value, sender)).fetchall()
        return int(found)

    def gas_in_flight(self) -> int:
        """Gas limits of all nonces whose end is not known."""
        query = (
            "SELECT coalesce(sum(most), 0) FROM (SELECT max(gas) AS most FROM transactions WHERE status IN (?, ?) GROUP BY sender, nonce)"
        )
        [(found,)] = self._connection.execute(query, (Status.PREPARED.value, Status.SENT.value)).fetchall()
        return int(found)

    def open_purposes(self) -> frozenset[str]:
        """What open attempts are for."""
        query = "SELECT DISTINCT purpose FROM transactions WHERE status IN (?, ?)"
        return frozenset(purpose for (purpose,) in self._connection.execute(query, (Status.PREPARED.value, Status.SENT.value)))

    def busy_accounts(self) -> frozenset[int]:
        """Accounts that open attempts concern."""
        query = "SELECT account, accounts FROM transactions WHERE status IN (?, ?)"
        found: set[int] = set()
        for account, accounts in self._connection.execute(query, (Status.PREPARED.value, Status.SENT.value)):
            found |= {int(number) for number in accounts.split(",") if number} | ({account} if account is not None else set())
        return frozenset(found)

    def spent_since(self, time: float, sender: str) -> int:
        """wei of fees of this sender: paid since `time`, and the most that open attempts may come to cost."""
        [(paid,)] = self._connection.execute(
            "SELECT coalesce(sum(fee_gwei), 0) FROM transactions WHERE sender = ? AND settled_at >= ?", (sender, time)
        ).fetchall()
        highest: dict[int, int] = {}
        for entry in self.open_entries(sender):
            highest[entry.nonce] = max(highest.get(entry.nonce, 0), entry.gas * entry.max_fee)
        return int(paid) * _GWEI + sum(highest.values())

    def latest(self, count: int) -> list[Entry]:
        return self._select("ORDER BY id DESC LIMIT ?", (count,))

    def counts(self) -> dict[str, int]:
        """Attempts by status."""
        return dict(self._connection.execute("SELECT status, count(*) FROM transactions GROUP BY status").fetchall())

    def _select(self, condition: str, parameters: tuple[object, ...]) -> list[Entry]:
        names = [field.name for field in fields(Entry)]
        query = f"SELECT {', '.join(names)} FROM transactions {condition}"  # noqa: S608 - our own constants, values are bound
        rows = [dict(zip(names, row, strict=True)) for row in self._connection.execute(query, parameters)]
        return [Entry(**{**row, "status": Status(row["status"])}) for row in rows]
