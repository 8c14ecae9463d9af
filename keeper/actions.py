"""From findings to transactions: planned, confirmed by the contract, sent by whoever holds the lease, most urgent first."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from structlog.contextvars import bound_contextvars

from keeper.balances import Balances
from keeper.batches import Batches
from keeper.bus import Severity
from keeper.chain.events import MarketUpdated
from keeper.deficits import DeficitWork
from keeper.errands import Errands
from keeper.errors import CapError, ChainError, ExecutionError, KeeperError, LeaseError
from keeper.execution import (
    Confirmation,
    Confirmed,
    Dispatch,
    Entry,
    FeePolicy,
    Inventory,
    InventoryRules,
    Journal,
    Lease,
    PriceRelay,
    Refusal,
    Status,
    TransactionManager,
    more_signers,
)
from keeper.execution.prices import PURPOSE as PRICES
from keeper.liquidation import Costs, Plan, Planner
from keeper.logs import get_logger
from keeper.monitoring import Freshness, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from keeper.chain import Block, ChainPort, Deployment, Event
    from keeper.config import Config
    from keeper.execution import Call, ExternalSigner, Signer
    from keeper.execution.peers import SignedUpdate
    from keeper.monitoring import Assessment, Finding
    from keeper.portfolio import Spot
    from keeper.publication import Publication

__all__ = ["Actions", "milliseconds"]

log = get_logger("actions")

_ATTEMPTS_PER_ACTION = 4
"""Plans asked of the contract per action allowed."""
_HEAD_SECONDS = 0.05
"""How long a head that was looked at counts as the newest, when prices are asked for their age."""


class Actions:
    """Everything of one engine that signs. connection: of the keeper's own database, where the journal is unless keepers share one."""

    def __init__(
        self,
        config: Config,
        port: ChainPort,
        deployment: Deployment,
        signer: Signer | ExternalSigner,
        connection: sqlite3.Connection,
        publication: Publication,
        account: int,
        relay: ChainPort | None = None,
    ) -> None:
        self._config, self._port, self._account, self._publication = config, port, account, publication
        self.lease = None if config.lease is None else Lease(config.lease, config.lease_seconds)
        self._shared: sqlite3.Connection | None = None
        if self.lease is None or config.lease is None:
            self.journal = Journal(connection)
        else:
            self._shared = sqlite3.connect(str(config.lease), isolation_level=None, timeout=5.0)
            self.journal = Journal(self._shared, self.lease.fence(self._shared))
        policy = FeePolicy.of_gwei(
            config.max_fee_gwei, config.priority_fee_gwei, config.fee_bump, config.bump_after, config.max_cost, config.max_cost_per_day
        )
        senders = (signer, *more_signers(config))
        managers = [TransactionManager(port, one, self.journal, policy, deployment.chain_id, relay=relay) for one in senders]
        self.dispatch = Dispatch(managers, self.journal, config.in_flight)
        self.balances = Balances(port, deployment, self.dispatch)
        self._confirmation = Confirmation(port, deployment, signer.address, account, config.gas_limit)
        self._relay = PriceRelay(deployment, config.updates_url, config.peer_timeout, config.relay_after)
        rules = InventoryRules(config.inventory_tolerance, config.inventory_spread, config.peer_timeout, config.retry_after)
        self._inventory = Inventory(deployment, signer, account, config.maker_url, rules)
        self._errands = Errands(config, account, self.dispatch, self._confirmation, self._relay, self._inventory, publication, self._sent)
        self._costs = Costs(config.unwind_rate, config.gas_cost, config.minimum_profit)
        self.freshness = Freshness()
        self._deficits = DeficitWork(
            config, port, deployment, self.dispatch, publication, self._confirmation.gas_of, self._sent, self._relay.wanted
        )
        self._planning = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planning")
        self._batches = Batches(
            config, deployment, account, self.dispatch, self._confirmation, publication, self._planning, self._plan, self._sent
        )
        self._pulling = False
        self._held: dict[int, float] = {}
        self._refused: set[int] = set()
        self._led = False
        self._head: Block | None = None
        self._head_at = 0.0

    def close(self) -> None:
        self._planning.shutdown(wait=True, cancel_futures=True)
        self._relay.close()
        self._inventory.close()
        if self.lease is not None:
            self.lease.close()
        if self._shared is not None:
            self._shared.close()

    def start(self) -> list[Entry]:
        """Reconciles the journal where this keeper may send; what was settled. Raises ChainError."""
        if self.lease is not None:
            self.lease.attempt()
            self.lease.start()
        return self.poll()

    @property
    def leading(self) -> bool:
        return self.lease is None or self.lease.held

    def poll(self) -> list[Entry]:
        """Transactions that ended; those of the one before, too, where this keeper has just taken over. Raises ChainError."""
        if self.lease is not None:
            self.lease.beat()
        if not self.leading:
            if self._led:
                log.warning("lease_lost")
                self._publication.count("leases_lost")
            self._led = False
            return []
        if not self._led:
            settled = self.dispatch.recover()
            self._led = True
            if self.lease is not None:
                log.info("leading", token=self.lease.token, recovered=len(settled))
                self._publication.count("leases_taken")
            return settled
        return self.dispatch.poll()

    def roll_back(self, block: int) -> list[Entry]:
        """Blocks above `block` are no more."""
        return self.dispatch.roll_back(block) if self.leading else []

    def new_block(self, head: Block) -> None:
        """What was put aside is judged anew. head: just read."""
        self._held.clear()
        self._head, self._head_at = head, time.monotonic()

    def observe(self, events: Sequence[Event]) -> None:
        """What the newest blocks brought."""
        if any(isinstance(event, MarketUpdated) for event in events):
            self._relay.updated()
        self._deficits.observe(events)

    # --- liquidations ---

    def act(self, assessment: Assessment, findings: Sequence[Finding], seen_at: float) -> bool:
        """True where something was sent. Raises ChainError."""
        if not self.leading:
            return False
        busy = self.dispatch.busy_accounts
        now = time.monotonic()
        waiting = [f for f in findings if f.account not in busy and self._held.get(f.account, 0.0) <= now]
        if not waiting:
            return False
        # Most urgent first, but what was refused before goes last: refusals must not use a round up.
        waiting.sort(key=lambda finding: finding.account in self._refused)
        try:
            planner = Planner(assessment, self._account, self._costs, self._confirmation.conversion_discount)
        except KeeperError as error:
            log.error("own_account_unusable", account=self._account, reason=str(error))  # noqa: TRY400
            return False
        sent, waiting = self._act_together(assessment, planner, waiting, seen_at)
        candidates = waiting[: self._config.actions_per_round * _ATTEMPTS_PER_ACTION]
        plans: dict[int, Future[Plan | None]] = {}
        for place, finding in enumerate(candidates):
            # While the node simulates one account, the next is planned.
            for ahead in candidates[place : place + 2]:
                if ahead.account not in plans:
                    plans[ahead.account] = self._planning.submit(self._plan, assessment, planner, ahead)
            if sent >= self._config.actions_per_round or not self.dispatch.has_room:
                break
            with bound_contextvars(correlation=f"{assessment.block.number}-{finding.account}"):
                try:
                    done = self._guarded(assessment, planner, finding, seen_at, plans[finding.account])
                except LeaseError as error:
                    log.warning("not_leading", reason=str(error))
                    break
                except CapError as error:
                    self._capped(error)
                    break
            sent += done
            self._dealt_with(finding.account, done=done)
        return sent > 0

    def _dealt_with(self, account: int, *, done: bool) -> None:
        if done:
            self._batches.done_alone(account)
            self._refused.discard(account)
        else:
            self._refused.add(account)

    def _act_together(self, assessment: Assessment, planner: Planner, waiting: list[Finding], seen_at: float) -> tuple[int, list[Finding]]:
        """Transactions sent for many accounts each, or for one with the prices that it needs; findings that are left to be dealt with
        one by one."""
        together = [finding for finding in waiting if self._batches.takes(finding)]
        if not together or not self._batches.allowed(assessment.state):
            return 0, waiting
        if len(together) == 1 and self._prices_last(assessment, together[0]):
            return 0, waiting
        left = [finding for finding in waiting if not self._batches.takes(finding)]
        try:
            done = self._batches.send(assessment, planner, together, seen_at, partial(self._prices_for, assessment))
        except LeaseError as error:
            log.warning("not_leading", reason=str(error))
            return 0, []
        except CapError as error:
            self._capped(error)
            return 0, []
        except ExecutionError as error:
            log.warning("batch_not_sent", reason=str(error))
            return 0, []
        for account in done.held:
            self._hold(account)
        if done.stale:
            self._pulling = True
            log.debug("prices_too_old", accounts=len(done.held))
        return done.sent, left

    @property
    def has_prices(self) -> bool:
        """True once, when the prices have come that liquidations waited for: they go into the same transaction."""
        if not self._pulling or not self._relay.answered:
            return False
        self._pulling = False
        self._held.clear()
        return True

    def _prices_for(self, assessment: Assessment, findings: Sequence[Finding]) -> list[SignedUpdate] | None:
        """None where prices are too old to act on, and no newer ones are at hand yet."""
        if all(self._prices_last(assessment, finding) for finding in findings):
            return []
        self._relay.wanted()
        try:
            return self._relay.updates(assessment.state.spots) or None
        except ExecutionError as error:
            log.warning("prices_not_relayed", reason=str(error))
            return None

    def _plan(self, assessment: Assessment, planner: Planner, finding: Finding) -> Plan | None:
        flagged = finding.account in assessment.state.clocks
        return planner.plan(finding, self._confirmation.discount_of(finding, assessment.rules, flagged=flagged))

    def _guarded(self, assessment: Assessment, planner: Planner, finding: Finding, seen_at: float, planned: Future[Plan | None]) -> bool:
        """What goes wrong with one account stays with it."""
        try:
            return self.handle(assessment, planner, finding, seen_at, planned)
        except (ChainError, LeaseError, CapError, sqlite3.Error):
            raise
        except KeeperError as error:
            log.error("account_failed", account=finding.account, error=type(error).__name__, reason=str(error))  # noqa: TRY400
        except Exception:
            log.exception("account_failed", account=finding.account)
        self._hold(finding.account)
        self._publication.count("accounts_failed")
        return False

    def handle(self, assessment: Assessment, planner: Planner, finding: Finding, seen_at: float, planning: Future[Plan | None]) -> bool:
        """One account; True where a transaction was sent."""
        begun = time.perf_counter()
        if not self._prices_last(assessment, finding):
            self._hold(finding.account)
            self._relay.wanted()
            log.debug("prices_too_old", account=finding.account)
            return False
        if finding.tier is Tier.DEFICIT:
            worked = self._deficits.work(assessment, finding, seen_at)
            if not worked:
                self._hold(finding.account)
            return worked
        plan = planning.result()
        planned = time.perf_counter()
        if plan is None:
            if self._is_beyond(assessment, finding, seen_at):
                return True
            self._hold(finding.account)
            log.debug("nothing_to_do", account=finding.account, tier=finding.tier.name)
            return False
        answer = self._confirmation.confirm(plan)
        if not isinstance(answer, Confirmed):
            if self._is_beyond(assessment, finding, seen_at):
                return True
            self._hold(finding.account)
            if answer.refusal is Refusal.STALE:
                self._relay.wanted()
            self._publication.count(f"refused_{answer.refusal.name.lower()}")
            log.info("refused", account=finding.account, plan=repr(answer.plan), why=answer.refusal.value, error=str(answer.error))
            return False
        confirmed = time.perf_counter()
        correlation = f"{assessment.block.number}-{finding.account}"
        if self._config.dry_run:
            self._hold(finding.account)
            self._publication.count("dry_run")
            log.info("would_send", purpose=answer.call.purpose, account=finding.account, tier=finding.tier.name, plan=repr(answer.plan))
            return False
        entry = self.dispatch.submit(answer.call, correlation, answer.gas, seen_at)
        self._sent(entry)
        self._publication.clear("gas_cap")
        self._publication.took("send", 1000.0 * (time.perf_counter() - begun))
        planner.accept(answer.plan)
        log.info(
            "sent",
            purpose=entry.purpose,
            account=finding.account,
            tier=finding.tier.name,
            urgency=round(finding.urgency, 2),
            **_sent_figures(answer, entry),
            plan_ms=milliseconds(begun, planned),
            confirm_ms=milliseconds(planned, confirmed),
            submit_ms=milliseconds(confirmed, time.perf_counter()),
        )
        return True

    def _prices_last(self, assessment: Assessment, finding: Finding) -> bool:
        """False where the contract would refuse the prices by the time of inclusion: several transactions take several
        blocks. What follows a relay of our own finds newer ones."""
        if self.dispatch.is_open(PRICES):
            return True
        if time.monotonic() - self._head_at > _HEAD_SECONDS:
            self._head, self._head_at = self._port.head(), time.monotonic()
            self.freshness.observe(self._head)
        head = max(self._head or assessment.block, assessment.block, key=lambda block: block.number)
        return self.freshness.lasts(assessment.state, (finding.account, self._account), head, assessment.rules.max_action_age)

    def _is_beyond(self, assessment: Assessment, finding: Finding, seen_at: float) -> bool:
        """True where the fund may not pay for the account, and its deficit is being opened."""
        return finding.tier in (Tier.BANKRUPT, Tier.RESIDUE) and self._deficits.open(assessment, finding, seen_at)

    def _hold(self, account: int) -> None:
        self._held[account] = time.monotonic() + self._config.retry_after

    def _capped(self, error: CapError) -> None:
        if self._publication.alarm("gas_cap", Severity.CRITICAL, str(error)):
            log.error("gas_cap", reason=str(error))

    # --- what else is sent ---

    def request(self, call: Call) -> None:
        """Asks for a call to be sent when nothing is urgent. From any thread; a call that waits already is not asked for twice."""
        self._errands.request(call)

    def submit_prices(self, spots: Mapping[int, Spot], block: Block, seen_at: float) -> None:
        """Raises ChainError."""
        if self.leading:
            self._errands.submit_prices(spots, block, seen_at)

    def run_errands(self, assessment: Assessment, seen_at: float) -> None:
        """Inventory and what was asked for: what has time. Raises ChainError."""
        if self.leading:
            self._errands.work_inventory(assessment, seen_at)
            self._errands.work_chores(assessment.block, seen_at)

    # --- what is told ---

    def _sent(self, entry: Entry) -> None:
        self._publication.count(f"sent_{entry.purpose}")
        self._publication.transaction(entry)

    def report(self, entry: Entry) -> None:
        """The end of a transaction."""
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
            detect_to_sent_ms=milliseconds(entry.detected_at, entry.sent_at),
            detect_to_receipt_ms=milliseconds(entry.detected_at, entry.settled_at),
            note=entry.note,
        )


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


def milliseconds(start: float, end: float | None) -> float | None:
    """Rounded to tenths; None while there is no end."""
    return None if end is None else round(1000.0 * (end - start), 1)
