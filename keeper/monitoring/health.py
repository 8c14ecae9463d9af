"""Margin of every account of a state, as of one block.

Most accounts do not change from block to block: they lie prepared in one large book, which the kernels evaluate whole at
every tick. Those that changed since it was laid out are margined beside it, and the book is laid out anew when they have
become many. A liquidation therefore costs the two accounts that it touched, not the sorting of all positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.chain import Block
from keeper.errors import AccountError, MarketError
from keeper.kernels import why_not_kernels
from keeper.margin import Book, MarginResult, margin
from keeper.model import Account, Instrument, Market, Parameters
from keeper.monitoring.accruals import Accruals
from keeper.portfolio import Carry, ParameterTable, Rules, State

if TYPE_CHECKING:
    from keeper.kernels.prepared import AccountFigures, PreparedBook

__all__ = ["Assessment", "Assessor", "Figures"]

Floats = NDArray[np.float64]

_KERNELS_FROM = 64
"""Accounts from which on the kernels are used: for fewer, loading them would take longer than all that they save."""
_ONE_THREAD_UNTIL = 1_000_000
"""Positions up to which one thread evaluates a book, in some milliseconds: where other processes want the cores too, a team of
threads waits for its last member, and that takes longer than all of the work."""
_OVERLAY_SHARE = 0.25
"""Share of accounts that may lie beside the large book before it is laid out anew."""
_OVERLAY_LEAST = 64


@dataclass(frozen=True, slots=True)
class Figures:
    """Per account [A], USD, meanings as in keeper.margin.MarginResult; account_id: ascending where the state's are;
    positions: how many; cash: as on the ledger, whereas
    equity includes what has accrued since."""

    account_id: NDArray[np.int64]
    positions: NDArray[np.int64]
    cash: Floats
    initial: Floats
    maintenance: Floats
    equity: Floats
    margin_equity_initial: Floats
    margin_equity_maintenance: Floats
    gross_notional: Floats
    health: Floats

    @property
    def shortfall(self) -> Floats:
        """[A] maintenance - margin equity: positive where the account may be liquidated in full."""
        return self.maintenance - self.margin_equity_maintenance

    @classmethod
    def of_result(cls, result: MarginResult) -> Figures:
        return _figures(result.book, result)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every account that can be priced, at `block`. unpriced: accounts that hold what has no price; rules and parameters:
    as governed at that block; compiled: whether what follows should use the kernels too (they work, and are loaded)."""

    block: Block
    state: State
    market: Market
    parameters: Parameters
    rules: Rules
    figures: Figures
    unpriced: tuple[int, ...] = ()
    compiled: bool = False
    _alone: dict[int, MarginResult] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def whole(cls, block: Block, state: State, market: Market, parameters: Parameters, rules: Rules) -> Assessment:
        """All accounts of `state` in one pass of the reference. Raises as keeper.margin.margin."""
        accounts = [state.carry.accrued(account, block.time) for account in state.accounts.values()]
        result = margin(Book.from_accounts(accounts, parameters), market, parameters)
        return cls(block, state, market, parameters, rules, Figures.of_result(result))

    def row(self, account: int) -> int:
        """Raises AccountError for an account that was not assessed."""
        rows = np.flatnonzero(self.figures.account_id == account)
        if not rows.size:
            raise AccountError(f"expected an account that can be priced, got {account}")
        return int(rows[0])

    def alone(self, account: int) -> MarginResult:
        """The account in row 0 of a book of its own, with all parts of its margin: what proofs and plans are made of.
        Raises AccountError for an account that does not exist, MarketError for one that cannot be priced."""
        if account not in self._alone:
            found = self.state.accounts.get(account)
            if found is None:
                raise AccountError(f"expected an account of the ledger, got {account}")
            accrued = self.state.carry.accrued(found, self.block.time)
            self._alone[account] = margin(Book.from_accounts([accrued], self.parameters), self.market, self.parameters)
        return self._alone[account]

    def marks_of(self, account: int) -> dict[Instrument, float]:
        """USD per contract of everything the account holds; empty where it cannot be priced."""
        if account not in self.state.accounts or account in self.unpriced:
            return {}
        result = self.alone(account)
        return {instrument: float(result.priced.value[i]) for i, instrument in enumerate(result.book.table.instruments)}

    def health(self, below: float = np.inf, also: AbstractSet[int] = frozenset()) -> dict[int, float]:
        """By account, of those with positions or a debt (the others have no health to speak of) whose health is below
        `below`, and of `also` whatever it is."""
        figures = self.figures
        exposed = (figures.gross_notional > 0.0) | (figures.cash < 0.0)
        wanted = figures.health < below if np.isfinite(below) else np.ones(len(exposed), dtype=np.bool_)
        if also:
            wanted = wanted | np.isin(figures.account_id, np.fromiter(also, dtype=np.int64, count=len(also)))
        rows = np.flatnonzero(exposed & wanted)
        return dict(zip(figures.account_id[rows].tolist(), figures.health[rows].tolist(), strict=True))


class Assessor:
    """Computes assessments; keeps what is laid out for the kernels from one to the next."""

    def __init__(self) -> None:
        self._table: ParameterTable | None = None
        self._parameters: Parameters | None = None
        self._base = _Part()
        self._beside = _Part()
        self._beside_ids: tuple[int, ...] = ()
        self._laid_out: Mapping[int, Account] | None = None
        self._compiled = False

    @property
    def beside(self) -> int:
        """Accounts that changed since the large book was laid out."""
        return len(self._beside_ids)

    def settle(self) -> None:
        """Lays the large book out anew at the next assessment: for moments in which nothing is urgent."""
        if self._beside_ids:
            self._forget()

    def _forget(self) -> None:
        self._base, self._beside, self._beside_ids, self._laid_out = _Part(), _Part(), (), None

    def assess(self, state: State, block: Block) -> Assessment:
        """Raises ParameterError and MarketError where table or feeds are unusable as a whole."""
        if self._parameters is None or state.table != self._table:
            self._table, self._parameters = state.table, state.table.parameters(state.tokens)
            self._forget()
        parameters, market = self._parameters, state.market(block.time)
        try:
            figures = self._evaluate(state.accounts, market, parameters, state.carry)
            unpriced: tuple[int, ...] = ()
        except MarketError:
            # One account with an instrument that nobody quotes must not blind the keeper to all the others.
            unpriced = tuple(sorted(account.id for account in state.accounts.values() if not _is_priced(state, account)))
            priced = {number: account for number, account in state.accounts.items() if number not in unpriced}
            figures = self._evaluate(priced, market, parameters, state.carry)
        return Assessment(block, state, market, parameters, state.table.rules(), figures, unpriced, self._compiled)

    def _evaluate(self, accounts: Mapping[int, Account], market: Market, parameters: Parameters, carry: Carry) -> Figures:
        if accounts is not self._laid_out:  # the fold leaves the very same mapping where no account changed
            self._lay_out(accounts, parameters)
        large = self._base.figures(market, parameters, carry)
        if not self._beside_ids:
            return large
        return _merged(large, self._beside.figures(market, parameters, carry))

    def _lay_out(self, accounts: Mapping[int, Account], parameters: Parameters) -> None:
        self._compiled = compiled = len(accounts) >= _KERNELS_FROM and why_not_kernels() is None
        known = self._base.accounts
        changed = tuple(number for number, account in accounts.items() if known.get(number) is not account)
        gone = len(accounts) - sum(number not in known for number in changed) != len(known)
        if not known or gone or len(changed) > max(_OVERLAY_LEAST, _OVERLAY_SHARE * len(known)):
            self._base = _Part(accounts, parameters, compiled=compiled)
            self._beside, self._beside_ids = _Part(), ()
        elif changed != self._beside_ids or any(self._beside.accounts[number] is not accounts[number] for number in changed):
            self._beside, self._beside_ids = _Part({number: accounts[number] for number in changed}, parameters, compiled=compiled), changed
        self._laid_out = accounts


class _Part:
    """Accounts laid out together; compiled: for the kernels."""

    def __init__(
        self, accounts: Mapping[int, Account] | None = None, parameters: Parameters | None = None, *, compiled: bool = False
    ) -> None:
        self.accounts: Mapping[int, Account] = accounts or {}
        self._compiled = compiled
        self._book = None if parameters is None else Book.from_accounts(self.accounts.values(), parameters)
        self._prepared: PreparedBook | None = None
        self._accruals: Accruals | None = None

    def figures(self, market: Market, parameters: Parameters, carry: Carry) -> Figures:
        book = self._book
        if book is None or not book.accounts:
            return _empty()
        if not self._compiled:
            owing = book if (owed := self._owed(carry, market.time)) is None else replace(book, cash=book.cash - owed)
            return _figures(book, margin(owing, market, parameters))
        from keeper.kernels.prepared import PreparedBook  # noqa: PLC0415 - numba may be missing

        prepared = self._prepared
        if prepared is None or prepared.groups != market.groups or prepared.table.plan.underlyings != tuple(market.underlyings):
            threads = 1 if book.positions <= _ONE_THREAD_UNTIL else None
            self._prepared = prepared = PreparedBook.of(book, market, parameters, threads)
        prepared.owe(self._owed(carry, market.time))
        return _figures(book, prepared.in_book_order(prepared.figures(market)))

    def _owed(self, carry: Carry, time: int) -> Floats | None:
        """[A] USD in the order of the book; None where nothing was ever charged."""
        if not carry.ever:
            return None
        if self._accruals is None or self._accruals.losses is not carry.losses:
            self._accruals = Accruals(self.accounts.values(), carry)
        return self._accruals.owed(carry, time)


_COPIED = ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance", "gross_notional", "health")


def _figures(book: Book, source: MarginResult | AccountFigures) -> Figures:
    counts = np.bincount(book.position_account, minlength=book.accounts)
    values = {name: np.ascontiguousarray(getattr(source, name)) for name in _COPIED}
    return Figures(account_id=book.account_id.astype(np.int64), positions=counts, cash=book.cash, **values)


def _empty() -> Figures:
    none = np.zeros(0)
    return Figures(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), none, none, none, none, none, none, none, none)


def _merged(large: Figures, small: Figures) -> Figures:
    """Accounts of `small` take the place of the same in `large`, new ones follow."""
    order = np.argsort(large.account_id, kind="stable")
    at = np.minimum(np.searchsorted(large.account_id, small.account_id, sorter=order), len(order) - 1)
    rows = order[at]
    known = large.account_id[rows] == small.account_id
    columns = {}
    for item in fields(Figures):
        old, new = getattr(large, item.name), getattr(small, item.name)
        column = np.concatenate([old, new[~known]])
        column[rows[known]] = new[known]
        columns[item.name] = column
    return Figures(**columns)


def _is_priced(state: State, account: Account) -> bool:
    try:
        state.oldest_price(account)
    except MarketError:
        return False
    return True
