"""What happens in the engine, for whoever wants to be told: alerts, streams, tests.

The engine publishes and never waits: a subscriber that does not keep up loses its oldest news, and sees how many. Safe
between threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from keeper.execution import Entry
from keeper.monitoring import CallChange

__all__ = ["Alarm", "Band", "Bus", "HealthChange", "News", "Severity", "Subscription", "TransactionChange"]


class Band(StrEnum):
    """Where an account stands; rising danger. The names of liquidation tiers are those of keeper.monitoring.Tier."""

    SAFE = "safe"
    CALLED = "called"  # a margin call is open
    DEBT = "debt"
    PARTIAL = "partial"
    FULL = "full"
    BANKRUPT = "bankrupt"
    RESIDUE = "residue"
    DEFICIT = "deficit"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class HealthChange:
    """An account entered another band. health: at that block, may be infinite; shortfall: maintenance less margin equity, USD."""

    account: int
    before: Band
    now: Band
    health: float
    shortfall: float
    block: int
    time: int


@dataclass(frozen=True, slots=True)
class TransactionChange:
    """A transaction was sent or ended; `entry.status` says which."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should know. kind: a stable name, e.g. "state_differs_from_chain"; subject: what it is about (an
    account, an endpoint), "" where it is the keeper itself; cleared: the trouble of this kind and subject is over."""

    kind: str
    severity: Severity
    subject: str
    text: str
    at: float
    cleared: bool = False


News = HealthChange | CallChange | TransactionChange | Alarm


class Subscription:
    """News in the order in which they were published."""

    def __init__(self, capacity: int) -> None:
        self._kept: deque[News] = deque(maxlen=capacity)
        self._ready = threading.Condition()
        self.lost = 0

    def put(self, news: News) -> None:
        with self._ready:
            self.lost += len(self._kept) == self._kept.maxlen
            self._kept.append(news)
            self._ready.notify()

    def take(self, timeout: float = 0.0) -> News | None:
        """The next, or None where none comes within `timeout` seconds."""
        with self._ready:
            if not self._kept and timeout > 0.0:
                self._ready.wait(timeout)
            return self._kept.popleft() if self._kept else None

    def drain(self) -> Iterator[News]:
        """All that wait now."""
        while (news := self.take()) is not None:
            yield news


class Bus:
    """Hands every piece of news to every subscription."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def publish(self, news: News) -> None:
        for subscription in self._subscriptions:
            subscription.put(news)

    @contextmanager
    def subscribe(self, capacity: int = 10_000) -> Iterator[Subscription]:
        """News from now until the block is left."""
        subscription = Subscription(capacity)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions = tuple(kept for kept in self._subscriptions if kept is not subscription)
