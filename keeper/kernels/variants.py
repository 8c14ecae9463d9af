"""One account in many sizes at once: what its margin would be with other amounts of what it holds.

The rules are those of a full pass, by the same kernel: a position of size zero adds nothing to any sum, so one layout serves
every variant, and a plan tries some hundred of them in less time than the reference takes for one.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError
from keeper.kernels.accounts import FIGURES, margin_accounts
from keeper.kernels.layout import AccountLayout
from keeper.kernels.memory import line_aligned
from keeper.kernels.prepared import AccountFigures, PreparedBook
from keeper.margin import Book
from keeper.model import Market, Parameters

__all__ = ["Variants"]

Floats = NDArray[np.float64]


class Variants:
    """book: of one account; its instruments are what variants may hold, its sizes and cash are not used."""

    def __init__(self, book: Book, market: Market, parameters: Parameters) -> None:
        if book.accounts != 1:
            raise BookError(f"expected a book of one account, got {book.accounts}")
        self._prepared = prepared = PreparedBook.of(book, market, parameters, threads=1)
        vector = prepared.table.vector(market)
        prepared.figures(vector)  # prices, and what the kernel reads beside sizes
        self._tick = prepared.tick_arrays(vector, prepared.table.slots)
        self._one: AccountLayout = prepared.layout
        # The layout has its segments in another order than the book, each instrument once.
        place = np.empty(len(book.table), dtype=np.int64)
        place[book.instrument] = np.arange(book.positions)
        held = self._one.instrument[: book.positions]
        self._order, self._kind = place[held], book.table.kind[held]
        self.marks: Floats = prepared.table.outputs[: len(book.table)][book.instrument]
        """[n] USD per contract, in the order of the book's positions."""

    def figures(self, sizes: Floats, funds: Floats) -> AccountFigures:
        """All [K]. sizes [K, n]: contracts, in the order of the book's positions; funds [K]: cash - cost of what is held, USD.
        Raises BookError where a figure is not finite."""
        count = len(sizes)
        tiled = self._one.tiled(sizes[:, self._order], self._kind, np.asarray(funds, dtype=np.float64))
        table = line_aligned(max(1, count), FIGURES)
        margin_accounts.serial(
            *self._prepared.margin_arguments(self._tick, tiled, table),
            tiled.chunk_signature, tiled.chunk_start, tiled.chunk_count, False, np.zeros(1, dtype=np.int64), 1,
        )  # fmt: skip
        if self._prepared.is_unsound():
            raise BookError("expected finite figures, a variant has none")
        return AccountFigures(*(table[:count, k] for k in range(len(fields(AccountFigures)))))
