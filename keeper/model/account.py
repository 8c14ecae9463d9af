"""Accounts as the ledger keeps them: exact integers, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from keeper.errors import AccountError
from keeper.model.instrument import Instrument
from keeper.model.units import Wad

__all__ = ["Account", "MarginMode", "Position"]


class MarginMode(IntEnum):
    """How an account is margined; the numbers are those of the contract."""

    ISOLATED = 0
    CROSS = 1
    PORTFOLIO = 2


@dataclass(frozen=True, slots=True)
class Position:
    """size: signed contracts; cost: signed USD paid for the open size. Unrealised P&L = size * mark - cost.

    carry_entry: carry index of its side when it last changed, 1e-18 USD per contract (keeper.portfolio.carry); no part of equality.
    """

    size: Wad
    cost: Wad
    carry_entry: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _wad("size of a position", self.size)
        _wad("cost of a position", self.cost)


@dataclass(frozen=True, slots=True)
class Account:
    """id: the ledger's number; owner: address as text; cash: signed USD, realised; collateral: token name -> quantity
    (1e18 per whole token, never negative); positions: instrument -> position, sizes other than zero. interest_entry: debit
    index from which a debt owes, 1e-15; deficit_open: interest stands still; neither is part of equality.

    The mappings are copied and read-only. Raises AccountError for contents the ledger could not hold.
    """

    id: int
    owner: str
    mode: MarginMode
    cash: Wad
    collateral: Mapping[str, Wad] = field(default_factory=dict)
    positions: Mapping[Instrument, Position] = field(default_factory=dict)
    interest_entry: int = field(default=0, compare=False)
    deficit_open: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.id) is not int or not 0 <= self.id < 2**64:
            raise AccountError(f"account id: expected a uint64, got {self.id!r}")
        if not isinstance(self.mode, MarginMode):
            raise AccountError(f"account {self.id}: expected a MarginMode, got {self.mode!r}")
        _wad(f"account {self.id}: cash", self.cash)
        for token, quantity in self.collateral.items():
            if _wad(f"account {self.id}: {token}", quantity) < 0:
                raise AccountError(f"account {self.id}: expected {token} >= 0, got {quantity!r}")
        for instrument, position in self.positions.items():
            if not position.size:
                raise AccountError(f"account {self.id}: a position in {instrument} is expected to have a size")
        object.__setattr__(self, "collateral", MappingProxyType(dict(self.collateral)))
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))


def _wad(name: str, value: object) -> int:
    if not isinstance(value, Wad):
        raise AccountError(f"{name}: expected a Wad, got {value!r}")
    return value.raw
