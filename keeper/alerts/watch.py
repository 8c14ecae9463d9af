"""What is trouble, read off the snapshot and the news: state in, incidents out."""

from __future__ import annotations

from collections import deque

from keeper.alerts.incidents import Incidents
from keeper.bus import Alarm, Band, HealthChange, News, Severity, TransactionChange
from keeper.execution import Status
from keeper.model import WAD
from keeper.monitoring import CallChange
from keeper.observation import WatchSettings
from keeper.snapshot import SignerView, Snapshot

__all__ = ["KINDS", "Watch"]

KINDS = (
    "account_bankrupt",
    "accounts_unpriced",
    "chain_lag",
    "deficit_open",
    "engine_stalled",
    "fund_low",
    "gas_cap_near",
    "gas_low",
    "liquidations_overdue",
    "margin_call",
    "nonce_gap",
    "oracle_stale",
    "transactions_failing",
)
"""Raised here; the engine's own alarms come beside them. Each has its runbook in docs/operations.md."""

_FAILURES = 3
_FAILURES_WITHIN = 600.0
_CAP_SHARE = 0.8
_Found = dict[tuple[str, str], tuple[Severity, str]]
_DEEP = (Band.BANKRUPT, Band.RESIDUE)


class Watch:
    """Tells `incidents`; not for several threads. margin_calls: also of each of those."""

    def __init__(self, settings: WatchSettings, incidents: Incidents, *, margin_calls: bool = True) -> None:
        self._settings = settings
        self._incidents = incidents
        self._margin_calls = margin_calls
        self._failed_at: deque[float] = deque(maxlen=_FAILURES)
        self._waiting_since: float | None = None
        self._reported: set[tuple[str, str]] = set()

    def hear(self, news: News, now: float) -> None:
        """One piece of news."""
        incidents = self._incidents
        if isinstance(news, Alarm):
            if news.cleared:
                incidents.over(news.kind, now, news.subject)
            else:
                incidents.report(news.kind, news.severity, news.text, now, news.subject)
        elif isinstance(news, CallChange) and self._margin_calls:
            subject = f"account {news.account}"
            if news.raised:
                incidents.report("margin_call", Severity.INFO, f"health {news.health:.3f} at block {news.block}", now, subject)
            else:
                incidents.over("margin_call", now, subject)
        elif isinstance(news, HealthChange):
            subject = f"account {news.account}"
            if news.now in _DEEP:
                text = f"{news.now.value}: margin is short of {news.shortfall:,.2f} USD at block {news.block}"
                incidents.report("account_bankrupt", Severity.CRITICAL, text, now, subject)
            elif news.before in _DEEP:
                incidents.over("account_bankrupt", now, subject)
        elif isinstance(news, TransactionChange) and news.entry.status is Status.FAILED:
            self._failed_at.append(now)

    def look(self, snapshot: Snapshot, now: float) -> None:
        """The newest snapshot."""
        found = self._found(snapshot, now)
        for kind, subject in self._reported - found.keys():
            self._incidents.over(kind, now, subject)
        for (kind, subject), (severity, text) in found.items():
            self._incidents.report(kind, severity, text, now, subject)
        self._reported = set(found)

    def _found(self, snapshot: Snapshot, now: float) -> _Found:
        found = self._of_following(snapshot, now) | self._of_venue(snapshot)
        for signer in snapshot.signers:
            found |= self._of_signer(signer)
        self._waiting_since = (self._waiting_since or now) if snapshot.queue else None
        if self._waiting_since is not None and now - self._waiting_since > self._settings.queue_seconds:
            text = f"{snapshot.queue} accounts wait to be liquidated, since {now - self._waiting_since:.0f} s without an empty queue"
            found["liquidations_overdue", ""] = Severity.CRITICAL, text
        if len(self._failed_at) == _FAILURES and now - self._failed_at[0] < _FAILURES_WITHIN:
            found["transactions_failing", ""] = Severity.WARNING, f"{_FAILURES} transactions reverted in {now - self._failed_at[0]:.0f} s"
        return found

    def _of_following(self, snapshot: Snapshot, now: float) -> _Found:
        limits, found, silent = self._settings, _Found(), now - snapshot.at
        if silent > limits.stalled:
            found["engine_stalled", ""] = Severity.CRITICAL, f"no step of the engine for {silent:.0f} s"
        if snapshot.lag > limits.lag:
            found["chain_lag", ""] = Severity.CRITICAL, f"the state is {snapshot.lag} blocks behind the chain"
        for symbol, age in snapshot.oracle_ages.items():
            if age > limits.oracle_age:
                text = f"the price is {age:.0f} s old: nothing that needs it can be liquidated"
                found["oracle_stale", symbol] = Severity.CRITICAL, text
        return found

    def _of_venue(self, snapshot: Snapshot) -> _Found:
        limits, found, fund = self._settings, _Found(), snapshot.fund_balance
        if fund is not None and fund < limits.fund_balance:
            text = f"the insurance fund holds {fund:,.0f} USD, expected {limits.fund_balance:,.0f}"
            found["fund_low", ""] = Severity.CRITICAL, text
        unpriced = () if snapshot.assessment is None else snapshot.assessment.unpriced
        if len(unpriced) >= limits.unpriced:
            some = ", ".join(map(str, unpriced[:10]))
            found["accounts_unpriced", ""] = Severity.WARNING, f"{len(unpriced)} accounts hold what nobody quotes: {some}"
        opened = {} if snapshot.assessment is None else snapshot.assessment.state.deficits.open
        for finding in snapshot.findings:
            if finding.account in opened:
                text = f"{-finding.equity:,.2f} USD beyond the insurance fund, open since block {opened[finding.account].opened}"
                found["deficit_open", f"account {finding.account}"] = Severity.CRITICAL, text
        return found

    def _of_signer(self, signer: SignerView) -> _Found:
        limits, found, who = self._settings, _Found(), signer.address
        if signer.balance is not None and signer.balance / WAD < limits.balance:
            found["gas_low", who] = Severity.CRITICAL, f"{signer.balance / WAD:.4f} left for gas, expected {limits.balance:g}"
        if signer.gap > limits.nonce_gap:
            text = f"{signer.gap} transactions are in flight from nonce {_first(signer.nonce, signer.gap)} on"
            found["nonce_gap", who] = Severity.CRITICAL, text
        if signer.cap_today and signer.spent_today > _CAP_SHARE * signer.cap_today:
            found["gas_cap_near", who] = Severity.WARNING, f"{signer.spent_today / signer.cap_today:.0%} of today's cap is spent"
        return found


def _first(next_nonce: int | None, gap: int) -> int | str:
    return "?" if next_nonce is None else next_nonce - gap
