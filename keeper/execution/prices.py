"""Relaying signed prices: where the chain's are too old to act on, the publisher's latest are submitted first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from keeper.chain import Deployment
from keeper.execution.calls import Call
from keeper.execution.peers import Inquiry, SignedUpdate, fetch_updates
from keeper.portfolio import Spot

__all__ = ["PriceRelay", "newer_updates"]

PURPOSE = "prices"


class PriceRelay:
    """url None: nothing is ever relayed. patience: seconds that prices may be too old before they are relayed: usually the
    publisher submits them itself, and one of two submissions of the same prices fails."""

    def __init__(self, deployment: Deployment, url: str | None, timeout: float, patience: float) -> None:
        self._door = deployment.contract("PriceDoor")
        self._url = url
        self._timeout = timeout
        self._patience = patience
        self._wanted_since: float | None = None
        self._inquiry: Inquiry[tuple[SignedUpdate, ...]] = Inquiry("prices")

    def wanted(self) -> None:
        """Prices are too old: ask the publisher once patience is over, unless it is being asked."""
        url, timeout, now = self._url, self._timeout, time.monotonic()
        self._wanted_since = self._wanted_since or now
        if url is not None and self._inquiry.idle and now - self._wanted_since >= self._patience:
            self._inquiry.ask(lambda: fetch_updates(url, timeout))

    def updated(self) -> None:
        """New prices came: whatever was wanted is judged anew."""
        self._wanted_since = None

    @property
    def answered(self) -> bool:
        """Whether the publisher's answer is there, and was not told yet."""
        return self._inquiry.answered

    def updates(self, spots: Mapping[int, Spot]) -> list[SignedUpdate]:
        """What the publisher answered, as far as it is newer than `spots`: told once. Raises ExecutionError where the publisher could
        not be understood."""
        return newer_updates(self._inquiry.answer() or (), spots)

    def call(self, spots: Mapping[int, Spot]) -> Call | None:
        """The submission of `updates` by themselves; None where there are none. Raises ExecutionError."""
        newer = self.updates(spots)
        if not newer:
            return None
        data = self._door.encode("submitBatch", [item.update for item in newer], [list(item.signatures) for item in newer])
        return Call(self._door.address, data, PURPOSE, None)

    def close(self) -> None:
        self._inquiry.close()


def newer_updates(updates: Sequence[SignedUpdate], spots: Mapping[int, Spot]) -> list[SignedUpdate]:
    """The door refuses a whole batch for one update that it already has."""
    return [item for item in updates if item.underlying not in spots or item.timestamp > spots[item.underlying].signed_at]
