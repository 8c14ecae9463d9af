"""Books as JSON files or DataFrames (docs/methods.md) -> the engine's `Book`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keeper.errors import BookError, InstrumentError
from keeper.margin import Book
from keeper.model import DPRE_1, Collateral, CorrelationGroup, Instrument, MarginMode, Market, Parameters
from keeper.portfolio_files.names import instrument_of, underlying_of
from keeper.pricing import InstrumentTable, price_table

__all__ = ["AccountEntry", "BookFile", "CollateralEntry", "GroupEntry", "PositionEntry", "book_of_frames", "read_book"]

Amount = Annotated[float, Field(allow_inf_nan=False)]
Mode = Literal["ISOLATED", "CROSS", "PORTFOLIO"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PositionEntry(_Entry):
    """size: signed contracts of one unit of underlying; entry_price: USD per contract, None for the mark (no P&L yet)."""

    instrument: str
    size: Amount
    entry_price: Amount | None = None


class AccountEntry(_Entry):
    """cash: signed USD; collateral: whole tokens by name."""

    id: Annotated[int, Field(ge=0, lt=2**64)] = 1
    mode: Mode = "PORTFOLIO"
    cash: Amount = 0.0
    collateral: dict[str, Amount] = {}
    positions: tuple[PositionEntry, ...] = ()


class CollateralEntry(_Entry):
    """A token that the book accepts. underlying: the symbol that the token IS, so that it joins the legs in PORTFOLIO;
    price: USD, None for the underlying's index price."""

    token: str
    underlying: str | None = None
    haircut_initial: Amount
    haircut_maintenance: Amount
    price: Amount | None = None


class GroupEntry(_Entry):
    """Underlyings whose losses offset by the share kappa (margin.md section 4)."""

    members: tuple[str, ...]
    kappa: Amount


class BookFile(_Entry):
    """A whole file. perp_marks: USD by symbol, where they are not the index price."""

    accounts: tuple[AccountEntry, ...]
    collateral: tuple[CollateralEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    perp_marks: dict[str, Amount] = {}

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """From JSON. Raises BookError that says which entry was expected to be what."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BookError(f"book: {_listed(error)}") from error

    def parameters(self, base: Parameters = DPRE_1) -> Parameters:
        """`base` accepting the file's collateral tokens. Raises ParameterError for haircuts outside 0..1."""
        return base.with_collateral(
            *(
                Collateral(c.token, c.haircut_initial, c.haircut_maintenance, None if c.underlying is None else underlying_of(c.underlying))
                for c in self.collateral
            )
        )

    def market(self, quoted: Market) -> Market:
        """`quoted` with the file's groups, token prices and perp marks. Raises MarketError for values outside their domain
        and for a perp mark or token of an underlying that the market does not quote."""
        marks = {underlying_of(symbol): mark for symbol, mark in self.perp_marks.items()}
        underlyings = {**quoted.underlyings, **{u: replace(quoted.underlying(u), mark=mark) for u, mark in marks.items()}}
        prices = dict(quoted.token_prices)
        for entry in self.collateral:
            if entry.price is not None:
                prices[entry.token] = entry.price
            elif entry.underlying is not None:
                prices[entry.token] = quoted.underlying(underlying_of(entry.underlying)).spot
        groups = tuple(CorrelationGroup(tuple(underlying_of(m) for m in g.members), g.kappa) for g in self.groups)
        return replace(quoted, underlyings=underlyings, groups=groups or quoted.groups, token_prices=prices)

    def book(self, market: Market, parameters: Parameters) -> Book:
        """The accounts as arrays; `market` and `parameters` are those of this file. Positions without an entry price cost
        their mark. Raises BookError for names and tokens that do not exist, MarketError for what the market lacks."""
        held = [(row, position) for row, account in enumerate(self.accounts) for position in account.positions]
        instruments = [_instrument(self.accounts[row], position) for row, position in held]
        table = InstrumentTable.of(instruments)
        rows = table.rows()
        marks = price_table(table, market, parameters).value
        which = [rows[instrument] for instrument in instruments]
        size = np.array([position.size for _, position in held], dtype=np.float64)
        entry = [marks[i] if position.entry_price is None else position.entry_price for i, (_, position) in zip(which, held, strict=True)]
        tokens = {accepted.token: k for k, accepted in enumerate(parameters.collateral)}
        collateral = np.zeros((len(self.accounts), len(tokens)))
        for row, account in enumerate(self.accounts):
            for token, quantity in account.collateral.items():
                if token not in tokens:
                    raise BookError(f"account {account.id}: expected collateral among {list(tokens)}, got {token!r}")
                collateral[row, tokens[token]] = quantity
        return Book.from_arrays(
            table,
            parameters,
            account_id=[account.id for account in self.accounts],
            mode=[MarginMode[account.mode] for account in self.accounts],
            cash=[account.cash for account in self.accounts],
            collateral=collateral,
            position_account=np.array([row for row, _ in held], dtype=np.int64),
            position_instrument=np.array(which, dtype=np.int64),
            size=size,
            cost=size * np.array(entry, dtype=np.float64),
        )


def read_book(path: Path) -> BookFile:
    """From a JSON file. Raises BookError for a file that is none, or holds no book."""
    try:
        return BookFile.parse(path.read_bytes())
    except OSError as error:
        raise BookError(f"{path}: expected a readable file, got: {error}") from error


def book_of_frames(positions: pd.DataFrame, accounts: pd.DataFrame | None = None, **entries: Any) -> BookFile:
    """From frames. positions: columns account, instrument, size and, where known, entry_price. accounts: columns account
    and, where known, mode, cash and one per collateral token (quantities); accounts that only positions name are in
    PORTFOLIO without cash. entries: collateral, groups, perp_marks as in a file. Raises BookError as `BookFile.parse`."""
    needed = {"account", "instrument", "size"} - set(positions.columns)
    if needed or (accounts is not None and "account" not in accounts.columns):
        raise BookError(
            f"frames: expected the columns account, instrument, size (and account), got none of {sorted(needed) or ['account']}"
        )
    rows: dict[int, dict[str, Any]] = {}
    for record in () if accounts is None else accounts.to_dict("records"):
        number = int(record.pop("account"))
        if number in rows:
            raise BookError(f"frames: expected account {number} once")
        known = {str(name): record.pop(name) for name in ("mode", "cash") if name in record}
        rows[number] = {**known, "id": number, "collateral": {str(k): float(v) for k, v in record.items() if v}, "positions": []}
    for record in positions.to_dict("records"):
        number = int(record["account"])
        entry = record.get("entry_price")
        position = {"instrument": record["instrument"], "size": float(record["size"])}
        if entry is not None and not np.isnan(entry):
            position["entry_price"] = float(entry)
        rows.setdefault(number, {"id": number, "positions": []})["positions"].append(position)
    content = {"accounts": [{**row, "positions": tuple(row["positions"])} for row in rows.values()], **entries}
    try:
        return BookFile.model_validate(content, strict=False)
    except ValidationError as error:
        raise BookError(f"frames: {_listed(error)}") from error


def _instrument(account: AccountEntry, position: PositionEntry) -> Instrument:
    try:
        return instrument_of(position.instrument)
    except InstrumentError as error:
        raise BookError(f"account {account.id}: {error}") from error


def _listed(error: ValidationError) -> str:
    found = [f"{'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
    return "; ".join(found[:5]) + ("" if len(found) <= 5 else f"; and {len(found) - 5} more")
