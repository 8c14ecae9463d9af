"""Events of clearing, the withdrawal queue, the trading limits, funding and settlement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keeper.chain.events.event import Event

__all__ = [
    "Deposited",
    "FillSkipped",
    "FundingUpdated",
    "InstrumentLimitSet",
    "OrderCancelled",
    "OrderFilled",
    "OrdersCancelled",
    "PositionMoved",
    "PositionsSettled",
    "SettlementAdvanced",
    "TokenLimitsSet",
    "Trade",
    "Transferred",
    "UnderlyingLimitsSet",
    "WithdrawalPaid",
    "WithdrawalQueued",
    "WithdrawalUndone",
    "Withdrawn",
]


# --- Clearing ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(Event):
    contract: ClassVar[str] = "Clearing"
    account: int
    token: int
    sender: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    contract: ClassVar[str] = "Clearing"
    account: int
    token: int
    to: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade(Event):
    contract: ClassVar[str] = "Clearing"
    instrument: int
    buyer: int
    seller: int
    size: int
    price: int
    buyer_fee: int
    seller_fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(Event):
    contract: ClassVar[str] = "Clearing"
    order_hash: bytes
    account: int
    filled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(Event):
    contract: ClassVar[str] = "Clearing"
    order_hash: bytes
    account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(Event):
    """sender: the account that gave."""

    contract: ClassVar[str] = "Clearing"
    sender: int
    to: int
    token: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMoved(Event):
    """sender: the account that gave; size: signed as it was held there."""

    contract: ClassVar[str] = "Clearing"
    sender: int
    to: int
    instrument: int
    size: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersCancelled(Event):
    """Every order of the account with a lower nonce is void."""

    contract: ClassVar[str] = "Clearing"
    account: int
    least_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSkipped(Event):
    """number: place in the batch; reason: revert data."""

    contract: ClassVar[str] = "Clearing"
    number: int
    buyer: int
    seller: int
    reason: bytes


# --- WithdrawalQueue ---


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalQueued(Event):
    """quantity: what waits for the outflow cap."""

    contract: ClassVar[str] = "WithdrawalQueue"
    id: int
    account: int
    token: int
    to: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalPaid(Event):
    """paid: of the claim, so far."""

    contract: ClassVar[str] = "WithdrawalQueue"
    id: int
    to: str
    quantity: int
    paid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalUndone(Event):
    """After a shutdown: what of the claim still waited went back to its account."""

    contract: ClassVar[str] = "WithdrawalQueue"
    id: int
    account: int
    token: int
    quantity: int


# --- TradingLimits ---


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingLimitsSet(Event):
    """limits: (open_interest, instrument, position, entity), 0 for none."""

    contract: ClassVar[str] = "TradingLimits"
    underlying: int
    limits: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLimitSet(Event):
    contract: ClassVar[str] = "TradingLimits"
    instrument: int
    open_interest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimitsSet(Event):
    """limits: (total, account), 0 for none."""

    contract: ClassVar[str] = "TradingLimits"
    token_index: int
    limits: tuple[int, int]


# --- Funding ---


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingUpdated(Event):
    """premium, spot: averaged over `elapsed` seconds, the premium clamped, 1e18; the rate is paid for `duration` seconds."""

    contract: ClassVar[str] = "Funding"
    underlying: int
    premium: int
    spot: int
    rate_per_second: int
    elapsed: int
    duration: int


# --- Settlement ---


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsSettled(Event):
    contract: ClassVar[str] = "Settlement"
    account: int
    underlying: int
    expiry: int
    positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementAdvanced(Event):
    """account: the last that was visited."""

    contract: ClassVar[str] = "Settlement"
    underlying: int
    expiry: int
    account: int
