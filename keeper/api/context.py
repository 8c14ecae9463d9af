"""What the routes work with: the engine's published state, the guard, and documents kept until the engine looks again."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, HTTPException, Request

from keeper.api.guard import Guard
from keeper.api.metrics import Extra, SnapshotCollector
from keeper.api.streams import Streams
from keeper.chain import Deployment
from keeper.monitoring import Assessment
from keeper.observation import ApiSettings, Scope
from keeper.publication import Source
from keeper.snapshot import Snapshot

__all__ = ["Assessed", "Context", "bearer", "context_of", "needs"]

_CACHED = 64

Made = TypeVar("Made")


class Kept:
    """Documents that cost some milliseconds, until the engine has looked again. One at a time is made: readers must not take
    the processor from the engine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assessment: Assessment | None = None
        self._made: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, assessment: Assessment, key: Hashable, make: Callable[[], Made]) -> Made:
        with self._lock:
            if assessment is not self._assessment:
                self._assessment = assessment
                self._made.clear()
            if key not in self._made:
                self._made[key] = make()
                if len(self._made) > _CACHED:
                    self._made.popitem(last=False)
            return cast(Made, self._made[key])


@dataclass(frozen=True)
class Context:
    """extra: figures for /metrics that are not the engine's; answered: requests by status."""

    source: Source
    deployment: Deployment
    settings: ApiSettings
    guard: Guard
    streams: Streams
    extra: tuple[Extra, ...] = ()
    kept: Kept = field(default_factory=Kept)
    answered: Counter[int] = field(default_factory=Counter)

    @property
    def collector(self) -> SnapshotCollector:
        return SnapshotCollector(lambda: self.source.snapshot, (*self.extra, self._own_figures))

    def _own_figures(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        requests: dict[tuple[str, ...], float] = {(str(status),): float(count) for status, count in sorted(self.answered.items())}
        return {"keeper_api_requests_total": requests, "keeper_streams": {(): float(self.streams.connected)}}


def context_of(request: Request) -> Context:
    return cast(Context, request.app.state.context)


def needs(scope: Scope) -> Any:
    """A dependency: the request's key has `scope`, or none is needed."""

    def check(request: Request) -> None:
        context_of(request).guard.admit(bearer(request.headers.get("authorization")), scope)

    return Depends(check)


def bearer(header: str | None) -> str | None:
    """The key in `Authorization: Bearer KEY`."""
    kind, _, key = (header or "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def _assessed(request: Request) -> tuple[Snapshot, Assessment]:
    snapshot = context_of(request).source.snapshot
    if snapshot.assessment is None:
        raise HTTPException(503, "nothing assessed yet: no prices, or the keeper is still reading the chain")
    return snapshot, snapshot.assessment


Assessed = Annotated[tuple[Snapshot, Assessment], Depends(_assessed)]
"""The newest snapshot and its assessment; the answer is 503 before there is one."""
