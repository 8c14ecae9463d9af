"""Collects what the engine shows: counters, latencies, standing alarms, and the band of every account in danger."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from keeper.bus import Alarm, Band, Bus, HealthChange, Severity, TransactionChange
from keeper.execution import Entry, Status
from keeper.monitoring import Assessment, Finding
from keeper.snapshot import Latencies, Snapshot

__all__ = ["Publication", "Source"]

_KEPT = 1_000
_TRANSACTIONS = 200


class Source(Protocol):
    """What an engine publishes, safe to read from any thread."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def bus(self) -> Bus: ...


class Publication:
    """Written by the engine's thread alone; `snapshot` and `bus` may be used from any."""

    def __init__(self, account: int, *, dry_run: bool = False) -> None:
        self.bus = Bus()
        self.snapshot = Snapshot(at=time.time(), account=account, dry_run=dry_run)
        self._account = account
        self._dry_run = dry_run
        self._counters: Counter[str] = Counter()
        self._latencies: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in ("see", "margin", "send", "inclusion")}
        self._standing: dict[tuple[str, str], Alarm] = {}
        self._bands: dict[int, Band] = {}
        self._transactions: deque[Entry] = deque(maxlen=_TRANSACTIONS)

    def count(self, name: str, by: int = 1) -> None:
        self._counters[name] += by

    def took(self, what: str, milliseconds: float) -> None:
        """what: a field of Latencies."""
        self._latencies[what].append(milliseconds)

    def alarm(self, kind: str, severity: Severity, text: str, subject: str = "") -> bool:
        """Raises an alarm once, until it is cleared; True where it was not standing before."""
        if (kind, subject) in self._standing:
            return False
        raised = self._standing[kind, subject] = Alarm(kind, severity, subject, text, time.time())
        self.count(f"alarms_{kind}")
        self.bus.publish(raised)
        return True

    def clear(self, kind: str, subject: str = "") -> bool:
        """True where such an alarm stood."""
        stood = self._standing.pop((kind, subject), None)
        if stood is None:
            return False
        self.bus.publish(Alarm(kind, Severity.INFO, subject, stood.text, time.time(), cleared=True))
        return True

    def transaction(self, entry: Entry) -> None:
        """A new attempt, or the new status of a known one."""
        known = [at for at, old in enumerate(self._transactions) if old.id == entry.id]
        if known:
            self._transactions[known[0]] = entry
        else:
            self._transactions.appendleft(entry)
        self.count(f"transactions_{entry.status.value}")
        if entry.gas_used is not None and entry.status in (Status.INCLUDED, Status.FAILED):
            self.count("gas_used", entry.gas_used)
        self.bus.publish(TransactionChange(entry))

    def bands(self, assessment: Assessment, findings: Sequence[Finding], called: Mapping[int, int]) -> None:
        """Publishes every account that entered another band."""
        now = dict.fromkeys(called, Band.CALLED)
        now |= {finding.account: Band(finding.tier.name.lower()) for finding in findings}
        changed = [number for number in {*now, *self._bands} if now.get(number, Band.SAFE) is not self._bands.get(number, Band.SAFE)]
        figures, shortfall = assessment.figures, assessment.figures.shortfall
        for number in sorted(changed):
            known = number in assessment.state.accounts and number not in assessment.unpriced
            row = assessment.row(number) if known else None
            self.bus.publish(
                HealthChange(
                    account=number,
                    before=self._bands.get(number, Band.SAFE),
                    now=now.get(number, Band.SAFE),
                    health=math.inf if row is None else float(figures.health[row]),
                    shortfall=0.0 if row is None else float(shortfall[row]),
                    block=assessment.block.number,
                    time=assessment.block.time,
                )
            )
        self._bands = now

    def show(self, **values: Any) -> None:
        """Replaces the snapshot. values: fields of Snapshot beside those that are kept here."""
        self.snapshot = Snapshot(
            at=time.time(),
            account=self._account,
            dry_run=self._dry_run,
            transactions=tuple(self._transactions),
            counters=MappingProxyType(dict(self._counters)),
            latencies=Latencies(**{name: tuple(kept) for name, kept in self._latencies.items()}),
            problems=tuple(sorted({kind for kind, _ in self._standing})),
            **values,
        )
