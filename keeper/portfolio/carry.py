"""What accounts owe besides what the ledger has booked: carry of positions and interest on debts, in the contract's own integers.

The mirror of contracts/ledger/Carry.sol and DebitInterest.sol: every rounding goes against the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from keeper.model import WAD, Account, Instrument, Kind, Wad

__all__ = ["Carry", "Debit", "Funding"]

_INDEX_UNIT = 10**15
_INDEX_MODULUS = 2**56
_YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Funding:
    """index: USD 1e18 per contract as of `since` (unix seconds); rate: the same per second until `until`, > 0: longs pay shorts."""

    index: int = 0
    rate: int = 0
    since: int = 0
    until: int = 0

    def at(self, time: int) -> int:
        return self.index + self.rate * (min(time, self.until) - self.since)


@dataclass(frozen=True, slots=True)
class Debit:
    """index: 1e15 modulo 2**56 as of `since` (unix seconds); rate: 1e18 per year."""

    index: int = 0
    rate: int = 0
    since: int = 0

    def at(self, time: int) -> int:
        return (self.index + self.rate * (time - self.since) // (1_000 * _YEAR)) % _INDEX_MODULUS


@dataclass(frozen=True, slots=True)
class Carry:
    """The ledger's indices. funding: by underlying; losses: (longs, shorts) by instrument, USD 1e18 per contract; debit: of
    negative cash. What each position and debt entered at lies with it (Position.carry_entry, Account.interest_entry)."""

    funding: Mapping[int, Funding] = field(default_factory=dict)
    losses: Mapping[Instrument, tuple[int, int]] = field(default_factory=dict)
    debit: Debit = field(default_factory=Debit)

    def __post_init__(self) -> None:
        for name in ("funding", "losses"):
            mapping = getattr(self, name)
            if not isinstance(mapping, MappingProxyType):
                object.__setattr__(self, name, MappingProxyType(dict(mapping)))

    @property
    def ever(self) -> bool:
        """False while nothing was ever charged: no account owes anything."""
        return bool(self.funding or self.losses or self.debit.rate or self.debit.index)

    def indices(self, instrument: Instrument, time: int) -> tuple[int, int]:
        """(longs, shorts) at `time`, USD 1e18 per contract."""
        longs, shorts = self.losses.get(instrument, (0, 0))
        if instrument.kind is Kind.PERP and instrument.underlying in self.funding:
            funding = self.funding[instrument.underlying].at(time)
            return longs + funding, shorts + funding
        return longs, shorts

    def owed(self, account: Account, time: int) -> int:
        """Carry of all positions, 1e-18 USD, each rounded up; < 0: it is owed to the account."""
        total = 0
        for instrument, position in account.positions.items():
            longs, shorts = self.indices(instrument, time)
            size = position.size.raw
            total -= -size * ((longs if size > 0 else shorts) - position.carry_entry) // WAD
        return total

    def interest(self, account: Account, time: int) -> int:
        """On negative cash, 1e-18 USD, rounded up. None for the house (account 0) and while a deficit is open."""
        if account.cash.raw >= 0 or account.deficit_open or account.id == 0:
            return 0
        elapsed = (self.debit.at(time) - account.interest_entry) % _INDEX_MODULUS
        return -(account.cash.raw * elapsed // _INDEX_UNIT)

    def accrued(self, account: Account, time: int) -> Account:
        """The account as if it paid and received all of it at `time`: its cash is what margin counts with."""
        due = self.owed(account, time) + self.interest(account, time)
        if not due:
            return account
        return replace(account, cash=Wad(account.cash.raw - due))
