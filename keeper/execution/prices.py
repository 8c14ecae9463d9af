"""Relaying signed prices: where the chain's are too old to act on, the publisher's latest are submitted first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.chain import Deployment
from keeper.execution.calls import Call
from keeper.execution.peers import Inquiry, SignedUpdate, fetch_updates
from keeper.portfolio import Spot

__all__ = ["PriceRelay", "newer_updates"]

PURPOSE = "prices"


class PriceRelay:
    """url None: nothing is ever relayed."""

    def __init__(self, deployment: Deployment, url: str | None, timeout: float) -> None:
        self._door = deployment.contract("PriceDoor")
        self._url = url
        self._timeout = timeout
        self._inquiry: Inquiry[tuple[SignedUpdate, ...]] = Inquiry("prices")

    def wanted(self) -> None:
        """Prices are too old: ask the publisher, unless it is being asked."""
        url, timeout = self._url, self._timeout
        if url is not None and self._inquiry.idle:
            self._inquiry.ask(lambda: fetch_updates(url, timeout))

    def call(self, spots: Mapping[int, Spot]) -> Call | None:
        """The submission of what the publisher answered, as far as it is newer than `spots`; None where there is none.
        Raises ExecutionError where the publisher could not be understood."""
        answer = self._inquiry.answer()
        newer = newer_updates(answer or (), spots)
        if not newer:
            return None
        data = self._door.encode("submitBatch", [item.update for item in newer], [list(item.signatures) for item in newer])
        return Call(self._door.address, data, PURPOSE, None)

    def close(self) -> None:
        self._inquiry.close()


def newer_updates(updates: Sequence[SignedUpdate], spots: Mapping[int, Spot]) -> list[SignedUpdate]:
    """The door refuses a whole batch for one update that it already has."""
    return [item for item in updates if item.underlying not in spots or item.timestamp > spots[item.underlying].signed_at]
