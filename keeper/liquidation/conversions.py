"""A debt that collateral pays: how much of it, and which legs go with it because it covered them.

The contract lets collateral go alone where the account's shortfall does not rise. Where it does (a covered call: without the spot the
call is naked) legs in the same underlying go with it, as many as bring the shortfall back to what it was, and hardly more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.errors import MarketError
from keeper.liquidation.plan import Conversion, Cover, PlannedLeg, parts
from keeper.liquidation.room import OWN_SCALES, Room
from keeper.liquidation.trials import Trials
from keeper.model import WAD, Account, Instrument, Wad
from keeper.monitoring import Assessment

__all__ = ["Conversions"]

Floats = NDArray[np.float64]

_ANY_AMOUNT = 1e12
"""More tokens than anybody holds."""
_SHARES = np.geomspace(1e-6, 1.0, 257)
"""Of legs: what is covered by a little collateral is a small share of them, and beyond that share the shortfall rises again."""
_STEPS = np.linspace(0.0, 1.0, 65)


class Conversions:
    """room: of the keeper's own account, None where nobody's margin is asked. discount: of a conversion of an account's collateral now,
    share of the price; None where it is taken to begin now."""

    def __init__(self, assessment: Assessment, room: Room | None, discount: Callable[[int], float] | None) -> None:
        self._assessment = assessment
        self._room = room
        self._discount = discount

    def plan(self, account: Account) -> Conversion | Cover | None:
        """None without a debt, without collateral behind open positions, and where nothing that may go helps. Raises what `discount`
        raises, and MarketError for collateral without a price."""
        debt = -account.cash.raw
        if debt <= 0:
            return None
        state, rules = self._assessment.state, self._assessment.rules
        indices = {name: index for index, name in state.tokens.items()}
        held = [(indices[token], token, quantity) for token, quantity in account.collateral.items() if quantity]
        if not held:
            return None if account.positions else Cover(account.id)
        index, token, quantity = max(held, key=lambda item: item[2].raw)
        feed = state.spots.get(state.table.price_underlying(index))
        if feed is None:
            raise MarketError(f"expected a price of collateral {index}, none was published")
        # As much as the debt asks for at the lowest discount; a larger discount only makes it cheaper.
        price = feed.spot * (1.0 - rules.conversion_discount_start) / WAD
        spendable = math.inf if self._room is None else self._room.cash
        affordable = spendable / price if price > 0.0 else 0.0
        amount = min(quantity.raw, int(debt / price), int(min(max(0.0, affordable), _ANY_AMOUNT) * WAD))
        unit = state.units.get(index, 1)
        for scale in OWN_SCALES:
            part = int(amount * scale) // unit * unit
            legs = self._followers(account, token, part) if part > 0 else None
            if legs is not None and (not legs or self._room is None or self._room.bears([leg.leg for leg in legs])):
                limit = Wad.from_float(part / WAD * price * (1.0 + 1e-9))
                return Conversion(account.id, index, Wad(part), limit, legs)
        return None

    def _followers(self, account: Account, token: str, quantity: int) -> tuple[PlannedLeg, ...] | None:
        """The legs that must go with the collateral; none where it may go alone, None where no legs make up for it."""
        rules = self._assessment.rules
        trials = Trials(self._assessment, self._assessment.alone(account.id))
        feed = self._assessment.market.token_prices[token]

        def rise(fractions: Floats, discount: float) -> Floats:
            """How much the shortfall is above what it was, [K] USD."""
            return trials.shortfall_without(token, quantity / WAD, quantity / WAD * feed * (1.0 - discount), fractions) - trials.lack

        stays = np.zeros((1, len(trials.sizes)))
        if float(rise(stays, rules.conversion_discount_max)[0]) <= 0.0:
            return ()
        discount = rules.conversion_discount_start if self._discount is None else self._discount(account.id)
        alone = float(rise(stays, discount)[0])
        if alone <= 0.0:
            return ()
        aim = -alone * rules.conversion_buffer / 2.0  # in the middle of what the contract allows
        joined = next(accepted.underlying for accepted in self._assessment.parameters.collateral if accepted.token == token)
        for candidate in _candidates(trials.instruments, joined):
            first = int(np.argmax(rise(_SHARES[:, None] * candidate, discount) <= aim))
            low, high = (0.0 if first == 0 else float(_SHARES[first - 1])), float(_SHARES[first])
            shares = low + (high - low) * _STEPS
            rises = rise(shares[:, None] * candidate, discount)
            good = (rises <= aim) & (rises >= 2.0 * aim)
            if good.any():
                share = float(shares[int(np.argmax(good))])
                return parts(account, trials.instruments, (share * candidate).tolist()) or None
        return None


def _candidates(instruments: Sequence[Instrument], underlying: int | None) -> Iterator[Floats]:
    """0/1 rows [n]: all legs in the underlying, then each alone; none for collateral that joins no legs."""
    mine = np.array([instrument.underlying == underlying for instrument in instruments])
    if mine.any():
        yield mine.astype(np.float64)
    if mine.sum() > 1:
        yield from np.eye(len(instruments))[mine]
