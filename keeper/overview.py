"""What the keeper sees now, as plain figures: for the command line and for machines."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from keeper.bus import Band
from keeper.chain import Block, ChainPort, Deployment, Store
from keeper.config import Config
from keeper.doctor import connect
from keeper.engine import follower_of
from keeper.errors import ChainError, MarketError, StoreError
from keeper.execution import Journal, call_of
from keeper.liquidation import Conversion, Costs, Flag, Liquidation, Planner
from keeper.model import WAD
from keeper.monitoring import Assessment, Assessor, Finding, MarginCallStore, Tier, find
from keeper.portfolio import HOUSE, Progress, State
from keeper.roster import recall, roster_of
from keeper.snapshot import Snapshot

__all__ = [
    "AccountLine",
    "Backfill",
    "DeficitLine",
    "QueueLine",
    "Suggestion",
    "account_lines",
    "assessed",
    "backfilled",
    "band_counts",
    "deficit_lines",
    "look",
    "status_of",
    "suggestions",
]


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account, USD; health None where it is unbounded (nothing at risk). worst first when listed."""

    account: int
    owner: str
    mode: str
    equity: float
    margin_equity: float
    initial: float
    maintenance: float
    health: float | None
    positions: int
    gross_notional: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What anybody could do about one account now. kind: "liquidate", "flag", "convert" or "cover"; legs: (packed instrument, signed
    size 1e18); witness: (scenarios per underlying, per group); payment: USD expected; to, data: the call, with `taker`'s account in it."""

    account: int
    tier: str
    health: float | None
    shortfall: float
    urgency: float
    kind: str
    legs: tuple[tuple[int, int], ...]
    witness: tuple[bytes, bytes]
    payment: float
    to: str
    data: bytes


def suggestions(snapshot: Snapshot, deployment: Deployment, taker: int, count: int = 100) -> list[Suggestion]:
    """The most urgent `count` findings of a snapshot with a plan for each, for an account `taker` whose own margin is not asked.
    Estimates by the keeper's figures: simulate before sending."""
    assessment = snapshot.assessment
    if assessment is None:
        return []
    planner = Planner(assessment, None, Costs(0.0, 0.0, None))
    found = []
    for finding in snapshot.findings[:count]:
        if finding.account == taker:
            continue
        plan = planner.plan(finding, _discount(assessment, finding))
        if plan is None:
            continue
        call = call_of(plan, deployment, taker)
        taken = plan.legs if isinstance(plan, Liquidation | Conversion) else ()
        found.append(
            Suggestion(
                account=finding.account,
                tier=finding.tier.name,
                health=finding.health if math.isfinite(finding.health) else None,
                shortfall=finding.shortfall,
                urgency=finding.urgency,
                kind=call.purpose,
                legs=tuple((leg.instrument.pack(), leg.size.raw) for leg in taken),
                witness=plan.witness.encode() if isinstance(plan, Liquidation | Flag) else (b"", b""),
                payment=plan.payment if isinstance(plan, Liquidation) else 0.0,
                to=call.to,
                data=call.data,
            )
        )
    return found


def _discount(assessment: Assessment, finding: Finding) -> float:
    """Share of the release paid at the assessment's block, by the clock as last flagged."""
    rules = assessment.rules
    if finding.tier is not Tier.FULL:
        return rules.partial_discount
    started = assessment.state.clocks.get(finding.account, assessment.block.time)
    elapsed = min(1.0, max(0.0, (assessment.block.time - started) / rules.dutch_duration)) if rules.dutch_duration > 0.0 else 1.0
    return rules.dutch_discount_start + (rules.dutch_discount_max - rules.dutch_discount_start) * elapsed


def look(config: Config) -> tuple[Progress, Assessment | None, Store]:
    """The state at the head: what the database has, and the rest from the node. Writes nothing to the database; the store
    that comes back is a copy. The assessment is None before prices are published. Raises ChainError and DeploymentError."""
    deployment, port = connect(config)
    store = Store.copy_of(config.database, deployment.fingerprint)
    follower = follower_of(port, deployment, store)
    while (progress := follower.advance()) is not None and not progress.caught_up:
        pass
    current = follower.current()
    if current is None:
        raise ChainError(f"the chain has no block {deployment.first_block} yet, where the deployment begins")
    ready = current.state.table.is_complete and current.state.spots
    return current, Assessor().assess(current.state, current.block) if ready else None, store


def assessed(config: Config) -> tuple[Snapshot, Assessment, Deployment]:
    """`look` in the shape in which a running engine shows itself. Raises as `look`, and MarketError before there are prices."""
    progress, assessment, store = look(config)
    if assessment is None:
        raise MarketError("expected prices of some underlying, none was published")
    exclude = frozenset() if config.account is None else frozenset({config.account})
    snapshot = Snapshot(
        at=time.time(),
        account=config.account or HOUSE,
        ready=True,
        cursor=progress.block,
        head=progress.block,
        assessment=assessment,
        findings=tuple(find(assessment, exclude)),
        margin_calls=MarginCallStore(store.connection).open_calls().since,
    )
    store.close()
    return snapshot, assessment, Deployment.load(config.deployment)


@dataclass(frozen=True, slots=True)
class Backfill:
    """first, until: the range that is read; block: the last block read so far; events: read in this run."""

    first: int
    until: int
    block: int
    events: int
    accounts: int


def backfilled(config: Config, to: int | None, *, again: bool) -> Iterator[Backfill]:
    """Reads the chain into the keeper's own database up to block `to` (the head where that is None or comes first), telling after every
    step. again: what was read before is forgotten first. Raises as `look`, and StoreError where a keeper runs on the database."""
    deployment, pool = connect(config)
    port = cast(ChainPort, pool if to is None else _UpTo(pool, to))
    with closing(Store(config.database, deployment.fingerprint, exclusive=True)) as store:
        follower = follower_of(port, deployment, store)
        if again:
            follower.start_over()
        start = follower.current()
        first = deployment.first_block if start is None else start.block.number + 1
        until, events = port.head().number, 0
        block = first - 1
        while block < until:
            progress = follower.advance()
            if progress is None:
                break
            block, events = progress.block.number, events + len(progress.events)
            yield Backfill(first, until, block, events, len(progress.state.accounts) - 1)
        if block < first:
            yield Backfill(first, until, block, 0, len(follower.state.accounts) - 1)


class _UpTo:
    """A node whose head is block `last` at most."""

    def __init__(self, port: ChainPort, last: int) -> None:
        self._port = port
        self._last = last

    def head(self) -> Block:
        newest = self._port.head()
        return (self._port.block(self._last) or newest) if newest.number > self._last else newest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def journal_of(config: Config, store: Store) -> Journal:
    """A copy of the journal: in the keeper's own database, a copy of which is `store`, or in that of the lease which keepers share. Raises
    StoreError where that cannot be read."""
    if config.lease is None:
        return Journal(store.connection)
    copy = sqlite3.connect(":memory:")
    if config.lease.exists():
        try:
            with closing(sqlite3.connect(f"{config.lease.resolve().as_uri()}?mode=ro", uri=True)) as shared:
                shared.backup(copy)
        except sqlite3.Error as error:
            raise StoreError(f"{config.lease}: {error}") from error
    return Journal(copy)


def account_lines(assessment: Assessment) -> list[AccountLine]:
    """Every account but the house, by rising health."""
    figures = assessment.figures
    lines = []
    for row in np.argsort(figures.health, kind="stable").tolist():
        account = assessment.state.accounts[int(figures.account_id[row])]
        if account.id == HOUSE:
            continue
        health = float(figures.health[row])
        lines.append(
            AccountLine(
                account=account.id,
                owner=account.owner,
                mode=account.mode.name,
                equity=float(figures.equity[row]),
                margin_equity=float(figures.margin_equity_maintenance[row]),
                initial=float(figures.initial[row]),
                maintenance=float(figures.maintenance[row]),
                health=health if math.isfinite(health) else None,
                positions=int(figures.positions[row]),
                gross_notional=float(figures.gross_notional[row]),
            )
        )
    return lines


def band_counts(snapshot: Snapshot) -> dict[Band, int]:
    """How many accounts stand in each band, the house left out; an account with a finding and a call counts as the finding."""
    counts = dict.fromkeys(Band, 0)
    if snapshot.assessment is None:
        return counts
    named = dict.fromkeys(snapshot.margin_calls, Band.CALLED)
    named |= {finding.account: Band(finding.tier.name.lower()) for finding in snapshot.findings}
    for band in named.values():
        counts[band] += 1
    accounts = len(snapshot.assessment.state.accounts) - 1 - len(snapshot.assessment.unpriced)
    counts[Band.SAFE] = max(0, accounts - len(named))
    return counts


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Who is nominated among the holders of one side of an instrument, highest score (1e-9) first. instrument: packed."""

    instrument: int
    longs: bool
    accounts: tuple[int, ...]
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeficitLine:
    """An open deficit, USD. opened: block; owed: when it was opened; fund_paid, haircut (by `closes` closings), shared (by the loss index):
    since then; legs: (packed instrument, signed size 1e18) as it was opened; queues: of those opposite."""

    account: int
    opened: int
    owed: float
    fund_paid: float
    haircut: float
    shared: float
    closes: int
    legs: tuple[tuple[int, int], ...]
    queues: tuple[QueueLine, ...]


def deficit_lines(state: State) -> list[DeficitLine]:
    """Every open deficit, the largest first."""
    queues = state.deficits.queues
    lines = [
        DeficitLine(
            account=account,
            opened=deficit.opened,
            owed=-deficit.equity / WAD,
            fund_paid=deficit.fund_paid / WAD,
            haircut=deficit.haircut / WAD,
            shared=deficit.shared / WAD,
            closes=deficit.closes,
            legs=tuple((instrument.pack(), size) for instrument, size in sorted(deficit.legs.items())),
            queues=tuple(
                QueueLine(side[0].pack(), side[1], *zip(*((each.account, each.score) for each in queue), strict=True))
                for side, queue in sorted(queues.items())
                if side in deficit.sides and queue
            ),
        )
        for account, deficit in state.deficits.open.items()
    ]
    return sorted(lines, key=lambda line: (-line.owed, line.account))


def status_of(config: Config) -> dict[str, Any]:
    """Head, feeds, accounts by tier, margin calls, transactions, and the running keeper's jobs as it last wrote them down. Raises as
    `look`."""
    progress, assessment, store = look(config)
    state, block = progress.state, progress.block
    calls, journal = MarginCallStore(store.connection).open_calls(), journal_of(config, store)
    exclude = frozenset() if config.account is None else frozenset({config.account})
    findings = [] if assessment is None else find(assessment, exclude)
    tiers: dict[str, int] = {}
    for finding in findings:
        tiers[finding.tier.name] = tiers.get(finding.tier.name, 0) + 1
    return {
        "block": block.number,
        "block_time": block.time,
        "accounts": len(state.accounts) - 1,
        "positions": 0 if assessment is None else int(assessment.figures.positions.sum()),
        "underlyings": {
            state.symbols.get(index, str(index)): {"spot": feed.spot / 1e18, "age": block.time - feed.signed_at}
            for index, feed in sorted(state.spots.items())
        },
        "under_margined": tiers,
        "findings": [{**asdict(finding), "tier": finding.tier.name} for finding in findings],
        "unpriced": [] if assessment is None else list(assessment.unpriced),
        "margin_calls": sorted(calls.since),
        "deficits": [asdict(line) for line in deficit_lines(progress.state)],
        "transactions": journal.counts(),
        "jobs": [asdict(job) for job in recall(roster_of(config.database)).values()],
    }
