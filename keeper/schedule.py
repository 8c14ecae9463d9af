"""Periodic jobs (APScheduler) beside the engine's own work: funding, settlement of expiries, proposals of parameters.

Jobs read the published snapshot and ask the engine for calls; only the engine simulates, journals and sends them, when
nothing is urgent. Reconciliation and state snapshots are the engine's own: they need its thread and its pauses.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

from keeper.chain import Decoder, Deployment, Store
from keeper.chain.events import MarketUpdated
from keeper.config import Config
from keeper.errors import KeeperError, SimulationError
from keeper.execution import Call
from keeper.logs import get_logger
from keeper.model import WAD
from keeper.monitoring import Assessment
from keeper.portfolio import HOUSE, Parameter
from keeper.snapshot import Snapshot
from keeper.tuning import Proposal, Returns, ScaleRules, ewma, fit_garch, hourly_returns, propose

__all__ = ["Worker", "funding_calls", "poke_calls", "price_history", "scale_proposals", "scheduled", "settlement_calls", "write_proposals"]

log = get_logger("schedule")

_ACCOUNTS_PER_CALL = 20
"""Settled in one transaction: a position in an expiry costs about as much as a trade."""


class Worker(Protocol):
    """The engine, as far as jobs know it."""

    @property
    def snapshot(self) -> Snapshot: ...

    def request(self, call: Call) -> None: ...


# --- what is due: assessment in, calls out ---


def funding_calls(assessment: Assessment, deployment: Deployment) -> list[Call]:
    """Funding.update of every quoted underlying; where the ledger charges or vests by other terms than governance set, those first."""
    state = assessment.state
    calls = []
    if state.table.stored(Parameter.DEBIT_RATE) != state.carry.debit.rate:
        calls.append(_call(deployment, "Funding", "updateDebitRate", "debit_rate"))
    if state.table.stored(Parameter.PROFIT_VESTING) != state.vesting:
        calls.append(_call(deployment, "Funding", "updateProfitVesting", "profit_vesting"))
    return calls + [_call(deployment, "Funding", "update", "funding", underlying) for underlying in assessment.market.underlyings]


def poke_calls(assessment: Assessment, deployment: Deployment) -> list[Call]:
    """PriceDoor.poke of every underlying whose price is older than STALE_LIMIT: trips the breaker, so that nobody trades on it."""
    limit, now = assessment.state.table.scalar(Parameter.STALE_LIMIT), assessment.block.time
    stale = [underlying for underlying, feed in assessment.state.spots.items() if limit > 0.0 and now - feed.signed_at > limit]
    return [_call(deployment, "PriceDoor", "poke", "poke", underlying) for underlying in stale]


def settlement_calls(assessment: Assessment, deployment: Deployment) -> list[Call]:
    """What expiries in the past still need: a price to settle at (anybody may fix it), then every holder settled, in batches."""
    now, state = assessment.block.time, assessment.state
    calls = []
    for underlying, quoted in assessment.market.underlyings.items():
        for expiry in quoted.expiries:
            if expiry.expiry > now:
                continue
            holders = [
                account.id
                for account in state.accounts.values()
                if account.id != HOUSE and any(i.underlying == underlying and i.expiry == expiry.expiry for i in account.positions)
            ]
            if not holders:
                continue
            if expiry.settlement is None:
                calls.append(_call(deployment, "Settlement", "fix", "fix_settlement", underlying, expiry.expiry))
                continue
            for first in range(0, len(holders), _ACCOUNTS_PER_CALL):
                batch = holders[first : first + _ACCOUNTS_PER_CALL]
                calls.append(_call(deployment, "Settlement", "settle", "settle", batch, underlying, expiry.expiry))
    return calls


def _call(deployment: Deployment, name: str, function: str, purpose: str, *arguments: object) -> Call:
    contract = deployment.contract(name)
    return Call(contract.address, contract.encode(function, *arguments), purpose, None)


# --- tuning ---


def price_history(config: Config, deployment: Deployment) -> dict[int, tuple[list[int], list[float]]]:
    """(times, spots) by underlying, as signed, from the keeper's own database."""
    decoder, found = Decoder(deployment), dict[int, tuple[list[int], list[float]]]()
    wanted = deployment.contract("PriceDoor").events["MarketUpdated"].topic
    store = Store.copy_of(config.database, deployment.fingerprint)
    try:
        for event in decoder.decode_all(log for log in store.logs() if log.topics[0] == wanted):
            if isinstance(event, MarketUpdated):
                times, spots = found.setdefault(event.underlying, ([], []))
                times.append(event.timestamp)
                spots.append(event.spot / WAD)
    finally:
        store.close()
    return found


def scale_proposals(assessment: Assessment, history: dict[int, tuple[list[int], list[float]]], rules: ScaleRules) -> list[Proposal]:
    """By the larger of the two forecasts of a day. Underlyings with too short a history are left out."""
    vols = {}
    for underlying, (times, spots) in history.items():
        try:
            vols[underlying] = _forecast(hourly_returns(times, spots))
        except SimulationError as error:
            log.info("no_forecast", underlying=underlying, reason=str(error))
    now = {underlying: quoted.spot_scale for underlying, quoted in assessment.market.underlyings.items()}
    return propose({u: vol for u, vol in vols.items() if u in now and vol > 0.0}, now, assessment.parameters, rules)


def _forecast(returns: Returns) -> float:
    return max(ewma(returns), fit_garch(returns).forecast(1.0))


def write_proposals(path: Path, assessment: Assessment, deployment: Deployment, proposals: Sequence[Proposal]) -> None:
    """For governance: what is proposed, why, and the call that the timelock would make. Replaces the file whole."""
    parameters = deployment.contract("RiskParameters")
    groups = {member: number for number, group in assessment.state.table.groups() for member in group.members}
    content = {
        "block": assessment.block.number,
        "time": assessment.block.time,
        "proposals": [
            {
                **asdict(each),
                "symbol": assessment.state.symbols.get(each.underlying, str(each.underlying)),
                "target": parameters.address,
                "call": f"setUnderlying({each.underlying}, {groups.get(each.underlying, 0)}, {each.word})",
                "data": "0x" + parameters.encode("setUnderlying", each.underlying, groups.get(each.underlying, 0), each.word).hex(),
            }
            for each in proposals
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1))
    fresh.replace(path)


# --- when ---


@contextmanager
def scheduled(config: Config, worker: Worker, deployment: Deployment) -> Iterator[BackgroundScheduler]:
    """While the block runs."""

    def ask(calls_of: Callable[[Assessment, Deployment], list[Call]]) -> None:
        snapshot = worker.snapshot
        if snapshot.assessment is None or not snapshot.ready or not snapshot.leading:
            return
        for call in calls_of(snapshot.assessment, deployment):
            worker.request(call)

    def tune() -> None:
        assessment = worker.snapshot.assessment
        if assessment is None:
            return
        started = time.monotonic()
        try:
            proposals = scale_proposals(assessment, price_history(config, deployment), ScaleRules())
            write_proposals(config.jobs.proposals, assessment, deployment, proposals)
        except (KeeperError, OSError) as error:
            log.warning("tuning_failed", reason=str(error))
            return
        log.info("tuned", proposals=len(proposals), file=str(config.jobs.proposals), seconds=round(time.monotonic() - started, 3))

    scheduler = BackgroundScheduler(
        timezone="UTC",
        # A job that is late runs once, not as often as it was missed; one at a time, they are small.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
        executors={"default": {"type": "threadpool", "max_workers": 1}},
    )
    jobs = config.jobs
    for name, every, job, arguments in (
        ("funding", jobs.funding_every, ask, [funding_calls]),
        ("settlement", jobs.settlement_every, ask, [settlement_calls]),
        ("poke", jobs.poke_every, ask, [poke_calls]),
        ("tuning", jobs.tuning_every, tune, []),
    ):
        if math.isfinite(every) and every > 0.0:
            scheduler.add_job(job, "interval", seconds=every, args=arguments, id=name, name=name)
    scheduler.add_listener(_failed, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)


def _failed(event: JobExecutionEvent) -> None:
    log.error("job_failed", job=event.job_id, error=None if event.exception is None else repr(event.exception))
