"""Many accounts per transaction: planned in groups, each group simulated once and sent as one, as much as a block holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from structlog.contextvars import bound_contextvars

from keeper.errors import ChainError, KeeperError, RevertError
from keeper.execution.calls import BATCH, SCOPE_TRADE
from keeper.liquidation import Liquidation
from keeper.logs import get_logger
from keeper.monitoring import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from keeper.chain import Deployment
    from keeper.config import Config
    from keeper.execution import Confirmation, ConfirmedBatch, Dispatch, Entry
    from keeper.execution.peers import SignedUpdate
    from keeper.liquidation import Plan, Planner
    from keeper.monitoring import Assessment, Finding
    from keeper.portfolio import State
    from keeper.publication import Publication

__all__ = ["Batches", "Round"]

log = get_logger("batches")

_BLOCKS_IN_FLIGHT = 2
"""Full blocks that transactions under way may fill: what waits longer was simulated on a state that is gone."""
_TIERS = frozenset({Tier.PARTIAL, Tier.FULL, Tier.BANKRUPT})


@dataclass(frozen=True, slots=True)
class Round:
    """sent: transactions; held: accounts to leave alone for a while; stale: prices are too old for more."""

    sent: int
    held: tuple[int, ...]
    stale: bool


class Batches:
    """planning: of one thread; plan: of one finding, with what the contract pays now; sent: told of every transaction."""

    def __init__(
        self,
        config: Config,
        deployment: Deployment,
        account: int,
        dispatch: Dispatch,
        confirmation: Confirmation,
        publication: Publication,
        planning: Executor,
        plan: Callable[[Assessment, Planner, Finding], Plan | None],
        sent: Callable[[Entry], None],
    ) -> None:
        self._config, self._account, self._dispatch, self._confirmation = config, account, dispatch, confirmation
        self._publication, self._plan, self._sent = publication, plan, sent
        self._contract = deployment.contracts.get(BATCH)
        self._planning = planning
        self._alone: set[int] = set()

    def allowed(self, state: State) -> bool:
        """Whether the deployment has the contract, and the account made it an operator."""
        return self._contract is not None and bool(state.operators.get((self._account, self._contract.address), 0) & SCOPE_TRADE)

    def takes(self, finding: Finding) -> bool:
        """What is liquidated, and was not refused in a batch before: those are tried again alone, and smaller."""
        return finding.tier in _TIERS and finding.account not in self._alone

    def done_alone(self, account: int) -> None:
        """What is left of it may go with others again."""
        self._alone.discard(account)

    def send(
        self,
        assessment: Assessment,
        planner: Planner,
        findings: Sequence[Finding],
        seen_at: float,
        prices: Callable[[Sequence[Finding]], Sequence[SignedUpdate] | None],
    ) -> Round:
        """One block's worth at most, most urgent first. prices: to be brought along, none where the stored ones last, None where
        they do not and there are no newer ones. Raises ChainError, and as Dispatch.submit."""
        size = self._confirmation.members
        groups = [findings[at : at + size] for at in range(0, len(findings), size)]
        begun, sent, offered, held = time.perf_counter(), 0, 0, list[int]()
        planned = self._planning.submit(self._plans, assessment, planner, groups[0])
        for place, group in enumerate(groups):
            room = _BLOCKS_IN_FLIGHT * self._config.gas_per_block - self._dispatch.gas_in_flight
            if offered >= self._config.gas_per_block or room < self._config.gas_limit or not self._dispatch.has_room:
                break
            updates = prices(group)
            if updates is None:
                return Round(sent, (*held, *(finding.account for rest in groups[place:] for finding in rest)), stale=True)
            plans = planned.result()
            if place + 1 < len(groups):
                # While the node simulates one group, the next is planned.
                planned = self._planning.submit(self._plans, assessment, planner, groups[place + 1])
            held += [finding.account for finding in group if finding.account not in plans]
            if not plans:
                continue
            with bound_contextvars(correlation=f"{assessment.block.number}-{group[0].account}"):
                planned_at = time.perf_counter()
                batch = self._confirm(list(plans.values()), updates)
                if batch is None:
                    held += plans
                    continue
                held += self._put_aside(batch)
                if batch.call is None:
                    continue
                if self._config.dry_run:
                    held += batch.call.accounts
                    self._publication.count("dry_run", len(batch.call.accounts))
                    log.info("would_send", purpose=batch.call.purpose, accounts=batch.call.accounts)
                    continue
                confirmed_at = time.perf_counter()
                entry = self._dispatch.submit(batch.call, f"{assessment.block.number}-{group[0].account}", batch.gas, seen_at)
                self._sent(entry)
                self._publication.clear("gas_cap")
                sent_at = time.perf_counter()
                self._publication.took("send", 1000.0 * (sent_at - begun))
                log.info(
                    "sent",
                    purpose=entry.purpose,
                    accounts=batch.call.accounts,
                    prices=len(updates),
                    transaction=entry.hash,
                    nonce=entry.nonce,
                    gas=entry.gas,
                    payment=sum(outcome.payment for _, outcome in batch.members),
                    plan_ms=round(1000.0 * (planned_at - begun), 1),
                    confirm_ms=round(1000.0 * (confirmed_at - planned_at), 1),
                    submit_ms=round(1000.0 * (sent_at - confirmed_at), 1),
                )
                begun = sent_at
            sent += 1
            offered += batch.gas
        planned.cancel()
        return Round(sent, tuple(held), stale=False)

    def _plans(self, assessment: Assessment, planner: Planner, group: Sequence[Finding]) -> dict[int, Liquidation]:
        """By account. Each counts against those after it, whatever becomes of it."""
        found: dict[int, Liquidation] = {}
        for finding in group:
            try:
                plan = self._plan(assessment, planner, finding)
            except ChainError:
                raise
            except KeeperError as error:
                log.error("account_failed", account=finding.account, error=type(error).__name__, reason=str(error))  # noqa: TRY400
                plan = None
            except Exception:
                log.exception("account_failed", account=finding.account)
                plan = None
            if isinstance(plan, Liquidation):
                planner.accept(plan)
                found[finding.account] = plan
            else:
                self._alone.add(finding.account)
        return found

    def _confirm(self, plans: Sequence[Liquidation], updates: Sequence[SignedUpdate]) -> ConfirmedBatch | None:
        try:
            return self._confirmation.confirm_batch(plans, updates)
        except RevertError as error:
            log.warning("batch_refused", accounts=[plan.account for plan in plans], error=str(error))
            self._publication.count("refused_batch")
            self._alone.update(plan.account for plan in plans)
            return None

    def _put_aside(self, batch: ConfirmedBatch) -> list[int]:
        for answer in batch.refused:
            self._publication.count(f"refused_{answer.refusal.name.lower()}")
            log.info("refused", account=answer.plan.account, plan=repr(answer.plan), why=answer.refusal.value, error=str(answer.error))
        self._alone.update(answer.plan.account for answer in batch.refused)
        return [answer.plan.account for answer in batch.refused]
