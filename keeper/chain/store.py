"""The keeper's database (SQLite, WAL): blocks and logs as they came. Everything the keeper knows is rebuilt from here.

One connection and one writer: whoever runs the keeper opens it `exclusive`, a second one is refused.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from keeper.chain.port import Block, Log
from keeper.errors import StoreError

__all__ = ["Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY, hash TEXT NOT NULL, parent TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS logs (
    block INTEGER NOT NULL, idx INTEGER NOT NULL, block_hash TEXT NOT NULL, tx TEXT NOT NULL,
    address TEXT NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (block, idx)) STRICT, WITHOUT ROWID;
"""

_TOPIC = 32


class Store:
    """The database at `path` (":memory:" for none on disk), bound to one deployment by its fingerprint.

    exclusive: hold a lock beside the file until `close` (the system drops it when the process dies).
    Raises StoreError where the file was filled from another deployment, is no database, or is another keeper's.
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
            self.connection.executescript(_SCHEMA)
            known = self._meta("fingerprint")
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} is expected to be the keeper's SQLite database ({error}); move it away and start again") from error
        if known is None:
            self._set_meta("fingerprint", fingerprint)
        elif known != fingerprint:
            raise StoreError(f"{path} was filled from deployment {known}, this is {fingerprint}: name another database or remove it")

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
        self.connection.close()
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
        return gone

    def logs(self) -> Iterator[Log]:
        """Everything stored, in order."""
        query = "SELECT block, block_hash, tx, idx, address, topics, data FROM logs ORDER BY block, idx"
        for block, block_hash, transaction, index, address, topics, data in self.connection.execute(query):
            split = tuple(topics[at : at + _TOPIC] for at in range(0, len(topics), _TOPIC))
            yield Log(block, block_hash, transaction, index, address, split, data)

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
