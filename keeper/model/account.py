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
    """size: signed contracts; cost: signed USD paid for the open size. Unrealised P&L = size * mark - cost."""

    size: Wad
    cost: Wad

    def __post_init__(self) -> None:
        if not isinstance(self.size, Wad) or not isinstance(self.cost, Wad):
            raise AccountError(f"a position expects size and cost as Wad, got {self.size!r} and {self.cost!r}")


@dataclass(frozen=True, slots=True)
class Account:
    """id: the ledger's number; owner: address as text; cash: signed USD, realised; collateral: token name -> quantity
    (1e18 per whole token, never negative); positions: instrument -> position, sizes other than zero.

    The mappings are copied and read-only. Raises AccountError for contents the ledger could not hold.
    """

    id: int
    owner: str
    mode: MarginMode
    cash: Wad
    collateral: Mapping[str, Wad] = field(default_factory=dict)
    positions: Mapping[Instrument, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.id) is not int or self.id < 0:
            raise AccountError(f"account id: expected an int >= 0, got {self.id!r}")
        if not isinstance(self.mode, MarginMode):
            raise AccountError(f"account {self.id}: expected a MarginMode, got {self.mode!r}")
        if not isinstance(self.cash, Wad):
            raise AccountError(f"account {self.id}: expected cash as Wad, got {self.cash!r}")
        for token, quantity in self.collateral.items():
            if not isinstance(quantity, Wad) or quantity.raw < 0:
                raise AccountError(f"account {self.id}: expected a Wad >= 0 of {token}, got {quantity!r}")
        for instrument, position in self.positions.items():
            if not isinstance(instrument, Instrument) or not isinstance(position, Position):
                raise AccountError(f"account {self.id}: expected Instrument -> Position, got {instrument!r}")
            if not position.size:
                raise AccountError(f"account {self.id}: a position in {instrument} is expected to have a size")
        object.__setattr__(self, "collateral", MappingProxyType(dict(self.collateral)))
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))
