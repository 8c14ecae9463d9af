"""Variants of one account against the reference, which margins each as an account of its own that holds only what is left."""

from __future__ import annotations

import numpy as np
import pytest

from keeper import margin
from keeper.errors import BookError
from keeper.kernels.variants import Variants
from keeper.margin import Book
from tests.keeper.kernels.conftest import GROUPS, TABLES, book_of, make_market
from tests.keeper.kernels.test_margin import compare

COUNT = 130  # more than two chunks


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("table", TABLES)
def test_each_variant_is_margined_like_an_account_of_its_own(table: str, groups: str) -> None:
    parameters, market, dice = TABLES[table], make_market(GROUPS[groups]), np.random.default_rng(11)
    whole = book_of(parameters, 5)
    held = np.bincount(whole.position_account, minlength=whole.accounts)
    chosen = [row for mode in np.unique(whole.mode) for row in np.flatnonzero((whole.mode == mode) & (held > 3))[:2]]
    assert len(np.unique(whole.mode[chosen])) == 3
    for row in chosen:
        book = whole.select([row])
        shares = dice.uniform(0.0, 1.5, (COUNT, book.positions))
        shares[dice.random(shares.shape) < 0.4] = 0.0
        shares[0], shares[1] = 1.0, 0.0
        sizes = shares * book.size * dice.choice([1.0, -1.0], shares.shape)
        cash = dice.normal(0.0, 1e4, COUNT)
        trial = Book.from_arrays(
            book.table,
            parameters,
            account_id=np.arange(COUNT),
            mode=np.full(COUNT, book.mode[0]),
            cash=cash,
            collateral=np.repeat(book.collateral, COUNT, axis=0),
            position_account=np.repeat(np.arange(COUNT), book.positions),
            position_instrument=np.tile(book.instrument.astype(np.int64), COUNT),
            size=sizes.ravel(),
            cost=(shares * book.cost).ravel(),
        )
        expected = margin.margin(trial, market, parameters)
        got = Variants(book, market, parameters).figures(sizes, cash - (shares * book.cost).sum(axis=1))
        compare(got, expected)
        with pytest.raises(AssertionError):  # the comparison sees a position that is not counted
            compare(Variants(book, market, parameters).figures(0.9 * sizes, cash - (shares * book.cost).sum(axis=1)), expected)


def test_one_account_at_a_time() -> None:
    parameters, market = TABLES["35 scenarios"], make_market()
    with pytest.raises(BookError, match="one account"):
        Variants(book_of(parameters, 5), market, parameters)
