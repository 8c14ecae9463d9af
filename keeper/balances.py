"""What the senders have to pay gas with, and the insurance fund to pay with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keeper.errors import DeploymentError, RevertError
from keeper.logs import get_logger
from keeper.model import WAD
from keeper.snapshot import SignerView

if TYPE_CHECKING:
    from keeper.chain import ChainPort, Deployment
    from keeper.execution import Dispatch

__all__ = ["Balances"]

log = get_logger("balances")

_EVERY = 30.0


class Balances:
    """fund: USD that the insurance fund holds; None until it was read."""

    def __init__(self, port: ChainPort, deployment: Deployment, dispatch: Dispatch) -> None:
        self._port, self._deployment, self._dispatch = port, deployment, dispatch
        self._of_senders: dict[str, int] = {}
        self._next = 0.0
        self.fund: float | None = None

    def read(self) -> None:
        """Now and then. Raises ChainError."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        self._of_senders = {manager.address: self._port.balance(manager.address) for manager in self._dispatch.managers}
        fund = self._deployment.contract("InsuranceFund")
        try:
            self.fund = int(fund.decode("holdings", self._port.call(fund.address, fund.encode("holdings")))) / WAD
        except (DeploymentError, RevertError) as error:
            log.debug("fund_not_read", reason=str(error))

    def signers(self) -> tuple[SignerView, ...]:
        return tuple(
            SignerView(
                address=manager.address,
                balance=self._of_senders.get(manager.address),
                nonce=manager.next_nonce,
                gap=manager.in_flight,
                spent_today=manager.spent_today,
                cap_today=manager.cap_today,
            )
            for manager in self._dispatch.managers
        )
