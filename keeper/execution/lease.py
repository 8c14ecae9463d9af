"""Who may send, where several keepers share their keys: a lease in a shared SQLite database, renewed by a thread.

Times are those of the machine's monotonic clock, which all its processes share and nobody can set: a wrong wall clock moves
nothing. After a reboot every lease is over. The token rises with every holder and fences the journal in the same database: what
a keeper writes after it lost the lease is refused there, and so never sent.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from keeper.errors import LeaseError

__all__ = ["Lease"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, token INTEGER NOT NULL, boot TEXT NOT NULL, until REAL NOT NULL) STRICT;
"""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Lease:
    """path: the shared database; seconds: how long one renewal holds; a take-over needs at most that and a `look`. stuck: seconds
    without a `beat` of the holder's loop after which its thread renews no more, so that another one takes over."""

    def __init__(
        self,
        path: Path,
        seconds: float = 0.5,
        look: float = 0.05,
        stuck: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        holder: str | None = None,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._seconds, self._look, self._stuck, self._clock = path, seconds, look, stuck, clock
        self._holder = holder or f"{os.getpid()}-{time.monotonic_ns()}"
        self._boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
        self._until = 0.0
        self._token = 0
        self._beat_at = clock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.taken_at: float | None = None
        with self._connect() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def start(self) -> None:
        """Begins to renew, or to wait for its turn."""
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    @property
    def held(self) -> bool:
        return self._clock() < self._until

    @property
    def token(self) -> int:
        return self._token

    def beat(self) -> None:
        """The holder's loop is alive."""
        self._beat_at = self._clock()

    def fence(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """For a journal in the same database: raises LeaseError where the lease is not ours any more."""

        def check() -> None:
            row = connection.execute("SELECT holder, token, until FROM lease WHERE id = 1").fetchone()
            if row is None or row[0] != self._holder or row[1] != self._token or not self.held:
                raise LeaseError(f"the lease is held by {'nobody' if row is None else row[0]}, not by {self._holder}: nothing is sent")

        return check

    def attempt(self) -> bool:
        """Renews, or takes what is free; whether it is ours now. Raises sqlite3.Error."""
        now = self._clock()
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT holder, token, boot, until FROM lease WHERE id = 1").fetchone()
            ours = row is not None and row[0] == self._holder and row[2] == self._boot
            if row is not None and not ours and row[2] == self._boot and now < row[3]:
                connection.execute("COMMIT")
                self._until = 0.0
                return False
            token = row[1] if ours else (row[1] if row is not None else 0) + 1
            connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?)", (self._holder, token, self._boot, now + self._seconds)
            )
            connection.execute("COMMIT")
        if not ours or not self.held:
            self.taken_at = now
        self._token, self._until = token, now + self._seconds
        return True

    def close(self) -> None:
        """Gives the lease back at once."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        self._until = 0.0
        with suppress(sqlite3.Error), self._connect() as connection:
            connection.execute("UPDATE lease SET until = 0 WHERE id = 1 AND holder = ?", (self._holder,))

    def _run(self) -> None:
        while not self._stop.is_set():
            alive = self._clock() - self._beat_at < self._stuck
            if alive or not self.held:
                with suppress(sqlite3.Error):  # not renewed: it ends by itself
                    if alive:
                        self.attempt()
            self._stop.wait(self._seconds / 5.0 if self.held else self._look)

    def _connect(self) -> _Connection:
        return _Connection(self._path)


class _Connection:
    """A short-lived connection: SQLite's own are not for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(str(self._path), isolation_level=None, timeout=0.2)
        return self._connection

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
