"""What stands as trouble now: one incident per kind and subject, however often it is reported."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from keeper.bus import Severity

__all__ = ["RANK", "Incident", "Incidents"]

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class Incident:
    """kind: stable name, the title of a runbook in docs/operations.md; subject: what it is about, "" for the keeper itself; since: unix
    seconds of the first report; gone_at: when it was last reported to be over, None while it stands."""

    kind: str
    subject: str
    severity: Severity
    text: str
    since: float
    gone_at: float | None = None

    @property
    def key(self) -> str:
        """The same for every report of this trouble."""
        return f"{self.kind}/{self.subject}" if self.subject else self.kind


class Incidents:
    """Safe between threads. settle: seconds that trouble must be gone to be over; what comes back before is the same incident.

    confirm_within: seconds that incidents of an earlier run may wait for being reported again before they are over.
    """

    def __init__(self, settle: float, confirm_within: float = 60.0) -> None:
        self._settle = settle
        self._confirm_within = confirm_within
        self._lock = threading.Lock()
        self._standing: dict[str, Incident] = {}

    def restore(self, incidents: list[Incident], now: float) -> None:
        """What stood when the process ended: over unless it is reported again."""
        with self._lock:
            gone_at = now + self._confirm_within - self._settle
            self._standing |= {incident.key: replace(incident, gone_at=gone_at) for incident in incidents}

    def report(self, kind: str, severity: Severity, text: str, now: float, subject: str = "") -> None:
        """It stands: begins, or goes on with its newest text and its gravest severity."""
        with self._lock:
            new = Incident(kind, subject, severity, text, now)
            known = self._standing.get(new.key)
            if known is not None:
                gravest = max(severity, known.severity, key=RANK.__getitem__)
                new = replace(new, since=known.since, severity=gravest)
            self._standing[new.key] = new

    def over(self, kind: str, now: float, subject: str = "") -> None:
        with self._lock:
            known = self._standing.get(Incident(kind, subject, Severity.INFO, "", now).key)
            if known is not None and known.gone_at is None:
                self._standing[known.key] = replace(known, gone_at=now)

    def standing(self, now: float) -> dict[str, Incident]:
        """By key; those that have been gone for long enough are left out and forgotten."""
        with self._lock:
            self._standing = {
                key: each for key, each in self._standing.items() if each.gone_at is None or now - each.gone_at < self._settle
            }
            return dict(self._standing)
