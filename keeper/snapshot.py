"""What the engine shows of itself: one immutable object, replaced whole after every pass, readable from any thread.

snapshot = engine.snapshot
snapshot.lag, snapshot.oracle_ages, snapshot.counters["liquidations_sent"]
account_lines(snapshot.assessment)            # keeper.overview
suggestions(snapshot, deployment)             # liquidatable accounts with witness, legs and calldata
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from keeper.chain import Block
from keeper.execution import Entry
from keeper.monitoring import Assessment, Finding
from keeper.roster import JobView

__all__ = ["EndpointView", "Latencies", "SignerView", "Snapshot"]


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One RPC endpoint. name: host and port, never a path (keys hide there); head: of its last answer; lag: blocks behind the
    best; milliseconds: moving mean of its answers; trouble: why it is not used, "" where it is fit."""

    name: str
    active: bool
    head: int | None
    lag: int
    milliseconds: float
    requests: int
    failures: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class SignerView:
    """One sending address. balance: wei, None before it was asked; nonce: the next to be used, None before the first; gap:
    transactions in flight; spent_today, cap_today: wei of fees since midnight UTC, and the most allowed (None: no cap)."""

    address: str
    balance: int | None
    nonce: int | None
    gap: int
    spent_today: int
    cap_today: int | None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds of the last few hundred: see: block made known to state folded; margin: state to findings; send: finding to
    broadcast; inclusion: block seen to receipt seen."""

    see: tuple[float, ...] = ()
    margin: tuple[float, ...] = ()
    send: tuple[float, ...] = ()
    inclusion: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """at: unix seconds; ready: follows the chain and has assessed it; leading: this keeper sends (the only one, or the lease's holder);
    dry_run: never sends; cursor, head: last block folded, newest seen; reorg_depth: blocks of the last rollback, reorgs: how many;
    oracle_ages: symbol -> seconds at the cursor's block; assessment: margin of all accounts at `assessment.block`; findings: most
    urgent first; margin_calls: account -> block of the call; transactions: latest first; counts: attempts by status;
    queue: findings not yet acted upon; counters: only ever rise; fund_balance: USD, None before it was read; jobs: the periodic ones, as
    scheduled; problems: names of alarms that stand."""

    at: float
    account: int
    ready: bool = False
    leading: bool = True
    dry_run: bool = False
    cursor: Block | None = None
    head: Block | None = None
    reorg_depth: int = 0
    reorgs: int = 0
    oracle_ages: Mapping[str, float] = field(default_factory=_nothing)
    assessment: Assessment | None = None
    findings: tuple[Finding, ...] = ()
    margin_calls: Mapping[int, int] = field(default_factory=_nothing)
    transactions: tuple[Entry, ...] = ()
    counts: Mapping[str, int] = field(default_factory=_nothing)
    queue: int = 0
    counters: Mapping[str, int] = field(default_factory=_nothing)
    latencies: Latencies = Latencies()
    endpoints: tuple[EndpointView, ...] = ()
    signers: tuple[SignerView, ...] = ()
    fund_balance: float | None = None
    jobs: tuple[JobView, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def lag(self) -> int:
        """Blocks between the newest that any endpoint announced and the last folded; 0 before the first."""
        if self.head is None or self.cursor is None:
            return 0
        announced = [endpoint.head for endpoint in self.endpoints if endpoint.head is not None]
        return max(0, max([self.head.number, *announced]) - self.cursor.number)
