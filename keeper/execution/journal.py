"""Every transaction, written down before it is broadcast: what a restart finds here it reconciles with the chain."""

from __future__ import annotations

import sqlite3
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
    block INTEGER, gas_used INTEGER, note TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS transactions_open ON transactions (status, nonce);
"""


class Status(StrEnum):
    PREPARED = "prepared"  # signed and written down; whether the node has it is unknown
    SENT = "sent"
    INCLUDED = "included"
    FAILED = "failed"  # included, reverted
    REPLACED = "replaced"  # another attempt with its nonce was included
    DROPPED = "dropped"  # will never be included: its nonce is free, or was used by somebody else


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt. detected_at, prepared_at, sent_at, settled_at: wall clock, unix seconds; fees: wei per gas."""

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

    @property
    def call(self) -> Call:
        return Call(self.target, self.data, self.purpose, self.account)


class Journal:
    """The table `transactions` of the keeper's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)

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
    ) -> Entry:
        """signed: hash and raw bytes; fees: highest and priority fee."""
        cursor = self._connection.execute(
            "INSERT INTO transactions (nonce, hash, raw, target, data, purpose, account, correlation, gas, max_fee, priority_fee, "
            "status, detected_at, prepared_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
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
            ),
        )
        [(number,)] = cursor.fetchall()
        return self.entry(number)

    def entry(self, number: int) -> Entry:
        [found] = self._select("WHERE id = ?", (number,))
        return found

    def sent(self, entry: Entry, now: float) -> Entry:
        self._connection.execute("UPDATE transactions SET status = ?, sent_at = ? WHERE id = ?", (Status.SENT.value, now, entry.id))
        return self.entry(entry.id)

    def settle(
        self, entry: Entry, status: Status, now: float, block: int | None = None, gas_used: int | None = None, note: str = ""
    ) -> Entry:
        """The end of an attempt; its siblings with the same nonce that were open are replaced, if it was included."""
        self._connection.execute(
            "UPDATE transactions SET status = ?, settled_at = ?, block = ?, gas_used = ?, note = ? WHERE id = ?",
            (status.value, now, block, gas_used, note, entry.id),
        )
        if status in (Status.INCLUDED, Status.FAILED):
            self._connection.execute(
                "UPDATE transactions SET status = ?, settled_at = ? WHERE nonce = ? AND id <> ? AND status IN (?, ?)",
                (Status.REPLACED.value, now, entry.nonce, entry.id, Status.PREPARED.value, Status.SENT.value),
            )
        return self.entry(entry.id)

    def reopen_above(self, block: int) -> list[Entry]:
        """Attempts included in blocks above `block`, which are no more: open again."""
        gone = self._select("WHERE status IN (?, ?) AND block > ?", (Status.INCLUDED.value, Status.FAILED.value, block))
        for entry in gone:
            self._connection.execute(
                "UPDATE transactions SET status = ?, settled_at = NULL, block = NULL, gas_used = NULL WHERE id = ?",
                (Status.SENT.value, entry.id),
            )
        return gone

    def open_entries(self) -> list[Entry]:
        """Attempts whose end is not known, by nonce, newest attempt of a nonce first."""
        return self._select("WHERE status IN (?, ?) ORDER BY nonce, id DESC", (Status.PREPARED.value, Status.SENT.value))

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
