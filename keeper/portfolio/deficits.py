"""Open deficits, who is nominated to bear them, and profit that counts for it: the mirror of what contracts/waterfall keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from keeper.model import Instrument

__all__ = ["Deficit", "Deficits", "Nominee", "Realised", "Side"]

Side = tuple[Instrument, bool]
"""(instrument, True for its longs)."""


@dataclass(frozen=True, slots=True)
class Realised:
    """Profit that an account realised lately, 1e-18 USD, in the two buckets of contracts/ledger/Vesting.sol; since: begin of the
    current one, unix seconds."""

    current: int
    previous: int
    since: int

    def unvested(self, time: int, period: int) -> int:
        """What of it counts at `time`, 1e-18 USD; period: seconds."""
        elapsed = time - self.since
        if elapsed < period:
            return self.current + self.previous
        return self.current if elapsed < 2 * period else 0


@dataclass(frozen=True, slots=True)
class Nominee:
    """score: 1e-9, as the contract computed it when it was nominated."""

    account: int
    score: int


@dataclass(frozen=True, slots=True)
class Deficit:
    """opened: block; legs: signed sizes 1e18 as they were then; equity: then, 1e-18 USD. What was paid since, 1e-18 USD: fund_paid by the
    insurance fund, haircut by the counterparties of `closes` closings, shared by the loss index."""

    opened: int
    equity: int
    legs: Mapping[Instrument, int]
    fund_paid: int = 0
    haircut: int = 0
    shared: int = 0
    closes: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.legs, MappingProxyType):
            object.__setattr__(self, "legs", MappingProxyType(dict(self.legs)))

    @property
    def sides(self) -> frozenset[Side]:
        """Who is opposite: they may be nominated."""
        return frozenset((instrument, size < 0) for instrument, size in self.legs.items())


@dataclass(frozen=True, slots=True)
class Deficits:
    """open: by account; queues: who is nominated, highest first; claims: what accounts owe to fund and loss index, 1e-18 USD."""

    open: Mapping[int, Deficit] = field(default_factory=dict)
    queues: Mapping[Side, tuple[Nominee, ...]] = field(default_factory=dict)
    claims: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("open", "queues", "claims"):
            mapping = getattr(self, name)
            if not isinstance(mapping, MappingProxyType):
                object.__setattr__(self, name, MappingProxyType(dict(mapping)))

    def opposite(self, side: Side) -> int:
        """Contracts 1e18 that the open deficits held opposite `side` when they were opened: the measure of dust."""
        return sum(abs(size) for deficit in self.open.values() for i, size in deficit.legs.items() if (i, size < 0) == side)

    # --- changes, one per event ---

    def opened(self, account: int, deficit: Deficit) -> Deficits:
        return replace(self, open={**self.open, account: deficit})

    def nominated(self, side: Side, nominee: Nominee, limit: int) -> Deficits:
        """Behind the equal ones, before the lower; whoever is in the queue moves; limit: what it keeps."""
        others = [each for each in self.queues.get(side, ()) if each.account != nominee.account]
        at = sum(each.score >= nominee.score for each in others)
        others.insert(at, nominee)
        return replace(self, queues={**self.queues, side: tuple(others[:limit])})

    def dropped(self, side: Side, count: int) -> Deficits:
        return replace(self, queues={**self.queues, side: self.queues.get(side, ())[count:]})

    def executed(self, account: int, fund_paid: int, haircut: int, shared: int, closes: int) -> Deficits:
        known = self.open.get(account)
        if known is None:
            return self
        paid = replace(
            known,
            fund_paid=known.fund_paid + fund_paid,
            haircut=known.haircut + haircut,
            shared=known.shared + shared,
            closes=known.closes + closes,
        )
        changed = replace(self, open={**self.open, account: paid})
        return changed.owing(account, self.claims.get(account, 0) + fund_paid + shared)

    def closed(self, account: int, claim: int) -> Deficits:
        """A queue ends with the last deficit opposite it."""
        left = {number: deficit for number, deficit in self.open.items() if number != account}
        sides = {side for deficit in left.values() for side in deficit.sides}
        queues = {side: queue for side, queue in self.queues.items() if side in sides}
        return replace(self, open=left, queues=queues).owing(account, claim)

    def owing(self, account: int, claim: int) -> Deficits:
        claims = {number: amount for number, amount in self.claims.items() if number != account}
        return replace(self, claims={**claims, account: claim} if claim else claims)
