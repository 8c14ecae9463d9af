"""Events of liquidations, the insurance fund, deleveraging and what follows a shutdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keeper.chain.events.event import Event

__all__ = [
    "AccountSettled",
    "AgentSet",
    "Begun",
    "ClaimRepaid",
    "Claimed",
    "CollateralConverted",
    "DebtFlagged",
    "DeficitCleared",
    "DeficitClosed",
    "DeficitCovered",
    "DeficitOpened",
    "DeficitReported",
    "Deleveraged",
    "Drawn",
    "Dropped",
    "Executed",
    "ExitPaid",
    "ExitRequested",
    "ExitsSettled",
    "Finalised",
    "Flagged",
    "LegTaken",
    "Liquidated",
    "MemberSet",
    "Nominated",
    "SpotFixed",
    "ValueFixed",
]


# --- Liquidator ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged(Event):
    contract: ClassVar[str] = "Liquidator"
    account: int
    by: str
    started_at: int
    margin_equity: int
    requirement: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTaken(Event):
    contract: ClassVar[str] = "Liquidator"
    account: int
    to: int
    instrument: int
    size: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidated(Event):
    contract: ClassVar[str] = "Liquidator"
    account: int
    to: int
    tier: int
    health_before: int
    health_after: int
    requirement_before: int
    requirement_after: int
    payment: int
    fee: int
    fund_paid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralConverted(Event):
    contract: ClassVar[str] = "Liquidator"
    account: int
    to: int
    token_index: int
    quantity: int
    paid: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtFlagged(Event):
    contract: ClassVar[str] = "Liquidator"
    account: int
    by: str
    started_at: int
    cash: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitCovered(Event):
    """cash: after it."""

    contract: ClassVar[str] = "Liquidator"
    account: int
    paid: int
    cash: int


# --- InsuranceFund ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Event):
    contract: ClassVar[str] = "InsuranceFund"
    member: str
    account: int
    underlying: int
    amount: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitReported(Event):
    contract: ClassVar[str] = "InsuranceFund"
    member: str
    account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitCleared(Event):
    contract: ClassVar[str] = "InsuranceFund"
    member: str
    account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequested(Event):
    contract: ClassVar[str] = "InsuranceFund"
    id: int
    owner: str
    epoch: int
    shares: int
    assets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitsSettled(Event):
    contract: ClassVar[str] = "InsuranceFund"
    epoch: int
    shares: int
    assets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPaid(Event):
    contract: ClassVar[str] = "InsuranceFund"
    id: int
    owner: str
    assets: int
    forgone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSet(Event):
    contract: ClassVar[str] = "InsuranceFund"
    member: str
    draw_limit: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSet(Event):
    """An agent draws for a member."""

    contract: ClassVar[str] = "InsuranceFund"
    agent: str
    member: str


# --- Nominations ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Nominated(Event):
    """longs: the side of `account`; score: 1e-9."""

    contract: ClassVar[str] = "Nominations"
    instrument: int
    longs: bool
    account: int
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped(Event):
    """count: of the highest of the queue, who have no more to give."""

    contract: ClassVar[str] = "Nominations"
    instrument: int
    longs: bool
    count: int


# --- Deleverager ---


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitOpened(Event):
    """equity: negative; fund_may_pay: of it."""

    contract: ClassVar[str] = "Deleverager"
    account: int
    by: str
    equity: int
    fund_may_pay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitClosed(Event):
    """claim: what the account owes to those who paid."""

    contract: ClassVar[str] = "Deleverager"
    account: int
    equity: int
    claim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleveraged(Event):
    """size: contracts closed, > 0; haircut: what the counterparty received less than at mark."""

    contract: ClassVar[str] = "Deleverager"
    account: int
    counterparty: int
    instrument: int
    size: int
    price: int
    mark: int
    haircut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed(Event):
    """equity: before; shared: by the loss index."""

    contract: ClassVar[str] = "Deleverager"
    account: int
    equity: int
    fund_paid: int
    haircut: int
    shared: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRepaid(Event):
    contract: ClassVar[str] = "Deleverager"
    account: int
    amount: int
    left: int


# --- ShutdownSettlement ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    pool: int
    accounts: int
    at: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotFixed(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    underlying: int
    spot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFixed(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    instrument: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettled(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    account: int
    claim: int
    debt: int
    pooled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalised(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    claims: int
    tokens: int
    pooled: int
    ratio: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    contract: ClassVar[str] = "ShutdownSettlement"
    account: int
    token: int
    to: str
    quantity: int
