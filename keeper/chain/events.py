"""The frozen event set as typed data, and the decoder that the deployment's ABI drives.

Field names are those of the Solidity events in snake case (`from` and `by` included, `from` as `sender`). Amounts are
integers in the contract's units (1e18), addresses checksummed text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from keeper.chain.contract import EventSpec
from keeper.chain.deployment import Deployment
from keeper.chain.port import Log
from keeper.errors import DeploymentError, EventError

__all__ = [
    "EVENTS",
    "AccountOpened",
    "AccountSettled",
    "Begun",
    "CarryRealised",
    "CashChanged",
    "ClaimRepaid",
    "Claimed",
    "CollateralChanged",
    "CollateralConverted",
    "CollateralSet",
    "DebitRateSet",
    "Decoder",
    "DeficitCleared",
    "DeficitClosed",
    "DeficitOpened",
    "DeficitReported",
    "DeficitSet",
    "Deleveraged",
    "Deposited",
    "Drawn",
    "Dropped",
    "EntitySet",
    "Event",
    "Executed",
    "ExitPaid",
    "ExitRequested",
    "ExitsSettled",
    "ExpiryListed",
    "ExpiryUpdated",
    "FillSkipped",
    "Finalised",
    "Flagged",
    "FundingRateSet",
    "GroupSet",
    "InstrumentLimitSet",
    "InterestStarted",
    "JumpConfirmed",
    "LegTaken",
    "Liquidated",
    "Loosened",
    "LossShared",
    "MarketUpdated",
    "ModeSet",
    "Nominated",
    "OperatorSet",
    "OrderCancelled",
    "OrderFilled",
    "OrdersCancelled",
    "ParameterSet",
    "PositionChanged",
    "PositionMoved",
    "PositionSettled",
    "ProfitCounted",
    "ProfitVestingSet",
    "ScenariosSet",
    "SettlementFixed",
    "ShutDown",
    "SourcesChosen",
    "SourcesDisagreed",
    "SourcesSet",
    "SpotFixed",
    "Tightened",
    "TokenLimitsSet",
    "TokenListed",
    "Trade",
    "Transferred",
    "Tripped",
    "UnderlyingLimitsSet",
    "UnderlyingListed",
    "UnderlyingSet",
    "UpdateHeld",
    "ValueFixed",
    "WithdrawalPaid",
    "WithdrawalQueued",
    "Withdrawn",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have: the block and the transaction they are in, and their place in the block."""

    contract: ClassVar[str]
    block: int
    index: int
    transaction: str


# --- Ledger ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    owner: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    operator: str
    scopes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashChanged(Event):
    """cash: after the change."""

    contract: ClassVar[str] = "Ledger"
    account: int
    reason: int
    change: int
    cash: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralChanged(Event):
    """quantity: after the change."""

    contract: ClassVar[str] = "Ledger"
    account: int
    token_index: int
    change: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged(Event):
    """size and cost: after the change; size 0: closed."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    size: int
    cost: int
    funding_index: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryRealised(Event):
    """The position's carry became cash without a trade; funding_index: its new entry."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    funding_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSettled(Event):
    """A one-sided close at a final price; in_transit: after it."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    size: int
    price: int
    in_transit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRateSet(Event):
    """rate_per_second from `since` on; funding_index: of both sides then, without shared losses; ended: for good."""

    contract: ClassVar[str] = "Ledger"
    underlying: int
    rate_per_second: int
    funding_index: int
    since: int
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitRateSet(Event):
    """per_year from `since` on; debit_index: then, 1e15 modulo 2**56."""

    contract: ClassVar[str] = "Ledger"
    per_year: int
    debit_index: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestStarted(Event):
    """The account's debt owes from debit index `debit_index` on."""

    contract: ClassVar[str] = "Ledger"
    account: int
    debit_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossShared(Event):
    """loss_index: loss index of the side after it; rounding: what the side owes beyond `amount`, to the house."""

    contract: ClassVar[str] = "Ledger"
    debtor: int
    instrument: int
    longs: bool
    amount: int
    loss_index: int
    rounding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    entity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitCounted(Event):
    """The buckets of realised profit after a change; since: begin of the current one."""

    contract: ClassVar[str] = "Ledger"
    account: int
    current: int
    previous: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitVestingSet(Event):
    contract: ClassVar[str] = "Ledger"
    period: int


# --- CollateralVault, InstrumentRegistry ---


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenListed(Event):
    contract: ClassVar[str] = "CollateralVault"
    token_index: int
    token: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingListed(Event):
    contract: ClassVar[str] = "InstrumentRegistry"
    underlying: int
    symbol: str
    tradable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryListed(Event):
    contract: ClassVar[str] = "InstrumentRegistry"
    underlying: int
    expiry: int


# --- PriceDoor ---


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketUpdated(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    spot: int
    mark: int
    confidence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryUpdated(Event):
    """quote, smile, wing: the packed words of contracts/types/Feed.sol."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    expiry: int
    quote: int
    smile: int
    wing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHeld(Event):
    """An authentic update that was recorded and not stored (docs/oracles.md). cause: 0 jump, 1 quorum, 2 slice."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    cause: int
    spot: int
    observed: int
    bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpConfirmed(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    previous: int
    spot: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFixed(Event):
    """The settlement price of an expiry, for good: USD 1e18, averaged since `begin`."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    expiry: int
    price: int
    begin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesChosen(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    sources: str


# --- SpotSources ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesSet(Event):
    """sources: (address, maximum age, band, jump) each."""

    contract: ClassVar[str] = "SpotSources"
    underlying: int
    sources: tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesDisagreed(Event):
    """prices: the signed one first, 0 where a source was silent."""

    contract: ClassVar[str] = "SpotSources"
    underlying: int
    timestamp: int
    prices: tuple[int, ...]
    median: int
    agreeing: int


# --- CircuitBreaker (scope: an underlying, 255 for all) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped(Event):
    """cause: 0 jump, 1 quorum, 2 slice, 3 stale. REDUCE_ONLY until `until`."""

    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    cause: int
    observed: int
    bound: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightened(Event):
    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    previous: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened(Event):
    """Ends the scope's automatic state as well."""

    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    previous: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutDown(Event):
    contract: ClassVar[str] = "CircuitBreaker"
    at: int


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


# --- RiskParameters ---


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    parameter: int
    previous: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenariosSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralSet(Event):
    """config: (underlying, joins, haircut_initial, haircut_maintenance)."""

    contract: ClassVar[str] = "RiskParameters"
    token_index: int
    config: tuple[int, bool, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    underlying: int
    group: int
    spot_scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    group: int
    kappa: int


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


# --- WithdrawalQueue, TradingLimits ---


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


# --- Liquidator, InsuranceFund ---


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


# --- Nominations, Deleverager ---


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


EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
"""Every event the keeper decodes, by its Solidity name. What is absent here is ignored (token transfers, roles)."""

# `index` of an event is its place in the block; `from` is a keyword.
_RENAMED = {"index": "token_index", "from": "sender"}


class Decoder:
    """Logs to events, by the ABIs of a deployment.

    Raises DeploymentError at construction where an ABI lacks an event or its parameters differ from the class here: a
    keeper that does not understand an event must not start.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._specs: dict[tuple[str, bytes], tuple[type[Event], EventSpec, tuple[str, ...], tuple[str, ...]]] = {}
        addresses: list[str] = []
        for name, kind in EVENTS.items():
            contract = deployment.contract(kind.contract)
            spec = contract.events.get(name)
            if spec is None:
                raise DeploymentError(f"{contract.name}'s ABI is expected to declare the event {name}")
            indexed = tuple(_field(parameter) for parameter, _ in spec.indexed)
            data = tuple(_field(parameter) for parameter, _ in spec.data)
            expected = {field.name for field in fields(kind)} - {"block", "index", "transaction"}
            if {*indexed, *data} != expected:
                raise DeploymentError(f"event {name}: expected the parameters {sorted(expected)}, the ABI has {sorted({*indexed, *data})}")
            self._specs[contract.address, spec.topic] = (kind, spec, indexed, data)
            if contract.address not in addresses:
                addresses.append(contract.address)
        self.addresses = tuple(addresses)

    def decode(self, log: Log) -> Event | None:
        """None for an event that the keeper has no use for. Raises EventError for a log that contradicts the ABI."""
        if not log.topics or (found := self._specs.get((log.address, log.topics[0]))) is None:
            return None
        kind, spec, indexed, data = found
        try:
            values: dict[str, Any] = {
                field: decode((parameter,), topic)[0]
                for field, (_, parameter), topic in zip(indexed, spec.indexed, log.topics[1:], strict=True)
            }
            values.update(zip(data, decode([parameter for _, parameter in spec.data], log.data), strict=True))
        except (DecodingError, OverflowError, ValueError) as error:
            raise EventError(f"{spec.name} in transaction {log.transaction}: the log does not decode: {error}") from error
        for field, parameter in (*zip(indexed, spec.indexed, strict=True), *zip(data, spec.data, strict=True)):
            if parameter[1] == "address":
                values[field] = _checksummed(values[field])
        return kind(block=log.block, index=log.index, transaction=log.transaction, **values)

    def decode_all(self, logs: Iterable[Log]) -> list[Event]:
        return [event for log in logs if (event := self.decode(log)) is not None]


def _field(parameter: str) -> str:
    return _RENAMED.get(parameter, re.sub(r"(?<!^)([A-Z])", r"_\1", parameter).lower())


_checksummed: Callable[[str], str] = lru_cache(maxsize=4096)(lambda address: str(Web3.to_checksum_address(address)))
