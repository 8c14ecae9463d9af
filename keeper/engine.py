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

from keeper.actions import Actions
from keeper.bus import Bus, Severity
from keeper.chain import ChainPort, Decoder, Deployment, EndpointPool, Ingestion, NodeClient, Store, Wake
from keeper.config import Config
from keeper.errors import ChainError, ConfigError, DamagedError, DishonestError, EventError, KeeperError, UnreachableError
from keeper.execution import Call, Entry, ExternalSigner, Signer
from keeper.garbage import Garbage
from keeper.logs import get_logger
from keeper.monitoring import Assessment, Assessor, Finding, MarginCallStore, Tier, find, update_calls
from keeper.portfolio import Follower, Progress
from keeper.publication import Publication
from keeper.snapshot import EndpointView, Snapshot
from keeper.upkeep import Upkeep

__all__ = ["Engine", "follower_of"]

log = get_logger("engine")

_BESIDE_AT_REST = 32
"""Changed accounts from which on a quiet time is used to lay out all of them together: with 10,000 accounts that takes a second."""
_QUIET_SECONDS = 30.0
_DISTRUSTED_AFTER = 3
"""Contradictions in a row after which an endpoint is left; a reorganisation may look like one or two."""


def follower_of(port: ChainPort, deployment: Deployment, store: Store) -> Follower:
    """The state of `deployment`, read through `port` into `store`."""
    decoder = Decoder(deployment)
    names = {token.address: token.name for token in deployment.tokens.values()}
    return Follower(Ingestion(port, store, decoder.addresses, deployment.first_block), store, decoder, names)


class Engine(AbstractContextManager["Engine"]):
    """One keeper on one deployment. `run` until told to stop, or `step` by hand (simulations, tests)."""

    def __init__(self, config: Config, port: ChainPort, deployment: Deployment, signer: Signer | ExternalSigner) -> None:
        if config.account is None:
            raise ConfigError("account (KEEPER_ACCOUNT): the keeper needs an account in the ledger to take legs with")
        self._config = config
        self._port = port
        self._account = config.account
        self._signer = signer
        self._deployment = deployment
        self._store, self._damaged = Store.open_or_rebuild(config.database, deployment.fingerprint, exclusive=True)
        self._follower = follower_of(port, deployment, self._store)
        self._assessor = Assessor()
        self._call_store = MarginCallStore(self._store.connection)
        self._calls = self._call_store.open_calls()
        self._publication = Publication(config.account, dry_run=config.dry_run)
        self.upkeep = Upkeep(self._follower, self._publication)
        relay = None if config.relay_url is None else NodeClient(config.relay_url, deployment.contract("Ledger").errors, config.rpc_timeout)
        self._actions = Actions(config, port, deployment, signer, self._store.connection, self._publication, config.account, relay)
        self._wake = Wake(config.ws_url, config.ws_silence)
        self._progress: Progress | None = None
        self._assessment: Assessment | None = None
        self._findings: list[Finding] = []
        self._seen_at = 0.0
        self._reorgs = 0
        self._reorg_depth = 0
        # Liquidations go before inventory and checks: those wait for a round that had nothing to send.
        self._acted = False
        self._busy_at = time.monotonic()
        self._tiers: dict[int, Tier] = {}
        self._next_decision = 0.0
        self._trouble: str | None = None
        self._contradictions = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self.upkeep.close()
        with suppress(sqlite3.Error):
            self._follower.save()
        self._actions.close()
        self._store.close()

    @property
    def snapshot(self) -> Snapshot:
        """What the engine shows; safe to read from any thread."""
        return self._publication.snapshot

    @property
    def bus(self) -> Bus:
        """News of accounts, margin calls, transactions and alarms."""
        return self._publication.bus

    def request(self, call: Call) -> None:
        """Asks for a call to be sent when nothing is urgent; safe to use from any thread. It is simulated first, and sent once."""
        self._actions.request(call)

    def start(self) -> None:
        """Reads up to the head and reconciles the journal, as far as the node answers; `run` does what is left."""
        if self._damaged is not None:
            log.error("database_rebuilt", damaged=self._damaged.name)
            self._publication.alarm("database_rebuilt", Severity.WARNING, f"the damaged database is now {self._damaged.name}")
            self._publication.count("database_rebuilds")
        settled: list[Entry] = []
        for begin in (self._follow, lambda: settled.extend(self._actions.start())):
            try:
                begin()
            except ChainError as error:
                self._node_trouble(error)  # `run` tries again
        if self._progress is None:
            self._progress, self._seen_at = self._follower.current(), time.time()
        for entry in settled:
            self._actions.report(entry)
        block = None if self._progress is None else self._progress.block
        log.info(
            "started",
            account=self._account,
            address=self._signer.address,
            chain_id=self._deployment.chain_id,
            block=None if block is None else block.number,
            accounts=len(self._follower.state.accounts),
            recovered=len(settled),
            leading=self._actions.leading,
        )
        self._show()

    def run(self, stop: threading.Event) -> None:
        """Steps until `stop`. A node that does not answer is logged once and tried again, and so is a disk that is full. Raises
        DamagedError for a database that broke: the next start rebuilds it."""
        with Garbage() as garbage:
            while not stop.is_set():
                try:
                    self.step()
                except sqlite3.Error as error:
                    self._database_trouble(error)
                    stop.wait(self._config.retry_after)
                except ChainError as error:
                    self._node_trouble(error)
                else:
                    self._well()
                garbage.rest(quiet=not self._acted and not self._findings)
                if self._config.ws_url is None:
                    stop.wait(self._config.poll_interval)
                else:
                    self._wake.wait(self._config.poll_interval)

    def step(self) -> None:
        """One pass. Raises ChainError and sqlite3.Error."""
        # Receipts before blocks: an account whose transaction ended is looked at again only in a state that includes it.
        settled = self._actions.poll()
        for entry in settled:
            self._actions.report(entry)
        progress = self._follow()
        if progress is not None or settled or self._actions.has_prices or time.monotonic() >= self._next_decision:
            self._next_decision = time.monotonic() + self._config.retry_after
            self._decide(new_block=progress is not None)
        if self._progress is not None:
            self._actions.submit_prices(self._progress.state.spots, self._progress.block, self._seen_at)
        if self._acted:
            self._busy_at = time.monotonic()
        else:
            if self._assessment is not None:
                self._actions.run_errands(self._assessment, self._seen_at)
            self._rest(after_block=progress is not None)
        self._show()

    # --- trouble ---

    def _well(self) -> None:
        if self._trouble is not None:
            log.info("node_recovered", after=self._trouble)
            self._publication.clear("node_trouble")
        self._trouble, self._contradictions = None, 0
        self._publication.clear("database_trouble")

    def _node_trouble(self, error: ChainError) -> None:
        kind = type(error).__name__
        if self._trouble != kind:
            log.warning("node_trouble", error=kind, reason=str(error)[:300])
            self._publication.alarm("node_trouble", Severity.CRITICAL, str(error)[:300])
        self._trouble = kind
        self._show()  # it lives, and says that it is not ready
        self._publication.count(f"node_trouble_{kind.lower()}")
        self._contradictions += not isinstance(error, UnreachableError)
        dishonest = isinstance(error, DishonestError)
        if isinstance(self._port, EndpointPool) and (dishonest or self._contradictions >= _DISTRUSTED_AFTER):
            self._contradictions = 0
            self._publication.count("endpoints_distrusted")
            if self._port.distrust(str(error)[:200]):
                log.warning(
                    "endpoint_changed", endpoint=[state.name for state in self._port.states() if state.active], reason=str(error)[:200]
                )

    def _database_trouble(self, error: sqlite3.Error) -> None:
        """A full disk is waited for: nothing is sent meanwhile, since nothing can be written down before."""
        if not isinstance(error, sqlite3.OperationalError):
            raise DamagedError(f"the database broke while it was used ({error}); the next start rebuilds it") from error
        self._publication.count("database_trouble")
        if self._publication.alarm("database_trouble", Severity.CRITICAL, str(error)):
            log.error("database_trouble", reason=str(error))

    # --- chain to state ---

    def _follow(self) -> Progress | None:
        """Everything up to the head; None where there is nothing new."""
        latest: Progress | None = None
        looked_at, rebuilt = time.time(), False
        while True:
            before = 0 if self._progress is None else self._progress.block.number
            try:
                progress = self._follower.advance()
            except EventError as error:
                log.error("events_missing", reason=str(error))  # noqa: TRY400 - the message says it
                self._publication.count("rebuilds")
                self._follower.start_over()
                if rebuilt:
                    raise ChainError(f"what the node gives does not add up, even read anew: {error}") from error
                rebuilt = True
                continue
            if progress is None:
                break
            if progress.rolled_back_to is not None:
                reopened = self._actions.roll_back(progress.rolled_back_to)
                self._reorgs += 1
                self._reorg_depth = max(0, before - progress.rolled_back_to)
                log.warning(
                    "reorganisation",
                    common_ancestor=progress.rolled_back_to,
                    depth=self._reorg_depth,
                    transactions_reopened=len(reopened),
                )
            latest = self._progress = progress
            self._actions.freshness.observe(progress.block)
            self._actions.observe(progress.events)
            if progress.caught_up:
                break
        if latest is not None:
            self._progress, self._seen_at = latest, looked_at
            self._wake.seen(latest.block.number)
        return latest

    # --- state to findings ---

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
                self._publication.alarm("assessment_failed", Severity.CRITICAL, str(error))
                return
            self._publication.clear("assessment_failed")
            self._actions.new_block(progress.block)
            self._findings = find(self._assessment, exclude=frozenset({self._account}))
            found_at, taken = time.time(), 1000.0 * (time.perf_counter() - started)
            self._publication.took("margin", taken)
            log.debug("assessed", block=progress.block.number, milliseconds=round(taken, 2), found_at=found_at)
            self._acted = self._actions.act(self._assessment, self._findings, self._seen_at)
            # Said after what is urgent was done.
            self._raise_margin_calls(self._assessment)
            self._publication.bands(self._assessment, self._findings, self._calls.since)
            self._report_tiers(self._findings)
            return
        self._acted = self._actions.act(self._assessment, self._findings, self._seen_at)

    def _raise_margin_calls(self, assessment: Assessment) -> None:
        config = self._config
        health = assessment.health(below=config.margin_call_cleared, also=self._calls.since.keys())
        calls, changes = update_calls(self._calls, health, assessment.block, config.margin_call_health, config.margin_call_cleared)
        self._call_store.append(changes)
        self._calls = calls
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

    # --- what has time ---

    def _rest(self, *, after_block: bool) -> None:
        """What jobs ask of the state; without findings also what the engine itself puts off."""
        if self.upkeep.work(after_block=after_block, calm=not self._findings):
            self._progress = self._assessment = None
            self._findings = []
        if self._findings:
            self._busy_at = time.monotonic()
            return
        self._actions.balances.read()
        if self._assessor.beside >= _BESIDE_AT_REST and time.monotonic() - self._busy_at > _QUIET_SECONDS:
            self._assessor.settle()

    # --- what others see ---

    def _show(self) -> None:
        progress, assessment, dispatch = self._progress, self._assessment, self._actions.dispatch
        ages: dict[str, float] = {}
        if progress is not None:
            symbols = progress.state.symbols
            ages = {
                symbols.get(index, str(index)): float(progress.block.time - spot.signed_at) for index, spot in progress.state.spots.items()
            }
        busy = dispatch.busy_accounts
        endpoints = self._port.states() if isinstance(self._port, EndpointPool) else []
        names = [item.name for item in fields(EndpointView)]
        self._publication.show(
            ready=assessment is not None and progress is not None and self._trouble is None,
            leading=self._actions.leading,
            cursor=None if progress is None else progress.block,
            head=None if progress is None else progress.block,
            reorg_depth=self._reorg_depth,
            reorgs=self._reorgs,
            oracle_ages=ages,
            assessment=assessment,
            findings=tuple(self._findings),
            margin_calls=self._calls.since,
            counts=dispatch.counts(),
            queue=sum(finding.tier is not Tier.DEFICIT and finding.account not in busy for finding in self._findings),
            endpoints=tuple(EndpointView(**{name: getattr(state, name) for name in names}) for state in endpoints),
            signers=self._actions.balances.signers(),
            fund_balance=self._actions.balances.fund,
            jobs=self.upkeep.tell(),
        )
