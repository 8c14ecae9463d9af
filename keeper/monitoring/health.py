"""Margin of every account of a state, as of one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keeper.chain import Block
from keeper.errors import MarketError
from keeper.margin import Book, MarginResult, margin
from keeper.model import Account, Instrument, Market, Parameters
from keeper.portfolio import ParameterTable, Rules, State

__all__ = ["Assessment", "Assessor"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every account that can be priced, at `block`. unpriced: accounts that hold what has no price; rules and parameters:
    as governed at that block."""

    block: Block
    state: State
    result: MarginResult
    rules: Rules
    unpriced: tuple[int, ...]

    @property
    def book(self) -> Book:
        return self.result.book

    @property
    def market(self) -> Market:
        return self.result.market

    @property
    def parameters(self) -> Parameters:
        return self.result.parameters

    def marks_of(self, account: int) -> dict[Instrument, float]:
        """USD per contract of everything the account holds; empty where it cannot be priced."""
        rows = np.flatnonzero(self.book.account_id == account)
        if not rows.size:
            return {}
        held = self.book.instrument[self.book.position_account == rows[0]]
        return {self.book.table.instruments[i]: float(self.result.priced.value[i]) for i in held}

    def health(self) -> dict[int, float]:
        """By account, of those with positions or a debt: the others have no health to speak of."""
        book = self.book
        exposed = (self.result.gross_notional > 0.0) | (book.cash < 0.0)
        rows = np.flatnonzero(exposed)
        return dict(zip(book.account_id[rows].tolist(), self.result.health[rows].tolist(), strict=True))


class Assessor:
    """Computes assessments; keeps the book while only the market moves."""

    def __init__(self) -> None:
        self._table: ParameterTable | None = None
        self._parameters: Parameters | None = None
        self._accounts: Mapping[int, Account] | None = None
        self._excluded: tuple[int, ...] = ()
        self._book: Book | None = None

    def assess(self, state: State, block: Block) -> Assessment:
        """Raises ParameterError and MarketError where table or feeds are unusable as a whole."""
        if self._parameters is None or state.table != self._table:
            self._table, self._parameters, self._book = state.table, state.table.parameters(state.tokens), None
        parameters, market = self._parameters, state.market(block.time)
        try:
            result = margin(self._books(state, parameters, ()), market, parameters)
            unpriced: tuple[int, ...] = ()
        except MarketError:
            # One account with an instrument that nobody quotes must not blind the keeper to all the others.
            unpriced = tuple(sorted(account.id for account in state.accounts.values() if not _is_priced(state, account)))
            result = margin(self._books(state, parameters, unpriced), market, parameters)
        return Assessment(block, state, result, state.table.rules(), unpriced)

    def _books(self, state: State, parameters: Parameters, excluded: tuple[int, ...]) -> Book:
        if self._book is None or state.accounts is not self._accounts or excluded != self._excluded:
            kept = [account for account in state.accounts.values() if account.id not in excluded]
            self._accounts, self._excluded, self._book = state.accounts, excluded, Book.from_accounts(kept, parameters)
        return self._book


def _is_priced(state: State, account: Account) -> bool:
    try:
        state.oldest_price(account)
    except MarketError:
        return False
    return True
