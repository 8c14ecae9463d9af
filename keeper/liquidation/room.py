"""What the keeper's own account can still take on: its initial margin after the legs of a plan and of those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keeper.margin import Book, Leg, what_if
from keeper.model import Instrument
from keeper.monitoring import Assessment
from keeper.pricing import InstrumentTable

if TYPE_CHECKING:
    from keeper.kernels.variants import Variants

__all__ = ["OWN_SCALES", "Room"]

OWN_SCALES = (1.0, 0.5, 0.25, 0.1, 0.04)
"""Shares of what an account should lose that are tried against the keeper's own margin."""


class Room:
    """The account in one assessment. taken: legs of plans that were accepted, signed, by instrument; paid: USD for them."""

    def __init__(self, assessment: Assessment, account: int) -> None:
        self._assessment = assessment
        self._own = assessment.alone(account)
        self.taken: dict[Instrument, float] = {}
        self.paid = 0.0
        self._instruments: tuple[Instrument, ...] = ()
        self._variants: Variants | None = None

    @property
    def cash(self) -> float:
        """USD that may be spent: the account's cash, and no more than its free initial margin."""
        return min(float(self._own.book.cash[0]), float(self._own.free_initial[0])) + self.paid

    def take(self, legs: Sequence[Leg], payment: float) -> None:
        """From now on these legs are the account's."""
        self.taken = self._with(legs)
        self.paid += payment

    def bears(self, legs: Sequence[Leg]) -> bool:
        """Whether initial margin stands after `legs` at mark."""
        moved = self._with(legs)
        if not moved:
            return True
        if self._assessment.compiled:
            return self._free_initial(moved) >= 0.0
        own = self._own
        outcome = what_if(own.book, 0, [Leg(instrument, size) for instrument, size in moved.items()], own.market, own.parameters, self.paid)
        return float(outcome.after.free_initial[0]) >= 0.0

    def _with(self, legs: Sequence[Leg]) -> dict[Instrument, float]:
        total = dict(self.taken)
        for leg in legs:
            total[leg.instrument] = total.get(leg.instrument, 0.0) + leg.size
        return {instrument: size for instrument, size in total.items() if size}

    def _free_initial(self, moved: dict[Instrument, float]) -> float:
        variants = self._variants
        if variants is None or not moved.keys() <= set(self._instruments):
            variants = self._laid_out(moved)
        book = self._own.book
        held = dict(zip((book.table.instruments[i] for i in book.instrument), book.size.tolist(), strict=True))
        change = np.array([moved.get(instrument, 0.0) for instrument in self._instruments])
        sizes = np.array([held.get(instrument, 0.0) for instrument in self._instruments]) + change
        funds = float(book.cash[0] - book.cost.sum() - (change * variants.marks).sum()) + self.paid
        figures = variants.figures(sizes[None, :], np.array([funds]))
        return float(figures.margin_equity_initial[0] - figures.initial[0])

    def _laid_out(self, moved: dict[Instrument, float]) -> Variants:
        """Over everything that is held or was ever asked for: plans of one round share most instruments."""
        from keeper.kernels.variants import Variants  # noqa: PLC0415 - numba may be missing

        book = self._own.book
        wanted = {*self._instruments, *moved, *(book.table.instruments[i] for i in book.instrument)}
        table = InstrumentTable.of(sorted(wanted))
        rows = np.arange(len(table))
        every = Book.from_arrays(
            table,
            self._own.parameters,
            account_id=book.account_id,
            mode=book.mode,
            cash=book.cash,
            collateral=book.collateral,
            position_account=np.zeros(len(table), dtype=np.int64),
            position_instrument=rows,
            size=np.ones(len(table)),
            cost=np.zeros(len(table)),
        )
        self._instruments = tuple(table.instruments[i] for i in every.instrument)
        self._variants = Variants(every, self._own.market, self._own.parameters)
        return self._variants
