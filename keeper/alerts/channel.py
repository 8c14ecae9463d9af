"""One receiver's view: what it was told, and what it is to be told next.

It works on the difference between what stands and what was told, not on a queue: a receiver that was away for an hour learns
how things are, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from keeper.alerts.incidents import RANK, Incident
from keeper.bus import Severity
from keeper.errors import AlertError
from keeper.logs import get_logger
from keeper.observation import SinkSettings

__all__ = ["Channel", "Event", "Message", "Sink"]

log = get_logger("alerts")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 300.0


class Event(StrEnum):
    RAISED = "raised"
    ESCALATED = "escalated"  # graver than when it was told
    REMINDER = "reminder"
    RECOVERED = "recovered"
    SUMMARY = "summary"  # several at once: more happened than the receiver wants to read one by one


@dataclass(frozen=True, slots=True)
class Message:
    """incidents: one, or all that a summary is about, each with its event. at: unix seconds."""

    event: Event
    incidents: tuple[tuple[Event, Incident], ...]
    at: float

    @property
    def incident(self) -> Incident:
        """The gravest."""
        return max((incident for _, incident in self.incidents), key=lambda each: RANK[each.severity])


class Sink(Protocol):
    """summaries: takes several incidents in one message; else each waits until it may be sent."""

    @property
    def summaries(self) -> bool: ...

    def send(self, message: Message) -> None:
        """Raises AlertError where the receiver did not take it."""


@dataclass(slots=True)
class _Told:
    incident: Incident
    at: float


class Channel:
    """Not for several threads."""

    def __init__(self, settings: SinkSettings, sink: Sink) -> None:
        self.settings = settings
        self.sent = 0
        self.failed = 0
        self._sink = sink
        self._least = RANK[Severity(settings.least)]
        self._told: dict[str, _Told] = {}
        self._tokens = float(settings.per_minute)
        self._tokens_at = 0.0
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def told(self) -> list[Incident]:
        """Incidents that the receiver believes to stand."""
        return [told.incident for told in self._told.values()]

    def restore(self, incidents: Iterable[Incident], now: float) -> None:
        """What it was told before the process ended."""
        self._told |= {incident.key: _Told(incident, now) for incident in incidents}

    def step(self, standing: Mapping[str, Incident], now: float) -> bool:
        """Tells what is due, as far as the rate allows; True where something was delivered."""
        self._tokens = min(float(self.settings.per_minute), self._tokens + (now - self._tokens_at) * self.settings.per_minute / 60.0)
        self._tokens_at = now
        delivered = False
        for message in self._messages(self._due(standing, now), now):
            if now < self._not_before or self._tokens < 1.0:
                break
            self._tokens -= 1.0
            if not self._deliver(message, now):
                break
            delivered = True
        return delivered

    def _due(self, standing: Mapping[str, Incident], now: float) -> list[tuple[Event, Incident]]:
        """Gravest first, recoveries last."""
        due = []
        for key, incident in standing.items():
            told = self._told.get(key)
            if told is None:
                if RANK[incident.severity] >= self._least and now - incident.since >= self.settings.after and incident.gone_at is None:
                    due.append((Event.RAISED, incident))
            elif RANK[incident.severity] > RANK[told.incident.severity]:
                due.append((Event.ESCALATED, incident))
            elif self.settings.repeat > 0.0 and now - told.at >= self.settings.repeat and incident.gone_at is None:
                due.append((Event.REMINDER, incident))
        due.sort(key=lambda item: (-RANK[item[1].severity], item[1].since))
        return due + [(Event.RECOVERED, told.incident) for key, told in self._told.items() if key not in standing]

    def _messages(self, due: list[tuple[Event, Incident]], now: float) -> list[Message]:
        """One each while the rate allows it, the rest in one summary."""
        allowed = int(self._tokens)
        if len(due) <= allowed or not self._sink.summaries:
            return [Message(event, ((event, incident),), now) for event, incident in due]
        alone = max(0, allowed - 1)
        messages = [Message(event, ((event, incident),), now) for event, incident in due[:alone]]
        return [*messages, Message(Event.SUMMARY, tuple(due[alone:]), now)]

    def _deliver(self, message: Message, now: float) -> bool:
        try:
            self._sink.send(message)
        except AlertError as error:
            self.failed += 1
            self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2.0 * self._pause))
            self._not_before = now + max(self._pause, error.retry_after or 0.0)
            log.warning("alert_not_delivered", sink=self.settings.title, reason=str(error), again_in=round(self._not_before - now, 1))
            return False
        self.sent += 1
        self._pause = 0.0
        for event, incident in message.incidents:
            if event is Event.RECOVERED:
                self._told.pop(incident.key, None)
            else:
                self._told[incident.key] = _Told(incident, now)
        log.info(
            "alert_delivered", sink=self.settings.title, alert=message.event.value, incidents=[i.key for _, i in message.incidents][:20]
        )
        return True

    def figures(self) -> Mapping[str, Any]:
        return {"sent": self.sent, "failed": self.failed}
