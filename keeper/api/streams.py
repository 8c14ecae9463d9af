"""News of the engine's bus to any number of WebSockets: one thread takes, the server's loop hands out.

A reader that is too slow loses its oldest news and is told how many; it never holds up the engine or the others.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.api.documents import AlarmNews, HealthNews, Lost, MarginCallNews, Topic, TransactionNews
from keeper.api.views import news_document
from keeper.bus import Bus

__all__ = ["Listener", "Streams"]

_TAKE_SECONDS = 0.5
_KEPT = 1_000

_Told = AlarmNews | HealthNews | MarginCallNews | TransactionNews


class Listener:
    """What one WebSocket still has to be told. Used in the server's loop alone."""

    def __init__(self, topics: frozenset[Topic], account: int | None) -> None:
        self._topics = topics
        self._account = account
        self._waiting: deque[_Told] = deque(maxlen=_KEPT)
        self._ready = asyncio.Event()
        self._lost = 0

    def wants(self, news: _Told) -> bool:
        if news.type not in self._topics:
            return False
        if self._account is None:
            return True
        if isinstance(news, TransactionNews):
            return news.transaction.account == self._account
        return isinstance(news, HealthNews | MarginCallNews) and news.account == self._account

    def put(self, news: _Told) -> None:
        self._lost += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(news)
        self._ready.set()

    async def next(self) -> _Told | Lost:
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return Lost(count=lost)
        return self._waiting.popleft()


class Streams:
    """`start` and `stop` around the life of the server's loop."""

    def __init__(self, bus: Bus, most: int) -> None:
        self._bus = bus
        self._most = most
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> int:
        return len(self._listeners)

    @property
    def full(self) -> bool:
        return len(self._listeners) >= self._most

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._pump, args=(loop, ready), name="api-streams", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def listen(self, topics: frozenset[Topic], account: int | None) -> Iterator[Listener]:
        listener = Listener(topics, account)
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)

    def _pump(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        with self._bus.subscribe() as subscription:
            ready.set()
            while not self._stop.is_set():
                news = subscription.take(_TAKE_SECONDS)
                if news is not None and self._listeners and not loop.is_closed():
                    loop.call_soon_threadsafe(self._hand_out, news_document(news))

    def _hand_out(self, news: _Told) -> None:
        for listener in self._listeners:
            if listener.wants(news):
                listener.put(news)
