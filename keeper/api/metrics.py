"""The engine's snapshot as Prometheus metrics, made when they are asked for: a scrape costs the engine nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keeper.model import WAD
from keeper.overview import band_counts
from keeper.snapshot import Latencies, Snapshot

__all__ = ["CONTENT_TYPE", "METRICS", "SnapshotCollector", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUANTILES = (0.5, 0.9, 0.99, 1.0)

METRICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "keeper_ready": ("1 while the keeper follows the chain and has assessed it", ()),
    "keeper_leading": ("1 while this keeper may send", ()),
    "keeper_dry_run": ("1 where nothing is ever sent", ()),
    "keeper_snapshot_age_seconds": ("seconds since the engine's last step", ()),
    "keeper_head_block": ("newest block seen", ()),
    "keeper_cursor_block": ("last block folded into the state", ()),
    "keeper_cursor_lag_blocks": ("blocks between the two", ()),
    "keeper_block_age_seconds": ("wall clock less the time of the last block folded", ()),
    "keeper_reorg_depth_blocks": ("blocks taken back by the last reorganisation", ()),
    "keeper_reorgs_total": ("reorganisations followed", ()),
    "keeper_oracle_age_seconds": ("age of the signed price at the last block folded", ("underlying",)),
    "keeper_accounts": ("accounts by band of health", ("band",)),
    "keeper_unpriced_accounts": ("accounts that hold what nobody quotes", ()),
    "keeper_margin_calls": ("margin calls open", ()),
    "keeper_shortfall_usd": ("maintenance margin that under-margined accounts lack", ()),
    "keeper_urgency_usd": ("what the fund stands to lose in the worst scenarios if nobody acts", ()),
    "keeper_queue_depth": ("findings not yet acted upon", ()),
    "keeper_stage_seconds": ("last thousand: see, margin (kernel), send, inclusion (detection to receipt)", ("stage", "quantile")),
    "keeper_transactions": ("attempts in the journal by status", ("status",)),
    "keeper_nonce_gap": ("transactions in flight", ("signer",)),
    "keeper_next_nonce": ("nonce that the next transaction will have", ("signer",)),
    "keeper_signer_balance": ("whole coins for gas", ("signer",)),
    "keeper_gas_today": ("whole coins spent on gas since midnight UTC", ("signer",)),
    "keeper_gas_cap_today": ("whole coins that may be spent on gas per day", ("signer",)),
    "keeper_gas_used_total": ("gas of included transactions", ()),
    "keeper_fund_balance_usd": ("insurance fund", ()),
    "keeper_deficits_open": ("deficits beyond the fund, being deleveraged", ()),
    "keeper_deficit_usd": ("what the accounts of open deficits owe and nobody has paid", ()),
    "keeper_adl_nominees": ("places taken in the queues of those who bear them", ()),
    "keeper_claims_usd": ("what accounts owe to fund and loss index for deficits that others paid", ()),
    "keeper_events_total": ("what the engine counts, by name", ("name",)),
    "keeper_problem": ("1 per alarm that stands", ("kind",)),
    "keeper_endpoint_active": ("1 where this node is the one that is read", ("endpoint",)),
    "keeper_endpoint_lag_blocks": ("blocks behind the best node", ("endpoint",)),
    "keeper_endpoint_seconds": ("moving mean of the node's answers", ("endpoint",)),
    "keeper_endpoint_failures_total": ("requests without a usable answer", ("endpoint",)),
    "keeper_job_last_run_seconds": ("unix time at which the newest run of a periodic job began", ("name",)),
    "keeper_job_next_run_seconds": ("unix time at which it runs next", ("name",)),
    "keeper_job_duration_seconds": ("how long the last run took", ("name",)),
    "keeper_job_progress": ("share of its present work that is done", ("name",)),
    "keeper_job_runs_total": ("runs that ended", ("name",)),
    "keeper_job_failures_total": ("runs that failed", ("name",)),
    "keeper_alerts_sent_total": ("messages delivered", ("sink",)),
    "keeper_alerts_failed_total": ("attempts to deliver that failed", ("sink",)),
    "keeper_api_requests_total": ("requests answered, by status", ("status",)),
    "keeper_streams": ("streams connected", ()),
}
"""Name -> (what it says, labels). Dashboards and alert rules may use these and no others: a test holds them to it."""

Extra = Callable[[], Mapping[str, Mapping[tuple[str, ...], float]]]
"""Figures of the service around the engine: name -> labels -> value."""


class SnapshotCollector(Collector):
    """source: the newest snapshot; extra: figures that are not the engine's; clock: unix seconds."""

    def __init__(self, source: Callable[[], Snapshot], extra: tuple[Extra, ...] = (), clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._extra = extra
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        yield from (_family(name) for name in METRICS)

    def collect(self) -> Iterator[Metric]:
        values = self._values(self._source())
        for extra in self._extra:
            values |= extra()
        for name in METRICS:
            family = _family(name)
            for labels, value in values.get(name, {}).items():
                family.add_metric(labels, value)
            if family.samples:
                yield family

    def _values(self, snapshot: Snapshot) -> dict[str, Mapping[tuple[str, ...], float]]:
        now = self._clock()
        values: dict[str, Mapping[tuple[str, ...], float]] = {
            "keeper_ready": _one(snapshot.ready),
            "keeper_leading": _one(snapshot.leading),
            "keeper_dry_run": _one(snapshot.dry_run),
            "keeper_snapshot_age_seconds": _one(now - snapshot.at),
            "keeper_cursor_lag_blocks": _one(snapshot.lag),
            "keeper_reorg_depth_blocks": _one(snapshot.reorg_depth),
            "keeper_reorgs_total": _one(snapshot.reorgs),
            "keeper_oracle_age_seconds": {(symbol,): age for symbol, age in snapshot.oracle_ages.items()},
            "keeper_margin_calls": _one(len(snapshot.margin_calls)),
            "keeper_shortfall_usd": _one(sum(max(0.0, finding.shortfall) for finding in snapshot.findings)),
            "keeper_urgency_usd": _one(sum(max(0.0, finding.urgency) for finding in snapshot.findings)),
            "keeper_queue_depth": _one(snapshot.queue),
            "keeper_stage_seconds": _stages(snapshot.latencies),
            "keeper_transactions": {(status,): float(count) for status, count in snapshot.counts.items()},
            "keeper_gas_used_total": _one(snapshot.counters.get("gas_used", 0)),
            "keeper_events_total": {(name,): float(count) for name, count in snapshot.counters.items()},
            "keeper_problem": {(kind,): 1.0 for kind in snapshot.problems},
            "keeper_endpoint_active": {(each.name,): float(each.active) for each in snapshot.endpoints},
            "keeper_endpoint_lag_blocks": {(each.name,): float(each.lag) for each in snapshot.endpoints},
            "keeper_endpoint_seconds": {(each.name,): each.milliseconds / 1000.0 for each in snapshot.endpoints},
            "keeper_endpoint_failures_total": {(each.name,): float(each.failures) for each in snapshot.endpoints},
            "keeper_job_last_run_seconds": {(each.name,): each.started for each in snapshot.jobs if each.started is not None},
            "keeper_job_next_run_seconds": {(each.name,): each.next for each in snapshot.jobs if each.next is not None},
            "keeper_job_duration_seconds": {(each.name,): each.seconds for each in snapshot.jobs if each.seconds is not None},
            "keeper_job_progress": {(each.name,): each.done / each.total for each in snapshot.jobs if each.total},
            "keeper_job_runs_total": {(each.name,): float(each.runs) for each in snapshot.jobs},
            "keeper_job_failures_total": {(each.name,): float(each.failures) for each in snapshot.jobs},
            "keeper_nonce_gap": {(each.address,): float(each.gap) for each in snapshot.signers},
            "keeper_next_nonce": {(each.address,): float(each.nonce) for each in snapshot.signers if each.nonce is not None},
            "keeper_signer_balance": {(each.address,): each.balance / WAD for each in snapshot.signers if each.balance is not None},
            "keeper_gas_today": {(each.address,): each.spent_today / WAD for each in snapshot.signers},
            "keeper_gas_cap_today": {(each.address,): each.cap_today / WAD for each in snapshot.signers if each.cap_today is not None},
        }
        if snapshot.head is not None:
            values["keeper_head_block"] = _one(snapshot.head.number)
        if snapshot.cursor is not None:
            values["keeper_cursor_block"] = _one(snapshot.cursor.number)
            values["keeper_block_age_seconds"] = _one(now - snapshot.cursor.time)
        if snapshot.assessment is not None:
            values["keeper_accounts"] = {(band.value,): float(count) for band, count in band_counts(snapshot).items()}
            values["keeper_unpriced_accounts"] = _one(len(snapshot.assessment.unpriced))
            values |= _deficits(snapshot)
        if snapshot.fund_balance is not None:
            values["keeper_fund_balance_usd"] = _one(snapshot.fund_balance)
        return values


def exposition(collector: SnapshotCollector) -> bytes:
    """The page that Prometheus reads, as CONTENT_TYPE."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def _family(name: str) -> CounterMetricFamily | GaugeMetricFamily:
    text, labels = METRICS[name]
    if name.endswith("_total"):
        return CounterMetricFamily(name, text, labels=labels)
    return GaugeMetricFamily(name, text, labels=labels)


def _deficits(snapshot: Snapshot) -> dict[str, Mapping[tuple[str, ...], float]]:
    if snapshot.assessment is None:
        return {}
    deficits = snapshot.assessment.state.deficits
    return {
        "keeper_deficits_open": _one(len(deficits.open)),
        "keeper_deficit_usd": _one(sum(max(0.0, -each.equity) for each in snapshot.findings if each.account in deficits.open)),
        "keeper_adl_nominees": _one(sum(map(len, deficits.queues.values()))),
        "keeper_claims_usd": _one(sum(deficits.claims.values()) / WAD),
    }


def _one(value: float) -> dict[tuple[str, ...], float]:
    return {(): float(value)}


def _stages(latencies: Latencies) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for stage in fields(latencies):
        kept = getattr(latencies, stage.name)
        if kept:
            at = np.quantile(np.asarray(kept), QUANTILES) / 1000.0
            found |= {(stage.name, str(quantile)): float(value) for quantile, value in zip(QUANTILES, at, strict=True)}
    return found
