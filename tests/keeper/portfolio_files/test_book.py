"""Book files and frames: what they mean, that both say the same, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from keeper.errors import BookError, MarketError
from keeper.margin import account_margin
from keeper.model import Account, MarginMode, Position, Wad
from keeper.portfolio_files import BookFile, Chain, book_of_frames, instrument_of, margin_frames, margin_of_file, read_book


def one(frame: pd.DataFrame, **where: Any) -> pd.Series:
    """The only row with these values."""
    found = frame[np.logical_and.reduce([frame[name] == value for name, value in where.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_a_file_is_the_account_it_describes(book_file: BookFile, chain: Chain) -> None:
    """The same accounts as the ledger would keep them, through the other entrance."""
    frames = margin_of_file(book_file, chain)
    parameters, market = book_file.parameters(), book_file.market(chain.market)
    marks = frames.positions.set_index(["account", "instrument"])["mark"]
    for entry in book_file.accounts:
        positions = {
            instrument_of(p.instrument): Position(
                Wad.from_float(p.size),
                Wad.from_float(p.size * (marks[entry.id, p.instrument] if p.entry_price is None else p.entry_price)),
            )
            for p in entry.positions
        }
        tokens = {token: Wad.from_float(quantity) for token, quantity in entry.collateral.items()}
        account = Account(entry.id, "file", MarginMode[entry.mode], Wad.from_float(entry.cash), tokens, positions)
        report = account_margin(account, market, parameters)
        for mode, figures in report.modes.items():
            row = one(frames.modes, account=entry.id, mode=mode.name)
            assert row["initial"] == pytest.approx(figures.initial, rel=1e-12)
            assert row["maintenance"] == pytest.approx(figures.maintenance, rel=1e-12)
            assert row["health"] == pytest.approx(figures.health, rel=1e-12)
        assert len(report.underlyings) == int((frames.underlyings["account"] == entry.id).sum())
        for part in report.underlyings:
            symbol = {0: "ETH", 1: "BTC"}[part.underlying]
            row = one(frames.underlyings, account=entry.id, underlying=symbol)
            assert row["stress_loss"] == pytest.approx(part.stress_loss, rel=1e-12)
            for name, value in part.greeks.items():
                assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_groups_perp_marks_and_collateral_are_read(book_file: BookFile, chain: Chain) -> None:
    market = book_file.market(chain.market)
    assert market.underlying(1).mark == 65_020.0
    assert market.underlying(0).mark == market.underlying(0).spot
    assert [(g.members, g.kappa) for g in market.groups] == [((0, 1), 0.4)]
    assert market.token_prices["WETH"] == 1900.0
    (weth,) = book_file.parameters().collateral
    assert (weth.token, weth.underlying, weth.haircut_initial, weth.haircut_maintenance) == ("WETH", 0, 0.15, 0.1)


def test_frames_say_the_same_as_files(book_file: BookFile, chain: Chain) -> None:
    positions = pd.DataFrame(
        [
            {"account": a.id, "instrument": p.instrument, "size": p.size, "entry_price": p.entry_price}
            for a in book_file.accounts
            for p in a.positions
        ]
    )
    accounts = pd.DataFrame(
        [{"account": a.id, "mode": a.mode, "cash": a.cash, "WETH": a.collateral.get("WETH", 0.0)} for a in book_file.accounts]
    )
    other = book_of_frames(positions, accounts, collateral=book_file.collateral, groups=book_file.groups, perp_marks=book_file.perp_marks)
    assert other == book_file
    pd.testing.assert_frame_equal(margin_of_file(other, chain).modes, margin_of_file(book_file, chain).modes)


def test_positions_alone_are_a_portfolio_without_cash(chain: Chain) -> None:
    file = book_of_frames(pd.DataFrame({"account": [7, 7], "instrument": ["BTC-PERPETUAL", "ETH-PERPETUAL"], "size": [1, -2]}))
    frames = margin_of_file(file, chain)
    own = frames.modes[frames.modes["own"]].iloc[0]
    assert (own["account"], own["mode"], own["equity"]) == (7, "PORTFOLIO", 0.0)
    assert frames.positions["unrealised"].tolist() == [0.0, 0.0]
    assert own["gross_notional"] == pytest.approx(65_000.0 + 2 * 1900.0)


def test_own_modes_decide_whether_collateral_joins(book_file: BookFile, chain: Chain) -> None:
    parameters, market = book_file.parameters(), book_file.market(chain.market)
    book = book_file.book(market, parameters)
    joined = one(margin_frames(book, market, parameters).underlyings, account=1, underlying="ETH")
    apart = one(margin_frames(book.in_mode(MarginMode.CROSS), market, parameters).underlyings, account=1, underlying="ETH")
    assert joined["delta"] - apart["delta"] == pytest.approx(40.0)
    assert (joined["charge_spot_contingency"], apart["charge_spot_contingency"]) == (pytest.approx(0.03 * 40 * 1900.0), 0.0)


def test_liquidation_prices_where_asked_for(book_file: BookFile, chain: Chain) -> None:
    frames = margin_of_file(book_file, chain, with_liquidation_prices=True)
    assert "liquidation_below" not in margin_of_file(book_file, chain).underlyings
    short = one(frames.underlyings, account=2)
    assert np.isnan(short["liquidation_below"])
    assert short["liquidation_above"] > 65_000.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accounts": [{"cash": "much"}]}, "accounts.0.cash"),
        ({"accounts": [{"mode": "NET"}]}, "accounts.0.mode"),
        ({"accounts": [{"margin": 1}]}, "accounts.0.margin: Extra inputs"),
        ({"positions": []}, "positions: Extra inputs"),
        ({"accounts": [{"positions": [{"instrument": "BTC-PERPETUAL"}]}]}, "positions.0.size: Field required"),
    ],
)
def test_other_contents_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BookError, match=message):
        BookFile.parse(json.dumps({"accounts": []} | change))


@pytest.mark.parametrize(
    ("account", "error", "message"),
    [
        ({"positions": [{"instrument": "BTC-FUTURE", "size": 1.0}]}, BookError, "account 1: instrument"),
        ({"positions": [{"instrument": "BTC-25DEC26", "size": 1.0}]}, MarketError, "expected a forward for expiry"),
        ({"collateral": {"WBTC": 1.0}}, BookError, "account 1: expected collateral among"),
    ],
)
def test_what_does_not_exist_is_refused(chain: Chain, account: dict[str, Any], error: type[Exception], message: str) -> None:
    file = BookFile.parse(json.dumps({"accounts": [account]}))
    with pytest.raises(error, match=message):
        margin_of_file(file, chain)


def test_unreadable_files_and_frames(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="readable file"):
        read_book(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(BookError, match="book: file: Invalid JSON"):
        read_book(tmp_path / "text.json")
    with pytest.raises(BookError, match="expected the columns account"):
        book_of_frames(pd.DataFrame({"account": [1], "size": [1.0]}))
    twice = pd.DataFrame({"account": [1, 1], "cash": [0.0, 0.0]})
    with pytest.raises(BookError, match="account 1 once"):
        book_of_frames(pd.DataFrame({"account": [], "instrument": [], "size": []}), twice)
