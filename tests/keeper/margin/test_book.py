"""The container: layout, sums, selection, and what it refuses."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.errors import BookError, MarketError
from keeper.margin import Book, MarginResult, margin
from keeper.model import DPRE_1, Account, Instrument, MarginMode, Market, Parameters, Position, Wad
from keeper.pricing import InstrumentTable, price_table

TABLE = InstrumentTable.of([Instrument.perp(0), Instrument.perp(1), Instrument.call(0, 1_780_604_800, 80_000)])
GOOD: dict[str, Any] = {
    "account_id": [7, 8],
    "mode": [MarginMode.CROSS, MarginMode.PORTFOLIO],
    "cash": [1.0, 2.0],
    "collateral": np.zeros((2, 0)),
    "position_account": [1, 0, 1, 1],
    "position_instrument": [1, 0, 0, 0],
    "size": [1.0, 2.0, 3.0, 4.0],
    "cost": [10.0, 20.0, 30.0, 40.0],
}


def test_positions_are_ordered_by_segment_and_expiry_and_added_up() -> None:
    book = Book.from_arrays(TABLE, DPRE_1, **GOOD)
    assert book.segment_account.tolist() == [0, 1, 1]
    assert book.segment_underlying.tolist() == [0, 0, 1]
    assert book.segment_start.tolist() == [0, 1, 2, 3]
    assert book.instrument.tolist() == [0, 0, 1]
    assert book.instrument.dtype == np.uint16
    assert book.size.tolist() == [2.0, 7.0, 1.0]
    assert book.cost.tolist() == [20.0, 70.0, 10.0]
    assert book.position_account.tolist() == [0, 1, 1]


def test_a_closed_position_is_realised_into_cash() -> None:
    book = Book.from_arrays(TABLE, DPRE_1, **{**GOOD, "size": [1.0, 2.0, 4.0, -4.0], "cost": [10.0, 20.0, 30.0, 40.0]})
    assert book.cash.tolist() == [1.0, 2.0 - 70.0]
    assert book.positions == 2


def test_buckets_are_the_runs_of_one_expiry(book: Book) -> None:
    expiry, segment = book.table.expiry[book.instrument], book.position_segment
    pairs = list(zip(segment.tolist(), expiry.tolist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(set(pairs)) == len(book.bucket_segment)
    for bucket, first in enumerate(book.bucket_first.tolist()):
        same = book.bucket == bucket
        assert {pairs[p] for p in np.flatnonzero(same)} == {pairs[first]}
        assert segment[first] == book.bucket_segment[bucket]


def test_alone_or_among_others_an_account_has_the_same_margin(
    result: MarginResult, accounts: tuple[Account, ...], market: Market, parameters: Parameters
) -> None:
    """From the ledger's account, from a selection, and inside the whole book."""
    for row in range(0, len(accounts), 5):
        by_account = margin(Book.from_accounts([accounts[row]], parameters), market, parameters)
        by_selection = margin(result.book.select([row]), market, parameters)
        for name in ("initial", "maintenance", "equity", "margin_equity_maintenance", "health", "gross_notional", "leverage"):
            whole = getattr(result, name)[row]
            assert getattr(by_account, name)[0] == pytest.approx(whole, rel=1e-12, abs=1e-6), (row, name)
            assert getattr(by_selection, name)[0] == pytest.approx(whole, rel=1e-12, abs=1e-6), (row, name)


def test_the_order_of_accounts_and_positions_does_not_matter(
    result: MarginResult, accounts: tuple[Account, ...], market: Market, parameters: Parameters
) -> None:
    turned = [replace(a, positions=dict(reversed(a.positions.items()))) for a in reversed(accounts)]
    other = margin(Book.from_accounts(turned, parameters), market, parameters)
    np.testing.assert_allclose(other.initial[::-1], result.initial, rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(other.health[::-1], result.health, rtol=1e-9)


def test_an_empty_book_and_an_empty_account(market: Market, parameters: Parameters) -> None:
    assert margin(Book.from_accounts([], parameters), market, parameters).initial.shape == (0,)
    for mode in MarginMode:
        idle = margin(Book.from_accounts([Account(1, "", mode, Wad.whole(5))], parameters), market, parameters)
        assert (idle.initial[0], idle.equity[0], idle.health[0], idle.leverage[0]) == (0.0, 5.0, np.inf, 0.0)
        owing = margin(Book.from_accounts([Account(1, "", mode, Wad.whole(-5))], parameters), market, parameters)
        assert owing.health[0] == -np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [1.0, 2.0, 3.0, np.nan]}, "size: expected finite"),
        ({"size": [1.0, 2.0, 3.0, np.inf]}, "size: expected finite"),
        ({"size": [1.0]}, r"size: expected shape \(4,\)"),
        ({"cost": [np.nan] * 4}, "cost: expected finite"),
        ({"cash": [1.0]}, r"cash: expected shape \(2,\)"),
        ({"cash": [1.0, np.nan]}, "cash: expected finite"),
        ({"mode": [0, 3]}, "mode: expected"),
        ({"mode": [0]}, "mode: expected"),
        ({"collateral": np.zeros((2, 1))}, "collateral: expected shape"),
        ({"account_id": [7, 7]}, "each account id once"),
        ({"position_account": [0, 0, 0, 2]}, "position_account: expected rows of 0 to 1"),
        ({"position_account": [0.0, 0.0, 0.0, 1.0]}, "position_account: expected a vector of row numbers"),
        ({"position_instrument": [0, 0, 0, 3]}, "position_instrument: expected rows of 0 to 2"),
        ({"position_instrument": [0, 0, 0]}, "position_instrument: expected shape"),
    ],
)
def test_arrays_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BookError, match=message):
        Book.from_arrays(TABLE, DPRE_1, **{**GOOD, **change})


def test_what_does_not_belong_together_is_refused(book: Book, market: Market, parameters: Parameters) -> None:
    with pytest.raises(BookError, match="expected collateral among"):
        Book.from_accounts([Account(1, "", MarginMode.CROSS, Wad(0), {"DOGE": Wad(1)})], parameters)
    with pytest.raises(BookError, match="expected a book of the collateral"):
        margin(book, market, DPRE_1)
    with pytest.raises(BookError, match="the book's own instruments"):
        margin(book, market, parameters, price_table(TABLE, market, parameters))
    with pytest.raises(BookError, match="expected an account of the book"):
        book.row(1)
    with pytest.raises(BookError, match="expected rows"):
        book.select([-1])
    with pytest.raises(MarketError, match="expected a price of the collateral token"):
        margin(book, replace(market, token_prices={"USDT": 1.0}), parameters)
    bitcoin_only = replace(market, underlyings={0: market.underlying(0)}, groups=())
    holder = Account(1, "", MarginMode.PORTFOLIO, Wad(0), {"WETH": Wad(1)})
    with pytest.raises(MarketError, match="expected collateral that joins one of the underlyings"):
        margin(Book.from_accounts([holder], parameters), bitcoin_only, parameters)
    trader = Account(1, "", MarginMode.CROSS, Wad(0), {}, {Instrument.perp(9): Position(Wad(1), Wad(0))})
    with pytest.raises(MarketError, match="got underlying 9"):
        margin(Book.from_accounts([trader], parameters), market, parameters)
