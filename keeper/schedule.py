"""Periodic jobs (APScheduler): reconciliation, snapshots of the state, funding, settlement of expiries, proposals of parameters.

Jobs read the published snapshot and ask the engine for calls; only the engine simulates, journals and sends them, when
nothing is urgent. What they need of its state they ask of its `Upkeep`. A job that fails is an alarm and runs again.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from keeper.chain import ChainPort, Decoder, Deployment, Store
from keeper.chain.events import MarketUpdated
from keeper.config import Config
from keeper.errors import KeeperError, SimulationError
from keeper.execution import Call
from keeper.logs import get_logger
from keeper.model import WAD
from keeper.monitoring import Assessment
from keeper.portfolio import HOUSE, Parameter, Reconciler
from keeper.roster import JobView, recall, remember, roster_of
from keeper.snapshot import Snapshot
from keeper.tuning import Proposal, Returns, ScaleRules, ewma, fit_garch, hourly_returns, propose
from keeper.upkeep import Reconciliation, Run, Upkeep, write_snapshot

__all__ = [
    "Worker",
    "claim_calls",
    "funding_calls",
    "poke_calls",
    "price_history",
    "scale_proposals",
    "scheduled",
    "settlement_calls",
    "write_proposals",
]

log = get_logger("schedule")

_ACCOUNTS_PER_CALL = 20
"""Settled in one transaction: a position in an expiry costs about as much as a trade."""
_LONG_SECONDS = 1.0
"""From when on the progress of a run is also written to the roster's file."""
_ERROR_LETTERS = 300


class Worker(Protocol):
    """The engine, as far as jobs know it."""

    upkeep: Upkeep

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


def claim_calls(config: Config, assessment: Assessment, deployment: Deployment) -> list[Call]:
    """Deleverager.repayClaim of accounts that owe to fund and loss index and can spare it: those without positions, and those that pay all
    of it and stay above margin calls. Elsewhere it would take the margin of legs whose next loss the same payers bear."""
    state, figures = assessment.state, assessment.figures
    calls = []
    for account, owed in state.deficits.claims.items():
        if account in state.deficits.open or account in assessment.unpriced:
            continue  # an execution repays first
        row, claim = assessment.row(account), owed / WAD
        left = float(figures.margin_equity_maintenance[row]) - claim
        spare = left >= max(float(figures.initial[row]), config.margin_call_cleared * float(figures.maintenance[row]))
        if (spare or not figures.positions[row]) and min(float(figures.equity[row]), claim) > config.gas_cost:
            calls.append(_call(deployment, "Deleverager", "repayClaim", "repay_claim", account))
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


def scale_proposals(
    assessment: Assessment,
    history: dict[int, tuple[list[int], list[float]]],
    rules: ScaleRules,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Proposal]:
    """By the larger of the two forecasts of a day. Underlyings with too short a history are left out. progress: told (underlyings done,
    all), since a fit takes seconds."""
    vols = {}
    for number, (underlying, (times, spots)) in enumerate(history.items()):
        progress(number, len(history))
        try:
            vols[underlying] = _forecast(hourly_returns(times, spots))
        except SimulationError as error:
            log.info("no_forecast", underlying=underlying, reason=str(error))
    progress(len(history), len(history))
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


class _Timetable:
    """Runs jobs and tells how they fare: the engine's `Upkeep` at once, the roster's file when a run has ended or takes long."""

    def __init__(self, scheduler: BackgroundScheduler, upkeep: Upkeep, roster: Path) -> None:
        self._scheduler, self._upkeep, self._roster = scheduler, upkeep, roster
        self._known = recall(roster)
        self._views: dict[str, JobView] = {}
        self._lock = threading.Lock()

    def add(self, name: str, every: float, work: Callable[[Run], None], *, first: float, executor: str = "default") -> None:
        """first: seconds until the first run where none is known of; otherwise it is due `every` after the last, over restarts too. A run
        that a clock which ran ahead put into the future is none: it would hold the job up until then."""
        now, known = time.time(), self._known.get(name)
        due = now + first if known is None or known.started is None or known.started > now else max(now, known.started + every)
        self._views[name] = replace(known or JobView(name, every), every=every, running=False, next=due)
        self._upkeep.report(self._views[name])
        self._scheduler.add_job(
            self._run, "interval", seconds=every, args=[name, work], id=name, name=name, executor=executor, next_run_time=_datetime(due)
        )

    def note(self, name: str, *, keep: bool, **changes: Any) -> None:
        """keep: also in the file."""
        with self._lock:
            view = self._views[name] = replace(self._views[name], **changes)
            if keep:
                with suppress(OSError):  # a full disk is the engine's alarm, and the next run writes again
                    remember(self._roster, self._views.values())
        self._upkeep.report(view)

    def _set_next(self, name: str, at: float | None) -> None:
        with suppress(JobLookupError):  # the scheduler has ended meanwhile
            self._scheduler.modify_job(name, next_run_time=None if at is None else _datetime(at))

    def _run(self, name: str, work: Callable[[Run], None]) -> None:
        run, error = _Run(self, name), ""
        self._set_next(name, None)  # however long it takes, it is due again only when it has ended
        self.note(name, keep=False, running=True, started=run.started)
        try:
            work(run)
        except CancelledError:
            return  # the engine has ended
        except (KeeperError, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"[:_ERROR_LETTERS]
            if error != self._views[name].error:  # once, until it is over or another
                log.warning("job_failed", job=name, reason=error)
        except Exception as failure:
            # A defect of one job must end neither it for good nor the others. What libraries say may quote an address with a key in it.
            error = f"{type(failure).__name__}: see the log"
            log.exception("job_failed", job=name)
        view, now = self._views[name], time.time()
        due = max(now, run.started + (view.every if run.pause is None else run.pause))
        self._set_next(name, due)
        self.note(
            name,
            keep=True,
            running=False,
            seconds=now - run.started,
            next=due,
            error=error,
            runs=view.runs + 1,
            failures=view.failures + bool(error),
        )


class _Run:
    """One run. pause: what the job asked for, None for its usual one."""

    def __init__(self, timetable: _Timetable, name: str) -> None:
        self._timetable, self._name = timetable, name
        self.started = time.time()
        self.pause: float | None = None

    def progress(self, done: int, total: int) -> None:
        self._timetable.note(self._name, keep=time.time() - self.started > _LONG_SECONDS, done=done, total=total)

    def again_in(self, seconds: float) -> None:
        self.pause = seconds


@contextmanager
def scheduled(config: Config, worker: Worker, port: ChainPort, deployment: Deployment) -> Iterator[BackgroundScheduler]:
    """While the block runs; whatever runs at its end is waited for."""

    def ask(calls_of: Callable[[Assessment, Deployment], list[Call]], _run: Run) -> None:
        snapshot = worker.snapshot
        if snapshot.assessment is None or not snapshot.ready or not snapshot.leading:
            return
        for call in calls_of(snapshot.assessment, deployment):
            worker.request(call)

    def tune(run: Run) -> None:
        assessment = worker.snapshot.assessment
        if assessment is None:
            return
        started = time.monotonic()
        proposals = scale_proposals(assessment, price_history(config, deployment), ScaleRules(), run.progress)
        write_proposals(config.jobs.proposals, assessment, deployment, proposals)
        log.info("tuned", proposals=len(proposals), file=str(config.jobs.proposals), seconds=round(time.monotonic() - started, 3))

    executors = {name: ThreadPoolExecutor(1) for name in ("default", "reconcile", "snapshot")}
    scheduler = BackgroundScheduler(
        timezone="UTC",
        # A job that is late runs once, however late. Two instances: it may be due again before the scheduler knows that it has ended; they
        # never run at the same time, since each executor has one thread.
        job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        # Jobs that wait for the engine have threads of their own, so that none makes another wait.
        executors=executors,
    )
    jobs, timetable = config.jobs, _Timetable(scheduler, worker.upkeep, roster_of(config.database))
    compare = Reconciliation(worker.upkeep, Reconciler(port, deployment), jobs, config.retry_after)
    timetable.add("reconcile", jobs.reconcile_every, compare, first=0.0, executor="reconcile")
    timetable.add("snapshot", jobs.snapshot_every, partial(write_snapshot, worker.upkeep), first=jobs.snapshot_every, executor="snapshot")
    for name, every, work in (
        ("funding", jobs.funding_every, partial(ask, funding_calls)),
        ("settlement", jobs.settlement_every, partial(ask, settlement_calls)),
        ("poke", jobs.poke_every, partial(ask, poke_calls)),
        ("claims", jobs.claims_every, partial(ask, partial(claim_calls, config))),
        ("tuning", jobs.tuning_every, tune),
    ):
        if math.isfinite(every) and every > 0.0:
            timetable.add(name, every, work, first=every)
    scheduler.start()
    try:
        yield scheduler
    finally:
        worker.upkeep.close()  # else a job would wait for an engine that steps no more
        # Not scheduler.shutdown(wait=True): it holds the lock that a job needs to set its next run, and would wait for ever.
        scheduler.shutdown(wait=False)
        for executor in executors.values():
            executor.shutdown()


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
