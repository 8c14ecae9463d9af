"""Margin calls with hysteresis: raised below one health, ended above a higher one, so that an account at the border is
warned once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.chain import Block

__all__ = ["CallChange", "MarginCallStore", "MarginCalls", "update_calls"]


@dataclass(frozen=True, slots=True)
class CallChange:
    """A call raised (`raised`) or ended. health: at that moment."""

    account: int
    raised: bool
    health: float
    block: int
    time: int


@dataclass(frozen=True, slots=True)
class MarginCalls:
    """Accounts under a margin call -> block of the call."""

    since: Mapping[int, int]


def update_calls(
    calls: MarginCalls, health: Mapping[int, float], block: Block, raise_below: float, end_above: float
) -> tuple[MarginCalls, list[CallChange]]:
    """Calls after `health` of every exposed account was seen. An account that is no more exposed is called no more.

    Expects raise_below <= end_above; between the two nothing changes.
    """
    changes = [
        CallChange(account, True, value, block.number, block.time)
        for account, value in sorted(health.items())
        if value < raise_below and account not in calls.since
    ]
    changes += [
        CallChange(account, False, health.get(account, float("inf")), block.number, block.time)
        for account in sorted(calls.since)
        if health.get(account, float("inf")) >= end_above
    ]
    if not changes:
        return calls, []
    since = dict(calls.since)
    for change in changes:
        if change.raised:
            since[change.account] = change.block
        else:
            del since[change.account]
    return MarginCalls(since), changes


class MarginCallStore:
    """History of calls in the keeper's database: what was open at the end is open after a restart."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(
            "CREATE TABLE IF NOT EXISTS margin_calls ("
            "id INTEGER PRIMARY KEY, account INTEGER NOT NULL, raised INTEGER NOT NULL, health REAL NOT NULL, "
            "block INTEGER NOT NULL, time INTEGER NOT NULL) STRICT"
        )

    def open_calls(self) -> MarginCalls:
        rows = self._connection.execute(
            "SELECT account, block FROM margin_calls WHERE id IN (SELECT max(id) FROM margin_calls GROUP BY account) AND raised = 1"
        )
        return MarginCalls(dict(rows.fetchall()))

    def append(self, changes: list[CallChange]) -> None:
        # SQLite has no infinity in REAL columns that every reader understands: a large number stands for "no risk left".
        rows = [(c.account, int(c.raised), max(-1e9, min(1e9, c.health)), c.block, c.time) for c in changes]
        self._connection.executemany("INSERT INTO margin_calls (account, raised, health, block, time) VALUES (?, ?, ?, ?, ?)", rows)
