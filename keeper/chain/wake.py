"""A websocket that says when to look: `newHeads` wakes the loop, nothing is read from it and nothing depends on it.

A socket may die without a word. It is taken for dead when the chain, as read over HTTP, moved on without it, and opened anew.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

__all__ = ["Wake"]

_OPEN_TIMEOUT = 5.0
_LOOK_EVERY = 0.25
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0


class Wake:
    """url None: no socket, `wait` is a plain pause. silence: seconds that the socket may stay silent after a new head was seen
    elsewhere."""

    def __init__(self, url: str | None, silence: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._silence = silence
        self._clock = clock
        self._bell = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._told = -1
        self._missing_since: float | None = None
        self.connected = False
        self.hangs = 0
        self.reconnects = 0
        self._thread = None if url is None else threading.Thread(target=self._run, name="wake", daemon=True)
        if self._thread is not None:
            self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Returns when a head is announced, at the latest after `seconds`; True where it was announced."""
        if self._url is None:
            return self._bell.wait(seconds)
        rung = self._bell.wait(seconds)
        self._bell.clear()
        return rung

    def ring(self) -> None:
        """Ends a wait at once."""
        self._bell.set()

    def seen(self, number: int) -> None:
        """A head that was read over HTTP: the socket should have announced it."""
        with self._lock:
            if number <= self._told:
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = self._clock()

    def close(self) -> None:
        self._stop.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=_OPEN_TIMEOUT + 1.0)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                with connect(str(self._url), open_timeout=_OPEN_TIMEOUT, close_timeout=0.5, max_size=2**22, proxy=None) as socket:
                    socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
                    with self._lock:
                        self._missing_since = None
                    self.connected, pause = True, _FIRST_PAUSE
                    self._listen(socket)
            except (WebSocketException, OSError, TimeoutError, ValueError):
                pause = min(_LONGEST_PAUSE, 2.0 * pause)
            self.connected = False
            if not self._stop.is_set():
                self.reconnects += 1
                self._stop.wait(pause)

    def _listen(self, socket: Connection) -> None:
        while not self._stop.is_set():
            try:
                message = json.loads(socket.recv(timeout=_LOOK_EVERY))
            except TimeoutError:
                if self._is_hung():
                    self.hangs += 1
                    return
                continue
            head = message.get("params", {}).get("result") if isinstance(message, dict) else None
            if isinstance(head, dict) and "number" in head:
                with self._lock:
                    self._told = int(head["number"], 16)
                    self._missing_since = None
                self._bell.set()

    def _is_hung(self) -> bool:
        with self._lock:
            return self._missing_since is not None and self._clock() - self._missing_since > self._silence
