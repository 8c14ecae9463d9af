"""Will prices still be young enough when a transaction is included? The contracts compare them with the including block's
time, which is later than the newest block's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from keeper.chain import Block
from keeper.errors import MarketError
from keeper.portfolio import State

__all__ = ["Freshness"]

_SPACINGS = 5


class Freshness:
    """Learns the chain's block spacing: the least of the last few, since a pause or a jump of the clock says nothing about
    the next block."""

    def __init__(self) -> None:
        self._spacings: deque[int] = deque(maxlen=_SPACINGS)
        self._newest: Block | None = None

    def observe(self, block: Block) -> None:
        """Every block the keeper comes by, in any order."""
        newest = self._newest
        if newest is not None and block.number > newest.number:
            self._spacings.append((block.time - newest.time) // (block.number - newest.number))
        if newest is None or block.number != newest.number:
            self._newest = block

    @property
    def spacing(self) -> int:
        """Seconds from one block to the next; 0 while it is unknown."""
        return max(0, min(self._spacings, default=0))

    def lasts(self, state: State, accounts: Iterable[int], head: Block, max_age: float) -> bool:
        """True where every price that `accounts` use will be at most `max_age` seconds old in the block after `head`."""
        inclusion = head.time + self.spacing
        for account in accounts:
            try:
                oldest = state.oldest_price(state.accounts[account])
            except MarketError:
                return False
            if oldest is not None and inclusion - oldest > max_age:
                return False
        return True
