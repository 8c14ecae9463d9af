"""What the accounts of a book owe besides cash and cost, as arrays: laid out once, one pass per tick.

The exact integers are keeper.portfolio.Carry's; here they are doubles, for margin that selects.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from keeper.model import WAD, Account, Kind
from keeper.portfolio import Carry

__all__ = ["Accruals"]

Floats = NDArray[np.float64]


class Accruals:
    """accounts: in the order of the book. carry: whose shared losses hold until another mapping takes their place."""

    def __init__(self, accounts: Iterable[Account], carry: Carry) -> None:
        self.losses = carry.losses
        perps: list[tuple[int, int, int, float]] = []
        debts: list[int] = []
        fixed: list[float] = []
        self._accounts = tuple(accounts)
        for row, account in enumerate(self._accounts):
            owed = 0
            for instrument, position in account.positions.items():
                longs, shorts = carry.losses.get(instrument, (0, 0))
                size = position.size.raw
                entry = position.carry_entry - (longs if size > 0 else shorts)
                if instrument.kind is Kind.PERP:
                    perps.append((row, instrument.underlying, entry, size / WAD))
                else:
                    owed -= size * entry // WAD
            fixed.append(owed / WAD)
            if account.cash.raw < 0:
                debts.append(row)
        self._fixed = np.array(fixed, dtype=np.float64)
        self._row = np.array([row for row, _, _, _ in perps], dtype=np.int64)
        self._underlying = np.array([underlying for _, underlying, _, _ in perps], dtype=np.int64)
        self._entry = np.array([entry / WAD for _, _, entry, _ in perps], dtype=np.float64)
        self._size = np.array([size for _, _, _, size in perps], dtype=np.float64)
        self._debts = tuple(debts)

    def owed(self, carry: Carry, time: int) -> Floats:
        """[A] USD at `time`; < 0: it is owed to the account."""
        index = np.zeros(1 + max(self._underlying, default=0))
        for underlying, funding in carry.funding.items():
            if underlying < len(index):
                index[underlying] = funding.at(time) / WAD
        due = self._size * (index[self._underlying] - self._entry)
        owed = self._fixed + np.bincount(self._row, due, len(self._fixed))
        for row in self._debts:
            owed[row] += carry.interest(self._accounts[row], time) / WAD
        return owed
