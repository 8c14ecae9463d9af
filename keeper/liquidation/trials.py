"""One account under many alternative closings at once: the margin kernel sees each as an account of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.margin import Book, MarginResult, margin
from keeper.model import Instrument
from keeper.monitoring import Assessment
from keeper.portfolio import Rules

if TYPE_CHECKING:
    from keeper.kernels.prepared import AccountFigures
    from keeper.kernels.variants import Variants

__all__ = ["Trials", "Verdicts"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What K closings do, all [K], USD: maintenance after, and binding, the part of it that no paid-up long option is; release; payment
    and fee; health after both;
    turnover: sum of |closed size| x spot; free: margin equity beyond the paid-up long options; nothing_else: only those
    options are left."""

    maintenance: Floats
    binding: Floats
    release: Floats
    payment: Floats
    fee: Floats
    health: Floats
    turnover: Floats
    free: Floats
    nothing_else: NDArray[np.bool_]


class Trials:
    """The account in row 0 of `result`, a book of its own. instruments and sizes [n]: its positions; marks and spots [n] USD.

    Rules of contracts/waterfall/ProvenRelease.sol: release = fall of the binding requirement + long options taken, these at most what was
    short; payment = discount x release, fee = rate x release (the highest rate: the fund's coverage decides), both scaled down to
    max(0, equity) x release / before.
    """

    def __init__(self, assessment: Assessment, result: MarginResult) -> None:
        self._assessment = assessment
        self._alone = book = result.book
        self._priced = result.priced
        self.instruments: tuple[Instrument, ...] = tuple(book.table.instruments[i] for i in book.instrument)
        self.sizes: Floats = book.size
        self.marks: Floats = self._priced.value[book.instrument]
        self.spots: Floats = self._priced.quotes.spot[self._priced.quotes.underlying_row][book.instrument]
        self.maintenance = float(result.maintenance[0])
        self.long_options = float(result.long_options[0])
        self.lack = self.maintenance - float(result.margin_equity_maintenance[0])
        self.short = max(0.0, self.lack)
        self.equity = float(result.equity[0])
        self.health = float(result.health[0])
        self._variants: Variants | None = None

    def close(self, fractions: Floats, discount: float, rules: Rules) -> Verdicts:
        """fractions [K, n] of 0..1: the share of each position that is taken at mark. discount: share of the release."""
        count = len(fractions)
        result = self._margin(fractions)
        binding = result.maintenance - result.long_options
        options = np.maximum(0.0, self.long_options - result.long_options)
        release = np.maximum(0.0, self.maintenance - self.long_options - binding) + np.minimum(options, self.short)
        payment, fee = discount * release, rules.liquidation_fee_max * release
        bound = max(0.0, self.equity) * release / self.maintenance if self.maintenance > 0.0 else np.zeros(count)
        scale = np.minimum(1.0, np.divide(bound, payment + fee, out=np.ones(count), where=payment + fee > 0.0))
        payment, fee = payment * scale, fee * scale
        free = result.margin_equity_maintenance - payment - fee - result.long_options
        some = binding > 1e-12 * np.maximum(1.0, result.maintenance)
        unbounded = np.where(free >= 0.0, np.inf, -np.inf)
        return Verdicts(
            maintenance=result.maintenance,
            binding=binding,
            release=release,
            payment=payment,
            fee=fee,
            health=np.where(some, free / np.where(some, binding, 1.0), unbounded),
            turnover=(fractions * np.abs(self.sizes) * self.spots).sum(axis=1),
            free=free,
            nothing_else=~some,
        )

    def shortfall_without(self, token: str, quantity: float, paid: float, fractions: Floats) -> Floats:
        """Maintenance less margin equity after `quantity` tokens of collateral were sold for `paid` USD and these shares of the
        positions were taken at mark, [K]."""
        collateral = self._alone.collateral.copy()
        collateral[0, [accepted.token for accepted in self._alone.tokens].index(token)] -= quantity
        result = self._reference(fractions, np.maximum(0.0, collateral), paid)
        return np.asarray(result.maintenance - result.margin_equity_maintenance)

    def _margin(self, fractions: Floats) -> MarginResult | AccountFigures:
        """Of K accounts that hold what is left."""
        book = self._alone
        if self._assessment.compiled:
            left, realised = self._left(fractions)
            if self._variants is None:
                from keeper.kernels.variants import Variants  # noqa: PLC0415 - numba may be missing

                self._variants = Variants(book, self._assessment.market, self._assessment.parameters)
            return self._variants.figures(left * self.sizes, book.cash[0] + realised - (left * book.cost).sum(axis=1))
        return self._reference(fractions, book.collateral, 0.0)

    def _left(self, fractions: Floats) -> tuple[Floats, Floats]:
        """Shares that stay, [K, n], and what the others realise, [K] USD."""
        left = 1.0 - fractions
        left[fractions >= 1.0] = 0.0
        return left, (fractions * (self.sizes * self.marks - self._alone.cost)).sum(axis=1)

    def _reference(self, fractions: Floats, collateral: Floats, cash: float) -> MarginResult:
        """Of K accounts that hold what is left, this collateral [1, T] and so much more cash."""
        book, count = self._alone, len(fractions)
        left, realised = self._left(fractions)
        trial = Book.from_arrays(
            book.table,
            self._assessment.parameters,
            account_id=np.arange(count),
            mode=np.full(count, book.mode[0]),
            cash=book.cash[0] + realised + cash,
            collateral=np.repeat(collateral, count, axis=0),
            position_account=np.repeat(np.arange(count), len(self.sizes)),
            position_instrument=np.tile(book.instrument.astype(np.int64), count),
            size=(left * self.sizes).ravel(),
            cost=(left * book.cost).ravel(),
        )
        return margin(trial, self._assessment.market, self._assessment.parameters, self._priced)
