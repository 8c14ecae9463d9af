"""What a keeper sends besides liquidations, when there is nothing more urgent: prices, its inventory's way to the maker, and calls that
periodic jobs or people ask for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from keeper.errors import CapError, ExecutionError, KeeperError, LeaseError, RevertError
from keeper.execution.inventory import PURPOSE as INVENTORY
from keeper.execution.prices import PURPOSE as PRICES
from keeper.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keeper.chain import Block
    from keeper.config import Config
    from keeper.execution import Call, Confirmation, Dispatch, Entry, Inventory, PriceRelay
    from keeper.monitoring import Assessment
    from keeper.portfolio import Spot
    from keeper.publication import Publication

__all__ = ["Errands"]

log = get_logger("actions")

_CHORES = 1_000
"""Calls that may wait: of what is asked for beyond, the oldest is forgotten, since its job will ask again."""


class Errands:
    """Used while this keeper leads. account: whose inventory; sent: told of every transaction."""

    def __init__(
        self,
        config: Config,
        account: int,
        dispatch: Dispatch,
        confirmation: Confirmation,
        relay: PriceRelay,
        inventory: Inventory,
        publication: Publication,
        sent: Callable[[Entry], None],
    ) -> None:
        self._config, self._account, self._dispatch, self._confirmation = config, account, dispatch, confirmation
        self._relay, self._inventory, self._publication, self._sent = relay, inventory, publication, sent
        self._chores: deque[Call] = deque(maxlen=_CHORES)

    def submit_prices(self, spots: Mapping[int, Spot], block: Block, seen_at: float) -> None:
        """Raises ChainError."""
        if self._config.dry_run or self._dispatch.is_open(PRICES):
            return
        try:
            call = self._relay.call(spots)
            if call is None:
                return
            entry = self._dispatch.submit(call, f"{block.number}-prices", self._confirmation.gas_of(call), seen_at)
            self._sent(entry)
            log.info("sent", purpose=entry.purpose, transaction=entry.hash, nonce=entry.nonce)
        except (ExecutionError, RevertError) as error:
            log.warning("prices_not_relayed", reason=str(error))

    def work_inventory(self, assessment: Assessment, seen_at: float) -> None:
        """Raises ChainError."""
        if self._config.dry_run or self._dispatch.is_open(INVENTORY):
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
            entry = self._dispatch.submit(settlement.call, correlation, gas, seen_at)
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

    def request(self, call: Call) -> None:
        """Asks for a call to be sent when nothing is urgent. From any thread; a call that waits already is not asked for twice."""
        if call not in self._chores:
            self._chores.append(call)

    def work_chores(self, block: Block, seen_at: float) -> None:
        """One of the calls asked for, if the contract accepts it. Raises ChainError."""
        if not self._chores or self._dispatch.is_open(self._chores[0].purpose):
            return
        call = self._chores.popleft()
        try:
            gas = self._confirmation.gas_of(call)
            if self._config.dry_run:
                log.info("would_send", purpose=call.purpose)
                return
            entry = self._dispatch.submit(call, f"{block.number}-{call.purpose}", gas, seen_at)
        except (RevertError, ExecutionError, CapError, LeaseError) as error:
            log.info("chore_refused", purpose=call.purpose, reason=str(error))
            self._publication.count(f"refused_{call.purpose}")
            return
        self._sent(entry)
        log.info("sent", purpose=entry.purpose, correlation=entry.correlation, transaction=entry.hash, nonce=entry.nonce)
