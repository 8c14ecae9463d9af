"""Who may ask, and how often: API keys with scopes and rates. Keys are known by their hash alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keeper.observation import ApiKey, Scope

__all__ = ["Denied", "Guard", "Holder", "hash_of", "new_key"]

_PREFIX = "dpre_"


class Denied(Exception):  # noqa: N818 - an answer, not a fault
    """status: of HTTP; retry_after: seconds, where asking later helps."""

    def __init__(self, status: int, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asked: the key's name, "local" where none is needed."""

    name: str
    scopes: frozenset[Scope]


def new_key() -> str:
    """256 bits from the operating system, as text."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What the settings keep. A plain hash is enough: the keys are random, not remembered."""
    return hashlib.sha256(key.encode()).hexdigest()


_LOCAL = Holder("local", frozenset(Scope))


class Guard:
    """Without keys everybody may ask everything, which is for loopback alone. Safe between threads. clock: seconds, rising."""

    def __init__(self, keys: Sequence[ApiKey], clock: Callable[[], float] = time.monotonic) -> None:
        self._keys: Mapping[str, ApiKey] = {key.sha256: key for key in keys}
        self._buckets = {key.name: _Bucket(key.rate, key.burst) for key in keys}
        self._clock = clock
        self._lock = threading.Lock()

    def admit(self, key: str | None, scope: Scope) -> Holder:
        """Raises Denied: 401 without a known key, 403 without the scope, 429 beyond the rate."""
        if not self._keys:
            return _LOCAL
        found = None if key is None else self._keys.get(hash_of(key))
        if found is None:
            raise Denied(401, "expected a known API key in the header Authorization: Bearer ...")
        if scope not in found.scopes:
            raise Denied(403, f"key {found.name} lacks the scope {scope.value}")
        with self._lock:
            wait = self._buckets[found.name].take(self._clock())
        if wait > 0.0:
            raise Denied(429, f"key {found.name} may ask {found.rate:g} times a second", wait)
        return Holder(found.name, found.scopes)


class _Bucket:
    """Fills at `rate` up to `size`; every request takes one."""

    def __init__(self, rate: float, size: int) -> None:
        self._rate = rate
        self._size = float(size)
        self._level = float(size)
        self._at = 0.0

    def take(self, now: float) -> float:
        """0.0 where one was taken, else seconds until there will be one."""
        self._level = min(self._size, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self._rate
