"""The keeper's database (SQLite, WAL): blocks and logs as they came, snapshots of what they add up to, the journal.

Everything the keeper knows of the chain is rebuilt from here, and this from the chain: a damaged file is moved aside, what
can be read of the journal comes over, the rest is read anew. One connection and one writer: whoever runs the keeper opens
it `exclusive`, a second one is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from keeper.chain.port import Block, Log
from keeper.errors import DamagedError, StoreError

__all__ = ["Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY, hash TEXT NOT NULL, parent TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS logs (
    block INTEGER NOT NULL, idx INTEGER NOT NULL, block_hash TEXT NOT NULL, tx TEXT NOT NULL,
    address TEXT NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (block, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshots (
    block INTEGER PRIMARY KEY, hash TEXT NOT NULL, shape TEXT NOT NULL, digest TEXT NOT NULL, state BLOB NOT NULL) STRICT;
"""
_SNAPSHOTS_KEPT = 2
_SALVAGED = ("transactions", "margin_calls")

_TOPIC = 32


class Store:
    """The database at `path` (":memory:" for none on disk), bound to one deployment by its fingerprint.

    exclusive: hold a lock beside the file until `close` (the system drops it when the process dies).
    Raises StoreError where the file was filled from another deployment or is another keeper's, DamagedError where it is no
    database or not a sound one.
    """

    def __init__(self, path: Path | str, fingerprint: str, *, exclusive: bool = False) -> None:
        self._lock: IO[str] | None = None
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if exclusive:
                self._lock = _locked(path)
        try:
            # The keeper's loop is the only user of the connection.
            self.connection = sqlite3.connect(str(path), isolation_level=None, timeout=5.0)
            self.connection.execute("PRAGMA journal_mode = WAL")
            # WAL with NORMAL survives a crash of the process. What a power cut may take of the end, the chain still knows.
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self._check()
            self.connection.executescript(_SCHEMA)
            known = self._meta("fingerprint")
        except sqlite3.OperationalError as error:
            self.close()
            raise StoreError(f"{path} cannot be used now: {error}") from error
        except sqlite3.DatabaseError as error:
            self.close()
            raise DamagedError(f"{path} is expected to be the keeper's SQLite database ({error}); move it away and start again") from error
        if known is None:
            self._set_meta("fingerprint", fingerprint)
        elif known != fingerprint:
            raise StoreError(f"{path} was filled from deployment {known}, this is {fingerprint}: name another database or remove it")

    @classmethod
    def open_or_rebuild(cls, path: Path | str, fingerprint: str, *, exclusive: bool = False) -> tuple[Store, Path | None]:
        """As the constructor, but a damaged file is moved aside and a new one begun with what could be read of its journal;
        where the damaged one is now, None where all is well."""
        try:
            return cls(path, fingerprint, exclusive=exclusive), None
        except DamagedError:
            if not isinstance(path, Path):
                raise
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):  # the newest lines of the journal may be in the log alone
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + suffix))
        store = cls(path, fingerprint, exclusive=exclusive)
        store._salvage(aside)
        return store, aside

    @classmethod
    def copy_of(cls, path: Path, fingerprint: str) -> Store:
        """What is in the database at `path` now, in memory: for readers beside a running keeper. Empty where there is none."""
        store = cls(":memory:", fingerprint)
        if path.is_file():
            source = cls(path, fingerprint)
            try:
                source.connection.backup(store.connection)
            finally:
                source.close()
        return store

    def close(self) -> None:
        connection = getattr(self, "connection", None)
        if connection is not None:
            connection.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    # --- the cursor ---

    def cursor(self) -> Block | None:
        """The last block whose logs are stored; None before the first."""
        row = self.connection.execute("SELECT number, hash, parent, time FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else Block(*row)

    def blocks_down(self) -> Iterator[Block]:
        """Known blocks from the cursor downwards: where to look for the common ancestor."""
        for row in self.connection.execute("SELECT number, hash, parent, time FROM blocks ORDER BY number DESC").fetchall():
            yield Block(*row)

    def append(self, blocks: Sequence[Block], logs: Sequence[Log]) -> None:
        """Logs with the headers they belong to; the highest header becomes the cursor. One transaction."""
        cursor = self.cursor()
        if cursor is not None and blocks and min(block.number for block in blocks) <= cursor.number:
            raise StoreError(f"blocks are expected above {cursor.number}, got {min(block.number for block in blocks)}")
        with self.transaction():
            self.connection.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?)", [(b.number, b.hash, b.parent, b.time) for b in blocks])
            self.connection.executemany(
                "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(log.block, log.index, log.block_hash, log.transaction, log.address, b"".join(log.topics), log.data) for log in logs],
            )

    def roll_back(self, number: int) -> int:
        """Forgets every block above `number`; how many logs went."""
        with self.transaction():
            gone = self.connection.execute("DELETE FROM logs WHERE block > ?", (number,)).rowcount
            self.connection.execute("DELETE FROM blocks WHERE number > ?", (number,))
            self.connection.execute("DELETE FROM snapshots WHERE block > ?", (number,))
        return gone

    def logs(self, above: int = -1) -> Iterator[Log]:
        """Everything stored of blocks above `above`, in order."""
        query = "SELECT block, block_hash, tx, idx, address, topics, data FROM logs WHERE block > ? ORDER BY block, idx"
        for block, block_hash, transaction, index, address, topics, data in self.connection.execute(query, (above,)):
            split = tuple(topics[at : at + _TOPIC] for at in range(0, len(topics), _TOPIC))
            yield Log(block, block_hash, transaction, index, address, split, data)

    # --- snapshots ---

    def save_snapshot(self, block: Block, shape: str, state: bytes) -> None:
        """state: as of `block`, which must be stored; shape: of the code that can read it. Only the newest are kept."""
        digest = hashlib.sha256(state).hexdigest()
        with self.transaction():
            self.connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", (block.number, block.hash, shape, digest, state)
            )
            self.connection.execute(
                "DELETE FROM snapshots WHERE block NOT IN (SELECT block FROM snapshots ORDER BY block DESC LIMIT ?)", (_SNAPSHOTS_KEPT,)
            )

    def snapshots(self, shape: str) -> Iterator[tuple[int, bytes]]:
        """(block, state) of sound snapshots of blocks that are still stored, newest first."""
        query = (
            "SELECT s.block, s.digest, s.state FROM snapshots s JOIN blocks b ON b.number = s.block AND b.hash = s.hash "
            "WHERE s.shape = ? ORDER BY s.block DESC"
        )
        for block, digest, state in self.connection.execute(query, (shape,)).fetchall():
            if hashlib.sha256(state).hexdigest() == digest:
                yield block, state

    # --- soundness ---

    def _check(self) -> None:
        [(verdict,)] = self.connection.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))

    def _salvage(self, damaged: Path) -> None:
        """Copies what can be read of the journal and of the margin calls, row by row until the damage."""
        source = sqlite3.connect(str(damaged))
        try:
            for table in _SALVAGED:
                with suppress(sqlite3.DatabaseError):
                    known = source.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
                    if known is None:
                        continue
                    self.connection.execute(known[0])
                    for row in source.execute(f"SELECT * FROM {table}"):  # noqa: S608 - one of our own names
                        marks = ", ".join("?" * len(row))
                        self.connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - same
        finally:
            source.close()

    def _meta(self, key: str) -> str | None:
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _set_meta(self, key: str, value: str) -> None:
        self.connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


def _locked(path: Path) -> IO[str]:
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreError(f"{path} is in use by another keeper: two on one database would send with the same nonces") from None
    return lock
