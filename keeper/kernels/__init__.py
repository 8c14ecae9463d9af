"""The fast path of pricing and margin: the same figures as keeper.margin, at the speed of the processor's second cache.

margin(book, market, parameters) is keeper.margin.margin through the kernels, or through the reference where numba does not
work. For ticks, lay the book out once:

prepared = PreparedBook.of(book, market, parameters)
figures = prepared.figures(market)          # all accounts, each in its own mode, in the order of prepared.row
below = prepared.row[figures.health < 1.0]  # rows of the book

Everything but the switch needs numba and is imported from its module: `keeper.kernels.prepared`, `.pricing`, `.incremental`.
"""

from keeper.kernels.switch import Engine, margin, why_not_kernels

__all__ = ["Engine", "margin", "why_not_kernels"]
