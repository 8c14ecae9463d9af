"""One switch between the kernels and the reference: the same arguments, the same result."""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from keeper import margin as reference
from keeper.errors import BookError
from keeper.margin import Book, Charges, GroupLosses, JoinedCollateral, MarginResult, SegmentGreeks, StandardMargin, StressLosses
from keeper.model import MarginMode, Market, Parameters
from keeper.pricing import PricedTable, black76

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from keeper.kernels.prepared import PreparedBook

__all__ = ["Engine", "margin", "why_not_kernels"]

_log = logging.getLogger(__name__)


class Engine(StrEnum):
    """AUTO: the kernels where they work, else the reference, said once in the log; KERNELS: or an error; REFERENCE."""

    AUTO = "auto"
    KERNELS = "kernels"
    REFERENCE = "reference"


@cache
def why_not_kernels() -> str | None:
    """None where the kernels compile and price an option as the reference does, else what went wrong. Asked once."""
    try:
        from keeper.kernels.pricing import greeks  # noqa: PLC0415 - numba may be missing
    except (ImportError, RuntimeError) as error:
        return f"numba cannot be used: {error}"
    option = (3000.0, 3100.0, 0.1, 0.6, 0.02, True)
    try:
        ours, theirs = greeks(*option).price[0], float(black76.greeks(*option).price)
    except Exception as error:  # noqa: BLE001 - numba raises many kinds; whatever it is, the reference still works
        return f"the kernels do not compile: {error}"
    return None if abs(ours - theirs) < 1e-11 else f"the kernels price an option at {ours}, the reference at {theirs}"


def margin(
    book: Book, market: Market, parameters: Parameters, priced: PricedTable | None = None, engine: Engine | str = Engine.AUTO
) -> MarginResult:
    """As keeper.margin.margin: same arguments, same type, same errors, figures equal to 1e-12 of gross notional.

    The kernels fill the figures per account; what a result holds per segment, group and position comes from the reference
    when it is first asked for. They keep the layout of the last book: the second call with the same book is the fast one.
    A caller that brings its own `priced` table has it evaluated by the reference.
    Raises BookError where the kernels are demanded and do not work.
    """
    chosen = Engine(engine)
    if chosen is Engine.REFERENCE or priced is not None:
        return reference.margin(book, market, parameters, priced)
    reason = why_not_kernels()
    if reason is None:
        return _by_kernels(book, market, parameters)
    if chosen is Engine.KERNELS:
        raise BookError(f"expected working kernels: {reason}")
    _say_once(reason)
    return reference.margin(book, market, parameters)


@cache
def _say_once(reason: str) -> None:
    _log.warning("margin is computed by the reference, not by the kernels: %s", reason)


class _Result(MarginResult):
    """A result whose parts are computed when they are looked at."""

    __slots__ = ("_whole",)
    _whole: MarginResult | None

    @property
    def whole(self) -> MarginResult:
        """The reference's result for the same book, market and prices."""
        if self._whole is None:
            object.__setattr__(self, "_whole", reference.margin(self.book, self.market, self.parameters, self.priced))
        assert self._whole is not None  # noqa: S101 - set one line above
        return self._whole

    @property
    def stress_requirement(self) -> NDArray[np.float64]:
        """R, also of accounts in other modes."""
        if (self.book.mode == MarginMode.PORTFOLIO).all():
            return self.initial
        return self.whole.stress_requirement

    @property
    def joined(self) -> JoinedCollateral:
        return self.whole.joined

    @property
    def stress(self) -> StressLosses:
        return self.whole.stress

    @property
    def groups(self) -> GroupLosses:
        return self.whole.groups

    @property
    def greeks(self) -> SegmentGreeks:
        return self.whole.greeks

    @property
    def charges(self) -> Charges:
        return self.whole.charges

    @property
    def standard(self) -> StandardMargin:
        return self.whole.standard


_prepared: list[PreparedBook] = []  # the last one


def _by_kernels(book: Book, market: Market, parameters: Parameters) -> MarginResult:
    from keeper.kernels.prepared import PreparedBook  # noqa: PLC0415 - numba may be missing

    last = _prepared[0] if _prepared else None
    underlyings = tuple(market.underlyings)
    if (
        last is None
        or last.book is not book
        or last.parameters != parameters
        or last.groups != market.groups
        or last.table.plan.underlyings != underlyings
    ):
        last = PreparedBook.of(book, market, parameters)
        _prepared[:] = [last]
    vector = last.table.vector(market)
    figures = last.in_book_order(last.figures(vector))
    result = object.__new__(_Result)
    gross, equity = figures.gross_notional, figures.equity
    owned = np.maximum(equity, 0.0)
    leverage = np.divide(gross, owned, out=np.where(gross > 0.0, np.inf, 0.0), where=(owned > 0.0) & (gross > 0.0))
    filled = {
        "book": book,
        "market": market,
        "parameters": parameters,
        "priced": last.table.priced_table(vector),
        "initial": figures.initial,
        "maintenance": figures.maintenance,
        "equity": equity,
        "margin_equity_initial": figures.margin_equity_initial,
        "margin_equity_maintenance": figures.margin_equity_maintenance,
        "long_options": figures.long_options,
        "health": figures.health,
        "gross_notional": gross,
        "leverage": leverage,
        "_whole": None,
    }
    for name, value in filled.items():
        object.__setattr__(result, name, value)
    return result
