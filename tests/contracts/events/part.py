"""What the parts of a rebuilt state share: the shape of a part, Solidity's arithmetic, roles and modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from tests.contracts.events.logs import Log

__all__ = ["MAX", "WAD", "ZERO", "Modules", "Part", "Roles", "View", "div_up", "truncated"]

WAD = 10**18
MAX = 2**256 - 1
ZERO = "0x" + "00" * 20

View = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""(function, arguments, what it must return)"""


def truncated(numerator: int, denominator: int) -> int:
    """Division as the EVM's SDIV does it."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def div_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


class Part(ABC):
    """State of one contract. A method named like an event folds it (`cash_changed`: CashChanged); an event without one says nothing that
    others do not. `views` tells what the contract's views return at `whole.now`."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole

    @abstractmethod
    def views(self) -> Iterator[View]: ...


class Roles(Part):
    """OpenZeppelin's AccessControl."""

    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.roles: dict[tuple[bytes, str], bool] = {}

    def role_granted(self, e: Log) -> None:
        self.roles[e["role"], e["account"]] = True

    def role_revoked(self, e: Log) -> None:
        self.roles[e["role"], e["account"]] = False

    def views(self) -> Iterator[View]:
        for (role, account), held in self.roles.items():
            yield "hasRole", (role, account), (held,)


class Modules(Part):
    """Who may write, of what is wired once."""

    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.modules: tuple[str, ...] = ()

    def modules_wired(self, e: Log) -> None:
        self.modules = e["modules"]

    def views(self) -> Iterator[View]:
        for address in self.whole.addresses.values():
            yield "isModule", (address,), (address in self.modules,)
