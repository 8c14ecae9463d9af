"""The fold: (state, events) -> state. Nothing else changes what the keeper believes.

Events carry values after the change, so the fold does no arithmetic; `change` is used only to notice a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from keeper.chain.events import (
    AccountOpened,
    CarryRealised,
    CashChanged,
    ClaimRepaid,
    CollateralChanged,
    CollateralSet,
    DebitRateSet,
    DeficitClosed,
    DeficitOpened,
    DeficitSet,
    Dropped,
    Event,
    Executed,
    ExpiryUpdated,
    Flagged,
    FundingRateSet,
    GroupSet,
    InterestStarted,
    LossShared,
    MarketUpdated,
    ModeSet,
    Nominated,
    OperatorSet,
    ParameterSet,
    PositionChanged,
    ProfitCounted,
    ProfitVestingSet,
    ScenariosSet,
    SettlementFixed,
    TokenListed,
    UnderlyingListed,
    UnderlyingSet,
)
from keeper.errors import EventError
from keeper.model import Account, Instrument, MarginMode, Position, Wad
from keeper.portfolio.carry import Debit, Funding
from keeper.portfolio.deficits import Deficit, Nominee, Realised
from keeper.portfolio.state import HOUSE, Expiry, Spot, State
from keeper.portfolio.table import Parameter

__all__ = ["fold"]


def fold(state: State, events: Iterable[Event], token_names: dict[str, str] | None = None) -> State:
    """The state after `events`. token_names: address -> name, for tokens as they are listed.

    The arguments are left as they are; mappings are copied once per call, not once per event. Raises EventError where an
    event cannot follow the state (an unknown account, a balance that does not add up): events are missing, read them again.
    """
    draft = _Draft(state, token_names or {})
    for event in events:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(draft, event)
    return draft.finish()


_OfAccount = (
    AccountOpened
    | ModeSet
    | CashChanged
    | CollateralChanged
    | PositionChanged
    | CarryRealised
    | InterestStarted
    | DeficitSet
    | DeficitOpened
)


class _Draft:
    """A state being changed. `accounts`, `expiries` and `realised`, which grow large, are copied at the first write to them: a batch
    that does not touch them leaves the very same mapping, which tells readers that nothing changed."""

    def __init__(self, state: State, token_names: dict[str, str]) -> None:
        self.state = state
        self.operators = dict(state.operators)
        self.spots = dict(state.spots)
        self.table = state.table
        self.clocks = dict(state.clocks)
        self.symbols = dict(state.symbols)
        self.tokens = dict(state.tokens)
        self.units = dict(state.units)
        self.carry = state.carry
        self.deficits = state.deficits
        self.vesting = state.vesting
        self.token_names = token_names
        self._accounts: dict[int, Account] | None = None
        self._expiries: dict[tuple[int, int], Expiry] | None = None
        self._realised: dict[int, Realised] | None = None

    @property
    def accounts(self) -> dict[int, Account]:
        if self._accounts is None:
            self._accounts = dict(self.state.accounts)
        return self._accounts

    @property
    def expiries(self) -> dict[tuple[int, int], Expiry]:
        if self._expiries is None:
            self._expiries = dict(self.state.expiries)
        return self._expiries

    @property
    def realised(self) -> dict[int, Realised]:
        if self._realised is None:
            self._realised = dict(self.state.realised)
        return self._realised

    def account(self, event: _OfAccount) -> Account:
        try:
            return self.accounts[event.account]
        except KeyError:
            raise EventError(f"{type(event).__name__} of account {event.account} in block {event.block}: it was never opened") from None

    def finish(self) -> State:
        return State(
            self.state.accounts if self._accounts is None else self._accounts,
            self.operators,
            self.spots,
            self.state.expiries if self._expiries is None else self._expiries,
            self.table,
            self.clocks,
            self.symbols,
            self.tokens,
            self.carry,
            self.deficits,
            self.state.realised if self._realised is None else self._realised,
            self.vesting,
            self.units,
        )


def _opened(draft: _Draft, event: AccountOpened) -> None:
    if event.account in draft.accounts and event.account != HOUSE:
        raise EventError(f"account {event.account} was opened twice, again in block {event.block}")
    draft.accounts[event.account] = Account(event.account, event.owner, MarginMode(event.mode), Wad(0))


def _mode(draft: _Draft, event: ModeSet) -> None:
    draft.accounts[event.account] = replace(draft.account(event), mode=MarginMode(event.mode))


def _operator(draft: _Draft, event: OperatorSet) -> None:
    key = (event.account, event.operator)
    if event.scopes:
        draft.operators[key] = event.scopes
    else:
        draft.operators.pop(key, None)


def _cash(draft: _Draft, event: CashChanged) -> None:
    account = draft.account(event)
    if account.cash.raw + event.change != event.cash:
        raise EventError(
            f"cash of account {event.account} in block {event.block}: {account.cash.raw} and a change of {event.change} "
            f"do not make {event.cash}; events are missing"
        )
    draft.accounts[event.account] = replace(account, cash=Wad(event.cash))


def _collateral(draft: _Draft, event: CollateralChanged) -> None:
    account = draft.account(event)
    token = draft.tokens.get(event.token_index, f"token {event.token_index}")
    held = account.collateral.get(token, Wad(0)).raw
    if held + event.change != event.quantity:
        raise EventError(
            f"{token} of account {event.account} in block {event.block}: {held} and a change of {event.change} "
            f"do not make {event.quantity}; events are missing"
        )
    collateral = {name: quantity for name, quantity in account.collateral.items() if name != token}
    if event.quantity:
        collateral[token] = Wad(event.quantity)
    draft.accounts[event.account] = replace(account, collateral=collateral)


def _position(draft: _Draft, event: PositionChanged) -> None:
    account = draft.account(event)
    instrument = _instrument(event.instrument)
    positions = dict(account.positions)
    if event.size:
        positions[instrument] = Position(Wad(event.size), Wad(event.cost), event.funding_index)
    else:
        positions.pop(instrument, None)
    draft.accounts[event.account] = replace(account, positions=positions)


def _carry_realised(draft: _Draft, event: CarryRealised) -> None:
    account = draft.account(event)
    instrument = _instrument(event.instrument)
    if instrument not in account.positions:
        raise EventError(f"carry of account {event.account} in block {event.block}: it has no position in {instrument}")
    position = replace(account.positions[instrument], carry_entry=event.funding_index)
    draft.accounts[event.account] = replace(account, positions={**account.positions, instrument: position})


def _interest(draft: _Draft, event: InterestStarted) -> None:
    draft.accounts[event.account] = replace(draft.account(event), interest_entry=event.debit_index)


def _deficit(draft: _Draft, event: DeficitSet) -> None:
    draft.accounts[event.account] = replace(draft.account(event), deficit_open=event.open)


def _deficit_opened(draft: _Draft, event: DeficitOpened) -> None:
    legs = {instrument: position.size.raw for instrument, position in draft.account(event).positions.items()}
    draft.deficits = draft.deficits.opened(event.account, Deficit(event.block, event.equity, legs))


def _nominated(draft: _Draft, event: Nominated) -> None:
    side = _instrument(event.instrument), event.longs
    limit = draft.table.stored(Parameter.NOMINATION_QUEUE)
    draft.deficits = draft.deficits.nominated(side, Nominee(event.account, event.score), limit)


def _dropped(draft: _Draft, event: Dropped) -> None:
    draft.deficits = draft.deficits.dropped((_instrument(event.instrument), event.longs), event.count)


def _executed(draft: _Draft, event: Executed) -> None:
    draft.deficits = draft.deficits.executed(event.account, event.fund_paid, event.haircut, event.shared, event.closes)


def _deficit_closed(draft: _Draft, event: DeficitClosed) -> None:
    draft.deficits = draft.deficits.closed(event.account, event.claim)


def _claim_repaid(draft: _Draft, event: ClaimRepaid) -> None:
    draft.deficits = draft.deficits.owing(event.account, event.left)


def _profit(draft: _Draft, event: ProfitCounted) -> None:
    draft.realised[event.account] = Realised(event.current, event.previous, event.since)


def _vesting(draft: _Draft, event: ProfitVestingSet) -> None:
    draft.vesting = event.period


def _funding(draft: _Draft, event: FundingRateSet) -> None:
    funding = Funding(event.funding_index, event.rate_per_second, event.since, event.until)
    draft.carry = replace(draft.carry, funding={**draft.carry.funding, event.underlying: funding})


def _debit(draft: _Draft, event: DebitRateSet) -> None:
    draft.carry = replace(draft.carry, debit=Debit(event.debit_index, event.per_year, event.since))


def _loss(draft: _Draft, event: LossShared) -> None:
    instrument = _instrument(event.instrument)
    longs, shorts = draft.carry.losses.get(instrument, (0, 0))
    sides = (event.loss_index, shorts) if event.longs else (longs, event.loss_index)
    draft.carry = replace(draft.carry, losses={**draft.carry.losses, instrument: sides})


def _token(draft: _Draft, event: TokenListed) -> None:
    draft.tokens[event.token_index] = draft.token_names.get(event.token, event.token)
    draft.units[event.token_index] = 10 ** (18 - event.decimals)  # the vault lists no token of more


def _underlying_listed(draft: _Draft, event: UnderlyingListed) -> None:
    draft.symbols[event.underlying] = event.symbol


def _market(draft: _Draft, event: MarketUpdated) -> None:
    draft.spots[event.underlying] = Spot(event.timestamp, event.spot, event.mark, event.confidence)


def _expiry(draft: _Draft, event: ExpiryUpdated) -> None:
    draft.expiries[event.underlying, event.expiry] = Expiry(event.quote, event.smile, event.wing)


def _settled(draft: _Draft, event: SettlementFixed) -> None:
    known = draft.expiries.get((event.underlying, event.expiry))
    if known is not None:  # what was never quoted nobody holds
        draft.expiries[event.underlying, event.expiry] = replace(known, wing=known.wing >> 96 << 96 | event.price)


def _parameter(draft: _Draft, event: ParameterSet) -> None:
    draft.table = draft.table.with_parameter(event.parameter, event.value)


def _scenarios(draft: _Draft, event: ScenariosSet) -> None:
    draft.table = draft.table.with_scenarios(event.words)


def _collateral_set(draft: _Draft, event: CollateralSet) -> None:
    draft.table = draft.table.with_collateral(event.token_index, *event.config)


def _underlying_set(draft: _Draft, event: UnderlyingSet) -> None:
    draft.table = draft.table.with_underlying(event.underlying, event.group, event.spot_scale)


def _group(draft: _Draft, event: GroupSet) -> None:
    draft.table = draft.table.with_group(event.group, event.kappa)


def _flagged(draft: _Draft, event: Flagged) -> None:
    draft.clocks[event.account] = event.started_at


_instrument = lru_cache(maxsize=65_536)(Instrument.unpack)

_HANDLERS: dict[type[Event], Callable[[_Draft, Any], None]] = {
    AccountOpened: _opened,
    ModeSet: _mode,
    OperatorSet: _operator,
    CashChanged: _cash,
    CollateralChanged: _collateral,
    PositionChanged: _position,
    CarryRealised: _carry_realised,
    InterestStarted: _interest,
    DeficitSet: _deficit,
    DeficitOpened: _deficit_opened,
    Nominated: _nominated,
    Dropped: _dropped,
    Executed: _executed,
    DeficitClosed: _deficit_closed,
    ClaimRepaid: _claim_repaid,
    ProfitCounted: _profit,
    ProfitVestingSet: _vesting,
    FundingRateSet: _funding,
    DebitRateSet: _debit,
    LossShared: _loss,
    TokenListed: _token,
    UnderlyingListed: _underlying_listed,
    MarketUpdated: _market,
    ExpiryUpdated: _expiry,
    SettlementFixed: _settled,
    ParameterSet: _parameter,
    ScenariosSet: _scenarios,
    CollateralSet: _collateral_set,
    UnderlyingSet: _underlying_set,
    GroupSet: _group,
    Flagged: _flagged,
}
