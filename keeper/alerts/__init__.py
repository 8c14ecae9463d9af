"""Telling people: what stands as trouble, and messages about it to webhook, Slack, Telegram, e-mail and PagerDuty.

with alerting(config, engine):      # threads of their own; the engine never waits for a receiver
    engine.run(stop)
"""

from keeper.alerts.channel import Channel, Event, Message
from keeper.alerts.incidents import Incident, Incidents
from keeper.alerts.service import Alerting, alerting, try_sinks
from keeper.alerts.sinks import sink_of
from keeper.alerts.watch import Watch

__all__ = ["Alerting", "Channel", "Event", "Incident", "Incidents", "Message", "Watch", "alerting", "sink_of", "try_sinks"]
