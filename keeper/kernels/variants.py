"""One account in many sizes at once: what its margin would be with other amounts of what it holds.

The rules are those of a full pass, by the same kernel: a position of size zero adds nothing to any sum, so one layout serves
every variant, and a plan tries some hundred of them in less time than the reference takes for one.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError
from keeper.kernels.layout import CHUNK, AccountLayout
from keeper.kernels.memory import line_aligned
from keeper.kernels.prepared import AccountFigures, PreparedBook
from keeper.kernels.reduction import FIGURES, margin_accounts
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
        self._order = place[self._one.instrument]
        self._ends = np.concatenate([[0], np.cumsum(self._one.length)])
        self.marks: Floats = prepared.table.outputs[: len(book.table)][book.instrument]
        """[n] USD per contract, in the order of the book's positions."""

    def figures(self, sizes: Floats, funds: Floats) -> AccountFigures:
        """All [K]. sizes [K, n]: contracts, in the order of the book's positions; funds [K]: cash - cost of what is held, USD.
        Raises BookError where a figure is not finite."""
        one, count, n = self._one, len(sizes), len(self._order)
        held = line_aligned(max(1, count * n))[: count * n]
        held[:] = sizes[:, self._order].ravel()
        amounts = np.abs(held).reshape(count, n)
        contracts = np.stack(
            [amounts[:, start:end].sum(axis=1) for start, end in zip(self._ends[:-1], self._ends[1:], strict=True)], axis=1
        )
        chunks = np.arange(0, count, CHUNK)
        tiled = replace(
            one,
            row=np.arange(count),
            first=np.arange(count + 1) * n,
            instrument=np.tile(one.instrument, count),
            opens=np.tile(one.opens, count),
            size=held,
            contracts=contracts.ravel(),
            funds=np.ascontiguousarray(funds, dtype=np.float64),
            collateral=np.repeat(one.collateral, count, axis=0),
            chunk_signature=np.zeros(len(chunks), dtype=np.int64),
            chunk_start=chunks,
            chunk_count=np.minimum(CHUNK, count - chunks),
            chunk_segment=chunks * len(one.length),
        )
        table = line_aligned(max(1, count), FIGURES)
        margin_accounts.serial(
            *self._prepared.margin_arguments(self._tick, tiled, table),
            tiled.chunk_signature, tiled.chunk_start, tiled.chunk_count, tiled.chunk_segment, False, np.zeros(1, dtype=np.int64), 1,
        )  # fmt: skip
        if self._prepared.is_unsound():
            raise BookError("expected finite figures, a variant has none")
        return AccountFigures(*(table[:count, k] for k in range(len(fields(AccountFigures)))))
