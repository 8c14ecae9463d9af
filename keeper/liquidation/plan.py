"""What the keeper intends to do, before the contract was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.margin import Leg, Witness
from keeper.model import WAD, Account, Instrument, Wad
from keeper.monitoring import Tier

__all__ = ["Conversion", "Cover", "Flag", "Liquidation", "Plan", "PlannedLeg", "parts", "truncated"]


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """size: signed like the position, at most as large."""

    instrument: Instrument
    size: Wad

    @property
    def leg(self) -> Leg:
        """As margins are computed."""
        return Leg(self.instrument, self.size.to_float())


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Legs of `account` to the keeper. payment, health_after, turnover: expected, USD; profit: payment less what the
    inventory will cost to work down and gas; further: the rest of a book that may be bankrupt by the time of inclusion, taken in the same
    transaction where it is; through_payment: expected then, USD."""

    account: int
    tier: Tier
    legs: tuple[PlannedLeg, ...]
    witness: Witness
    payment: float
    health_after: float
    turnover: float
    profit: float
    further: tuple[PlannedLeg, ...] = ()
    through_payment: float = 0.0

    def scaled(self, share: float) -> Liquidation | None:
        """The same legs, `share` (0..1) of each, and no further ones; None where nothing is left."""
        legs = tuple(PlannedLeg(leg.instrument, Wad(truncated(leg.size.raw, share))) for leg in self.legs)
        legs = tuple(leg for leg in legs if leg.size)
        if not legs:
            return None
        less = {name: getattr(self, name) * share for name in ("payment", "turnover", "profit")}
        return replace(self, legs=legs, further=(), through_payment=0.0, **less)


@dataclass(frozen=True, slots=True)
class Flag:
    """Starts the account's Dutch clock where nothing else is possible."""

    account: int
    witness: Witness


@dataclass(frozen=True, slots=True)
class Conversion:
    """Buys `quantity` of collateral `index` out of the account's debt for at most `limit` USD, together with the legs that it covers."""

    account: int
    index: int
    quantity: Wad
    limit: Wad
    legs: tuple[PlannedLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class Cover:
    """The fund pays what an account without positions and collateral owes."""

    account: int


Plan = Liquidation | Flag | Conversion | Cover


def parts(account: Account, instruments: Sequence[Instrument], fractions: Sequence[float]) -> tuple[PlannedLeg, ...]:
    """A share (0..1) of each position, as exact legs, without those of which nothing is left."""
    sizes = [truncated(account.positions[each].size.raw, share) for each, share in zip(instruments, fractions, strict=True)]
    return tuple(PlannedLeg(each, Wad(size)) for each, size in zip(instruments, sizes, strict=True) if size)


def truncated(size: int, fraction: float) -> int:
    """`fraction` of a signed size, towards zero; all of it from 1 on."""
    if fraction >= 1.0:
        return size
    part = abs(size) * int(fraction * WAD) // WAD
    return part if size > 0 else -part
