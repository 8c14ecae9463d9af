"""Deficits beyond the insurance fund, from the first to the last transaction: opened, counterparties nominated, executed in slices.

Everything that it knows of a deficit comes back to it as events, so that it goes on after a restart where it was; what the
contract alone knows (when a window ends) it learns by simulating. It simulates everything before it sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from keeper.bus import Severity
from keeper.chain.events import DeficitClosed, DeficitOpened, Event, Executed
from keeper.deleveraging import Execute, Nominate, Open, Place, Rankings, Step, holders, nominations
from keeper.errors import RevertError
from keeper.execution import NOMINATE, Call, Dispatch, Entry, Execution, execution_of, step_call
from keeper.logs import get_logger
from keeper.model import WAD

if TYPE_CHECKING:
    from keeper.chain import ChainPort, Deployment
    from keeper.config import Config
    from keeper.monitoring import Assessment, Finding
    from keeper.publication import Publication

__all__ = ["DeficitWork"]

log = get_logger("deficits")

_MAX_ROUNDS = 4  # Deleverager.MAX_ROUNDS


class DeficitWork:
    """gas_of: the limit to send a call with, raises RevertError; sent: told of every transaction; stale: told where the contract finds
    prices too old."""

    def __init__(
        self,
        config: Config,
        port: ChainPort,
        deployment: Deployment,
        dispatch: Dispatch,
        publication: Publication,
        gas_of: Callable[[Call], int],
        sent: Callable[[Entry], None],
        stale: Callable[[], None],
    ) -> None:
        self._config, self._port, self._deployment, self._dispatch = config, port, deployment, dispatch
        self._publication, self._gas_of, self._sent, self._stale = publication, gas_of, sent, stale
        self._refused: dict[Place, float] = {}
        self._window: dict[int, tuple[int, int]] = {}
        self._closes: dict[int, int] = {}
        self._ranked: tuple[Assessment, Rankings] | None = None

    def open(self, assessment: Assessment, finding: Finding, seen_at: float) -> bool:
        """For an account that nobody may liquidate with the fund's money; True where its deficit is being opened. Raises ChainError,
        ExecutionError."""
        if not self._config.deleverage:
            return False
        step = Open(finding.account)
        gas = self._simulated(step)
        return gas is not None and self._send(assessment, step, finding, gas, seen_at, equity=round(finding.equity, 2))

    def work(self, assessment: Assessment, finding: Finding, seen_at: float) -> bool:
        """The next step of an open deficit; True where something was sent. Raises ChainError, ExecutionError."""
        if not self._config.deleverage:
            return False
        if finding.equity >= 0.0:
            return self._execute(assessment, finding, seen_at)  # it recovered: that closes it, whoever is nominated
        missing = self._missing(assessment, finding.account)
        if missing:
            return self._nominate(assessment, finding, missing, seen_at)
        # Whoever is about to enter the queue must not come too late.
        return not self._dispatch.is_open(NOMINATE) and self._execute(assessment, finding, seen_at)

    def observe(self, events: Iterable[Event]) -> None:
        """What happened to deficits, whoever did it."""
        for event in events:
            if isinstance(event, DeficitOpened):
                log.warning("deficit_opened", account=event.account, by=event.by, equity=_usd(event.equity), fund=_usd(event.fund_may_pay))
            elif isinstance(event, Executed):
                self._window.pop(event.account, None)
                log.info(
                    "deficit_executed",
                    account=event.account,
                    equity=_usd(event.equity),
                    fund_paid=_usd(event.fund_paid),
                    haircut=_usd(event.haircut),
                    shared=_usd(event.shared),
                    closes=event.closes,
                )
            elif isinstance(event, DeficitClosed):
                self._window.pop(event.account, None)
                self._closes.pop(event.account, None)
                self._publication.clear("deficit_stuck", f"account {event.account}")
                log.info("deficit_closed", account=event.account, equity=_usd(event.equity), claim=_usd(event.claim))

    # --- nominating ---

    def _missing(self, assessment: Assessment, account: int) -> list[Nominate]:
        if self._ranked is None or self._ranked[0] is not assessment:
            sides = {side for deficit in assessment.state.deficits.open.values() for side in deficit.sides}
            self._ranked = assessment, holders(assessment, sides)
        now = time.monotonic()
        self._refused = {place: until for place, until in self._refused.items() if until > now}
        return nominations(assessment, account, self._ranked[1], self._refused)

    def _nominate(self, assessment: Assessment, finding: Finding, missing: list[Nominate], seen_at: float) -> bool:
        sent, busy = False, self._dispatch.busy_accounts
        for step in missing:
            if step.account in busy:
                continue
            if not self._dispatch.has_room:
                break
            gas = self._simulated(step)
            if gas is None:
                self._refused[step.instrument, step.account] = time.monotonic() + self._config.retry_after
                continue
            done = self._send(assessment, step, finding, gas, seen_at, instrument=str(step.instrument), score=step.score)
            if not done:  # a dry run: as if it were queued
                self._refused[step.instrument, step.account] = time.monotonic() + self._config.retry_after
            # One account may be opposite two legs: its second nomination waits for the first.
            busy |= {step.account}
            sent |= done
        return sent

    # --- executing ---

    def _execute(self, assessment: Assessment, finding: Finding, seen_at: float) -> bool:
        account, block = finding.account, assessment.block
        ends, number = self._window.get(account, (0, 0))
        if finding.equity < 0.0 and (block.time < ends or block.number < number):
            return False
        step = Execute(account, self._closes.get(account, self._config.closes_per_transaction))
        call = step_call(step, self._deployment)
        sender = self._dispatch.managers[0].address
        try:
            found = execution_of(self._deployment, self._port.call(call.to, call.data, sender=sender, gas=self._config.gas_limit))
            if found.is_idle and not self._opens_a_window(assessment, account):
                self._is_stuck(account, found)
                return False
            gas = self._gas_of(call)
        except RevertError as error:
            self._not_executed(step, error)
            return False
        figures = {"equity": _usd(found.equity), "haircut": _usd(found.haircut), "fund_paid": _usd(found.fund_paid)}
        return self._send(
            assessment, step, finding, gas, seen_at, **figures, shared=_usd(found.shared), closes=found.closes, stays_open=found.open
        )

    def _not_executed(self, step: Execute, error: RevertError) -> None:
        if error.name == "WindowOpen":
            ends, number = (int(str(error.arguments[name])) for name in ("time", "number"))
            self._window[step.account] = ends, number
            log.debug("nominations_open", account=step.account, until=ends, until_block=number)
            return
        if not error.name and step.closes > 1:
            self._closes[step.account] = step.closes // 2  # no reason given: out of gas, most likely
        self._refuse(step, error)

    def _opens_a_window(self, assessment: Assessment, account: int) -> bool:
        """An execution that closes nobody, because other deficits emptied the queue, gives those who rank next time to be nominated."""
        deleverager, queues = self._deployment.contract("Deleverager"), self._deployment.contract("Nominations")
        opened_at, _, rounds, _ = deleverager.decode(
            "deficit", self._port.call(deleverager.address, deleverager.encode("deficit", account))
        )
        held = assessment.state.accounts[account].positions
        legs = [instrument.pack() for instrument in held], [position.size.raw for position in held.values()]
        asked = self._port.call(queues.address, queues.encode("droppedSince", *legs, opened_at))
        return int(rounds) < _MAX_ROUNDS and bool(queues.decode("droppedSince", asked))

    def _is_stuck(self, account: int, found: Execution) -> None:
        text = f"{-_usd(found.equity):,.2f} USD of account {account} that nobody left can bear"
        if self._publication.alarm("deficit_stuck", Severity.CRITICAL, text, f"account {account}"):
            log.error("deficit_stuck", account=account, equity=_usd(found.equity))

    # --- sending ---

    def _simulated(self, step: Step) -> int | None:
        """Gas to send it with; None where the contract refuses."""
        try:
            return self._gas_of(step_call(step, self._deployment))
        except RevertError as error:
            self._refuse(step, error)
            return None

    def _refuse(self, step: Step, error: RevertError) -> None:
        if error.name in ("StalePrice", "MissingPrice"):
            self._stale()
        purpose = step_call(step, self._deployment).purpose
        self._publication.count(f"refused_{purpose}")
        log.info("refused", purpose=purpose, account=step.account, error=str(error))

    def _send(self, assessment: Assessment, step: Step, finding: Finding, gas: int, seen_at: float, **figures: object) -> bool:
        call = step_call(step, self._deployment)
        facts = {"purpose": call.purpose, "account": step.account, "deficit_of": finding.account, **figures}
        if self._config.dry_run:
            self._publication.count("dry_run")
            log.info("would_send", **facts)
            return False
        entry = self._dispatch.submit(call, f"{assessment.block.number}-{finding.account}", gas, seen_at)
        self._sent(entry)
        log.info("sent", **facts, urgency=round(finding.urgency, 2), transaction=entry.hash, nonce=entry.nonce, gas=entry.gas)
        return True


def _usd(amount: int) -> float:
    return round(amount / WAD, 6)
