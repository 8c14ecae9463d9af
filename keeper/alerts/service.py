"""The threads: one watches, one per receiver tells."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keeper.alerts.channel import Channel, Event, Message
from keeper.alerts.incidents import Incident, Incidents
from keeper.alerts.sinks import sink_of
from keeper.alerts.watch import Watch
from keeper.bus import Severity
from keeper.errors import AlertError
from keeper.logs import get_logger
from keeper.observation import AlertSettings
from keeper.publication import Source

__all__ = ["Alerting", "alerting", "try_sinks"]

log = get_logger("alerts")

_LOOK_SECONDS = 0.5
_SETTLE_SECONDS = 10.0


class Alerting:
    """memory: file that keeps what was told over a restart, None for nothing."""

    def __init__(self, settings: AlertSettings, source: Source, name: str, memory: Path | None) -> None:
        self._source = source
        self._memory = memory
        self._incidents = Incidents(_SETTLE_SECONDS)
        self._watch = Watch(settings.watch, self._incidents, margin_calls=settings.margin_calls)
        self._channels = [Channel(sink, sink_of(sink, name)) for sink in settings.sinks]
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._threads = [threading.Thread(target=self._watching, name="alerts", daemon=True)]
        self._threads += [
            threading.Thread(target=self._telling, args=(channel,), name=f"alerts-{channel.settings.title}", daemon=True)
            for channel in self._channels
        ]

    def start(self) -> None:
        self._restore()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def figures(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """For /metrics."""
        return {
            "keeper_alerts_sent_total": {(channel.settings.title,): float(channel.sent) for channel in self._channels},
            "keeper_alerts_failed_total": {(channel.settings.title,): float(channel.failed) for channel in self._channels},
        }

    def _watching(self) -> None:
        with self._source.bus.subscribe() as subscription:
            while not self._stop.is_set():
                news = subscription.take(_LOOK_SECONDS)
                now = time.time()
                if news is not None:
                    self._watch.hear(news, now)
                    for more in subscription.drain():
                        self._watch.hear(more, now)
                self._watch.look(self._source.snapshot, now)

    def _telling(self, channel: Channel) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            now = time.time()
            try:
                if channel.step(self._incidents.standing(now), now):
                    self._keep()
            except Exception:
                # One receiver's defect must silence neither it for good nor the others.
                log.exception("alert_failed", sink=channel.settings.title)

    def _keep(self) -> None:
        if self._memory is None:
            return
        with self._writing:
            told = {channel.settings.title: [asdict(incident) for incident in channel.told] for channel in self._channels}
            fresh = self._memory.with_suffix(".new")
            fresh.write_text(json.dumps(told))
            fresh.replace(self._memory)

    def _restore(self) -> None:
        if self._memory is None or not self._memory.exists():
            return
        now = time.time()
        try:
            told = json.loads(self._memory.read_text())
            for channel in self._channels:
                incidents = [_incident(each) for each in told.get(channel.settings.title, [])]
                channel.restore(incidents, now)
                self._incidents.restore(incidents, now)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("alerts_forgotten", reason=str(error))


@contextmanager
def alerting(settings: AlertSettings, source: Source, name: str, memory: Path | None) -> Iterator[Alerting]:
    """While the block runs."""
    service = Alerting(settings, source, name, memory)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def try_sinks(settings: AlertSettings, name: str) -> dict[str, str]:
    """One message to every receiver; by receiver what went wrong, "" where nothing did."""
    now, found = time.time(), {}
    incident = Incident("test", "", Severity.INFO, "A test: if you can read this, alerts arrive.", now)
    for sink in settings.sinks:
        try:
            sink_of(sink, name).send(Message(Event.RAISED, ((Event.RAISED, incident),), now))
            sink_of(sink, name).send(Message(Event.RECOVERED, ((Event.RECOVERED, incident),), now))
            found[sink.title] = ""
        except AlertError as error:
            found[sink.title] = str(error)
    return found


def _incident(content: dict[str, Any]) -> Incident:
    return Incident(**{**content, "severity": Severity(content["severity"])})
