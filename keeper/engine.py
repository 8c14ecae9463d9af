"""The loop: new block -> events -> state -> margin -> findings -> plans -> confirmed by the contract -> sent.

Wires the parts and does no arithmetic. Whatever one account does wrong is logged and put aside; the others go on.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import fields
from typing import Self

from structlog.contextvars import bound_contextvars

from keeper.bus import Bus, Severity
from keeper.chain import Block, ChainPort, Decoder, Deployment, EndpointPool, Ingestion, Store, Wake
from keeper.chain.events import MarketUpdated
from keeper.config import Config
from keeper.errors import (
    ChainError,
    ConfigError,
    DamagedError,
    DishonestError,
    EventError,
    ExecutionError,
    KeeperError,
    RevertError,
)
from keeper.execution import (
    Confirmation,
    Confirmed,
    Entry,
    FeePolicy,
    Inventory,
    InventoryRules,
    Journal,
    PriceRelay,
    Refusal,
    Signer,
    Status,
    TransactionManager,
)
from keeper.execution.inventory import PURPOSE as INVENTORY
from keeper.execution.prices import PURPOSE as PRICES
from keeper.liquidation import Costs, Planner
from keeper.logs import get_logger
from keeper.monitoring import Assessment, Assessor, Finding, Freshness, MarginCallStore, Tier, find, update_calls
from keeper.portfolio import Follower, Progress, Reconciler
from keeper.publication import Publication
from keeper.snapshot import EndpointView, SignerView, Snapshot

__all__ = ["Engine", "follower_of"]

log = get_logger("engine")

_BESIDE_AT_REST = 32
"""Changed accounts from which on a quiet moment is used to lay out all of them together."""
_ATTEMPTS_PER_ACTION = 4
"""Plans asked of the contract per action allowed."""


def follower_of(port: ChainPort, deployment: Deployment, store: Store) -> Follower:
    """The state of `deployment`, read through `port` into `store`."""
    decoder = Decoder(deployment)
    names = {token.address: token.name for token in deployment.tokens.values()}
    return Follower(Ingestion(port, store, decoder.addresses, deployment.first_block), store, decoder, names)


class Engine(AbstractContextManager["Engine"]):
    """One keeper on one deployment. `run` until told to stop, or `step` by hand (simulations, tests)."""

    def __init__(self, config: Config, port: ChainPort, deployment: Deployment, signer: Signer) -> None:
        if config.account is None:
            raise ConfigError("account (KEEPER_ACCOUNT): the keeper needs an account in the ledger to take legs with")
        self._config = config
        self._port = port
        self._account = config.account
        self._signer = signer
        self._deployment = deployment
        self._store, self._damaged = Store.open_or_rebuild(config.database, deployment.fingerprint, exclusive=True)
        self._follower = follower_of(port, deployment, self._store)
        self._wake = Wake(config.ws_url, config.ws_silence)
        self._reconciler = Reconciler(port, deployment)
        self._assessor = Assessor()
        self._freshness = Freshness()
        self._call_store = MarginCallStore(self._store.connection)
        self._calls = self._call_store.open_calls()
        policy = FeePolicy.of_gwei(config.max_fee_gwei, config.priority_fee_gwei, config.fee_bump, config.bump_after)
        self._manager = TransactionManager(port, signer, Journal(self._store.connection), policy, deployment.chain_id)
        self._confirmation = Confirmation(port, deployment, signer.address, config.account, config.gas_limit)
        self._relay = PriceRelay(deployment, config.updates_url, config.peer_timeout, config.relay_after)
        rules = InventoryRules(config.inventory_tolerance, config.inventory_spread, config.peer_timeout, config.retry_after)
        self._inventory = Inventory(deployment, signer, config.account, config.maker_url, rules)
        self._costs = Costs(config.unwind_rate, config.gas_cost, config.minimum_profit)
        self._publication = Publication(config.account)
        self._progress: Progress | None = None
        self._assessment: Assessment | None = None
        self._findings: list[Finding] = []
        self._seen_at = 0.0
        self._reorgs = 0
        self._reorg_depth = 0
        self._held: dict[int, float] = {}
        self._refused: set[int] = set()
        # Liquidations go before inventory and checks: those wait for a round that had nothing to send.
        self._acted = False
        self._tiers: dict[int, Tier] = {}
        self._next_decision = 0.0
        self._next_reconciliation = 0.0
        self._trouble: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        with suppress(sqlite3.Error):
            self._follower.save()
        self._relay.close()
        self._inventory.close()
        self._store.close()

    @property
    def snapshot(self) -> Snapshot:
        """What the engine shows; safe to read from any thread."""
        return self._publication.snapshot

    @property
    def bus(self) -> Bus:
        """News of accounts, margin calls, transactions and alarms."""
        return self._publication.bus

    def start(self) -> None:
        """Reads up to the head and reconciles the journal. Raises ChainError."""
        if self._damaged is not None:
            log.error("database_rebuilt", damaged=str(self._damaged))
            self._publication.alarm("database_rebuilt", Severity.WARNING, f"the damaged database is now {self._damaged}")
            self._publication.count("database_rebuilds")
        self._follow()
        if self._progress is None:
            self._progress, self._seen_at = self._follower.current(), time.time()
        settled = self._manager.recover()
        for entry in settled:
            self._report(entry)
        block = None if self._progress is None else self._progress.block
        log.info(
            "started",
            account=self._account,
            address=self._signer.address,
            chain_id=self._deployment.chain_id,
            block=None if block is None else block.number,
            accounts=len(self._follower.state.accounts),
            recovered=len(settled),
        )
        self._show()

    def run(self, stop: threading.Event) -> None:
        """Steps until `stop`. A node that does not answer is logged once and tried again."""
        while not stop.is_set():
            try:
                self.step()
            except sqlite3.Error as error:
                self._database_trouble(error)
                stop.wait(self._config.retry_after)
            except ChainError as error:
                if isinstance(error, DishonestError):
                    self._distrust(str(error))
                if self._trouble != type(error).__name__:
                    log.warning("node_trouble", error=type(error).__name__, reason=str(error)[:300])
                self._trouble = type(error).__name__
                self._publication.alarm("node_trouble", Severity.CRITICAL, str(error)[:300])
            else:
                if self._trouble is not None:
                    log.info("node_recovered", after=self._trouble)
                    self._publication.clear("node_trouble")
                self._trouble = None
                self._publication.clear("database_trouble")
            if self._config.ws_url is None:
                stop.wait(self._config.poll_interval)
            else:
                self._wake.wait(self._config.poll_interval)

    def _database_trouble(self, error: sqlite3.Error) -> None:
        """A full disk is waited for: nothing is sent meanwhile, since nothing can be written down before. A damaged file is left
        to the next start, which rebuilds it. Raises DamagedError."""
        if not isinstance(error, sqlite3.OperationalError):
            raise DamagedError(f"the database broke while it was used ({error}); the next start rebuilds it") from error
        if self._publication.alarm("database_trouble", Severity.CRITICAL, str(error)):
            log.error("database_trouble", reason=str(error))

    def _distrust(self, reason: str) -> None:
        self._publication.count("dishonest_answers")
        log.warning("node_contradicts_itself", reason=reason[:300])
        if isinstance(self._port, EndpointPool) and self._port.distrust(reason):
            log.warning("endpoint_changed", endpoints=[state.name for state in self._port.states() if state.active])

    def step(self) -> None:
        """One pass. Raises ChainError."""
        # Receipts before blocks: an account whose transaction ended is looked at again only in a state that includes it.
        settled = self._manager.poll()
        for entry in settled:
            self._report(entry)
        progress = self._follow()
        if progress is not None or settled or time.monotonic() >= self._next_decision:
            self._next_decision = time.monotonic() + self._config.retry_after
            self._decide(new_block=progress is not None)
        self._submit_prices()
        if not self._acted:
            self._work_inventory()
            self._reconcile()
            self._tidy()
        self._show()

    def _tidy(self) -> None:
        """What has time until nothing else is to be done."""
        if self._findings:
            return
        if self._follower.unsaved >= self._config.snapshot_every and self._follower.save():
            self._publication.count("snapshots")
        if self._assessor.beside >= _BESIDE_AT_REST:
            self._assessor.settle()

    # --- chain to state ---

    def _follow(self) -> Progress | None:
        """Everything up to the head; None where there is nothing new."""
        latest: Progress | None = None
        while True:
            before = 0 if self._progress is None else self._progress.block.number
            try:
                progress = self._follower.advance()
            except EventError as error:
                log.error("events_missing", reason=str(error))  # noqa: TRY400 - the message says it
                self._publication.count("rebuilds")
                self._follower.start_over()
                continue
            if progress is None:
                break
            if progress.rolled_back_to is not None:
                reopened = self._manager.roll_back(progress.rolled_back_to)
                self._reorgs += 1
                self._reorg_depth = max(0, before - progress.rolled_back_to)
                log.warning("reorganisation", common_ancestor=progress.rolled_back_to, transactions_reopened=len(reopened))
            latest = self._progress = progress
            self._freshness.observe(progress.block)
            if any(isinstance(event, MarketUpdated) for event in progress.events):
                self._relay.updated()
            if progress.caught_up:
                break
        if latest is not None:
            self._progress, self._seen_at = latest, time.time()
            self._wake.seen(latest.block.number)
        return latest

    # --- state to plans ---

    def _decide(self, *, new_block: bool) -> None:
        progress = self._progress
        if progress is None or not progress.state.table.is_complete or not progress.state.spots:
            return
        if new_block or self._assessment is None:
            started = time.perf_counter()
            self._publication.took("see", 1000.0 * (time.time() - self._seen_at))
            try:
                self._assessment = self._assessor.assess(progress.state, progress.block)
            except KeeperError as error:
                log.error("assessment_failed", block=progress.block.number, error=type(error).__name__, reason=str(error))  # noqa: TRY400
                return
            self._held.clear()
            self._findings = find(self._assessment, exclude=frozenset({self._account}))
            self._publication.took("margin", 1000.0 * (time.perf_counter() - started))
            self._raise_margin_calls(self._assessment)
            self._publication.bands(self._assessment, self._findings, self._calls.since)
            log.debug("assessed", block=progress.block.number, milliseconds=round(1000 * (time.perf_counter() - started), 2))
        self._report_tiers(self._findings)
        self._acted = self._act(self._assessment, self._findings)

    def _raise_margin_calls(self, assessment: Assessment) -> None:
        config = self._config
        health = assessment.health(below=config.margin_call_cleared, also=self._calls.since.keys())
        self._calls, changes = update_calls(self._calls, health, assessment.block, config.margin_call_health, config.margin_call_cleared)
        self._call_store.append(changes)
        for change in changes:
            self._publication.bus.publish(change)
            self._publication.count("margin_calls_raised" if change.raised else "margin_calls_ended")
            event = "margin_call" if change.raised else "margin_call_ended"
            health_now = round(change.health, 4) if math.isfinite(change.health) else None
            log.info(event, account=change.account, health=health_now, block=change.block, time=change.time)

    def _report_tiers(self, findings: list[Finding]) -> None:
        """One line when an account enters a tier, not one per block."""
        for finding in findings:
            if self._tiers.get(finding.account) is not finding.tier:
                log.info(
                    "under_margined",
                    account=finding.account,
                    tier=finding.tier.name,
                    health=round(finding.health, 4) if math.isfinite(finding.health) else None,
                    equity=round(finding.equity, 2),
                    shortfall=round(finding.shortfall, 2),
                    urgency=round(finding.urgency, 2),
                )
        self._tiers = {finding.account: finding.tier for finding in findings}

    # --- plans to transactions ---

    def _act(self, assessment: Assessment, findings: list[Finding]) -> bool:
        """True where something was sent."""
        busy = self._manager.busy_accounts
        now = time.monotonic()
        waiting = [f for f in findings if f.account not in busy and self._held.get(f.account, 0.0) <= now]
        if not waiting:
            return False
        # Most urgent first, but what was refused before goes last: refusals must not use a round up.
        waiting.sort(key=lambda finding: finding.account in self._refused)
        try:
            planner = Planner(assessment, self._account, self._costs)
        except KeeperError as error:
            log.error("own_account_unusable", account=self._account, reason=str(error))  # noqa: TRY400
            return False
        sent = 0
        for finding in waiting[: self._config.actions_per_round * _ATTEMPTS_PER_ACTION]:
            if sent >= self._config.actions_per_round:
                break
            with bound_contextvars(correlation=f"{assessment.block.number}-{finding.account}"):
                try:
                    done = self._handle(assessment, planner, finding)
                    sent += done
                    (self._refused.discard if done else self._refused.add)(finding.account)
                except ChainError:
                    raise
                except KeeperError as error:
                    self._hold(finding.account)
                    log.error("account_failed", account=finding.account, error=type(error).__name__, reason=str(error))  # noqa: TRY400
                except Exception:
                    self._hold(finding.account)
                    log.exception("account_failed", account=finding.account)
        return sent > 0

    def _handle(self, assessment: Assessment, planner: Planner, finding: Finding) -> bool:
        """True where a transaction was sent."""
        begun = time.perf_counter()
        if not self._prices_last(assessment, finding):
            self._hold(finding.account)
            self._relay.wanted()
            log.debug("prices_too_old", account=finding.account)
            return False
        plan = planner.plan(finding, self._confirmation.discount_of(finding, assessment.rules))
        planned = time.perf_counter()
        if plan is None:
            self._hold(finding.account)
            log.debug("nothing_to_do", account=finding.account, tier=finding.tier.name)
            return False
        answer = self._confirmation.confirm(plan)
        if not isinstance(answer, Confirmed):
            self._hold(finding.account)
            if answer.refusal is Refusal.STALE:
                self._relay.wanted()
            self._publication.count(f"refused_{answer.refusal.name.lower()}")
            log.info("refused", account=finding.account, plan=repr(answer.plan), why=answer.refusal.value, error=str(answer.error))
            return False
        confirmed = time.perf_counter()
        correlation = f"{assessment.block.number}-{finding.account}"
        entry = self._manager.submit(answer.call, correlation, answer.gas, self._seen_at)
        self._sent(entry)
        self._publication.took("send", 1000.0 * (time.perf_counter() - begun))
        planner.accept(answer.plan)
        log.info(
            "sent",
            purpose=entry.purpose,
            account=finding.account,
            tier=finding.tier.name,
            **_sent_figures(answer, entry),
            plan_ms=_milliseconds(begun, planned),
            confirm_ms=_milliseconds(planned, confirmed),
            submit_ms=_milliseconds(confirmed, time.perf_counter()),
        )
        return True

    def _prices_last(self, assessment: Assessment, finding: Finding) -> bool:
        """False where the contract would refuse the prices by the time of inclusion: several transactions take several
        blocks. What follows a relay of our own finds newer ones."""
        if self._manager.open_with(PRICES):
            return True
        head = self._port.head()
        self._freshness.observe(head)
        return self._freshness.lasts(assessment.state, (finding.account, self._account), head, assessment.rules.max_action_age)

    def _hold(self, account: int) -> None:
        self._held[account] = time.monotonic() + self._config.retry_after

    def _submit_prices(self) -> None:
        if self._progress is None or self._manager.open_with(PRICES):
            return
        try:
            call = self._relay.call(self._progress.state.spots)
            if call is None:
                return
            entry = self._manager.submit(call, f"{self._progress.block.number}-prices", self._confirmation.gas_of(call), self._seen_at)
            self._sent(entry)
            log.info("sent", purpose=entry.purpose, transaction=entry.hash, nonce=entry.nonce)
        except (ExecutionError, RevertError) as error:
            log.warning("prices_not_relayed", reason=str(error))

    def _work_inventory(self) -> None:
        assessment = self._assessment
        if assessment is None or self._manager.open_with(INVENTORY):
            return
        try:
            settlement = self._inventory.next(assessment.state, assessment.market, assessment.marks_of(self._account), assessment.block)
        except KeeperError as error:
            log.info("inventory_waits", reason=str(error))
            return
        if settlement is None:
            return
        correlation = f"{assessment.block.number}-inventory"
        try:
            gas = self._confirmation.gas_of(settlement.call)
            entry = self._manager.submit(settlement.call, correlation, gas, self._seen_at)
            self._sent(entry)
        except (RevertError, ExecutionError) as error:
            self._inventory.refused(settlement.instrument)
            log.info("inventory_refused", correlation=correlation, instrument=str(settlement.instrument), reason=str(error))
            return
        log.info(
            "sent",
            purpose=entry.purpose,
            correlation=correlation,
            instrument=str(settlement.instrument),
            size=settlement.size,
            price=settlement.price,
            transaction=entry.hash,
        )

    def _sent(self, entry: Entry) -> None:
        self._publication.count(f"sent_{entry.purpose}")
        self._publication.transaction(entry)

    def _report(self, entry: Entry) -> None:
        self._publication.transaction(entry)
        if entry.status is Status.INCLUDED and entry.settled_at is not None:
            self._publication.took("inclusion", 1000.0 * (entry.settled_at - entry.detected_at))
        level = log.info if entry.status is Status.INCLUDED else log.warning
        level(
            entry.status.value,
            purpose=entry.purpose,
            account=entry.account,
            correlation=entry.correlation,
            transaction=entry.hash,
            nonce=entry.nonce,
            block=entry.block,
            gas_used=entry.gas_used,
            detect_to_sent_ms=_milliseconds(entry.detected_at, entry.sent_at),
            detect_to_receipt_ms=_milliseconds(entry.detected_at, entry.settled_at),
            note=entry.note,
        )

    # --- state against chain ---

    def _reconcile(self) -> None:
        if self._progress is None or time.monotonic() < self._next_reconciliation:
            return
        found = self._reconciler.compare(self._progress.state, self._progress.block)
        pause = self._reconciler.pause(len(self._progress.state.accounts), self._config.reconcile_every, self._config.reconcile_within)
        if self._reconciler.suspicious:
            pause = self._config.retry_after
        self._next_reconciliation = time.monotonic() + pause
        if found is not None:
            self._publication.count("reconciliations")
        if found:
            self._publication.alarm("state_differs_from_chain", Severity.CRITICAL, "; ".join(found[:5]))
            log.error("state_differs_from_chain", differences=found[:20], count=len(found))
            self._follower.start_over()
            self._progress = self._assessment = None
        elif found is not None and not self._reconciler.suspicious:
            self._publication.clear("state_differs_from_chain")

    # --- what others see ---

    def _show(self) -> None:
        progress, assessment = self._progress, self._assessment
        ages: dict[str, float] = {}
        if progress is not None:
            symbols = progress.state.symbols
            ages = {
                symbols.get(index, str(index)): float(progress.block.time - feed.signed_at) for index, feed in progress.state.spots.items()
            }
        busy = self._manager.busy_accounts
        self._publication.show(
            ready=assessment is not None and progress is not None and self._trouble is None,
            cursor=None if progress is None else progress.block,
            head=self._head(),
            reorg_depth=self._reorg_depth,
            reorgs=self._reorgs,
            oracle_ages=ages,
            assessment=assessment,
            findings=tuple(self._findings),
            margin_calls=self._calls.since,
            counts=self._manager.counts(),
            queue=sum(finding.account not in busy for finding in self._findings),
            endpoints=tuple(
                EndpointView(**{item.name: getattr(state, item.name) for item in fields(EndpointView)})
                for state in (self._port.states() if isinstance(self._port, EndpointPool) else ())
            ),
            signers=(SignerView(self._signer.address, None, self._manager.next_nonce, len(busy), 0, None),),
        )

    def _head(self) -> Block | None:
        return None if self._progress is None else self._progress.block


def _sent_figures(answer: Confirmed, entry: Entry) -> dict[str, object]:
    figures: dict[str, object] = {"transaction": entry.hash, "nonce": entry.nonce, "gas": entry.gas}
    if answer.outcome is not None:
        figures |= {
            "legs": len(getattr(answer.plan, "legs", ())),
            "release": answer.outcome.release,
            "payment": answer.outcome.payment,
            "fund_paid": answer.outcome.fund_paid,
            "health_after": answer.outcome.health_after,
        }
    return figures


def _milliseconds(start: float, end: float | None) -> float | None:
    return None if end is None else round(1000.0 * (end - start), 1)
