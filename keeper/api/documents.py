"""What the API answers, as types of its own: the server fills them, `keeper.client` reads them, OpenAPI describes them.

USD and contracts are floats, for people and strategies; what goes into a transaction is exact: hexadecimal bytes, and
integers of 1e18 as decimal strings, since JSON's readers round large numbers. null where a figure is unbounded or unknown.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AccountFigures",
    "AccountList",
    "AccountRisk",
    "AlarmNews",
    "Deficit",
    "Endpoint",
    "GroupRisk",
    "HealthNews",
    "Hello",
    "Job",
    "Leg",
    "Liquidatable",
    "Lost",
    "MarginCallNews",
    "Market",
    "MarketExpiry",
    "MarketUnderlying",
    "Mode",
    "News",
    "NominationQueue",
    "ParameterList",
    "PositionRisk",
    "Signer",
    "StageTimes",
    "Status",
    "Suggested",
    "Topic",
    "Transaction",
    "TransactionList",
    "TransactionNews",
    "UnderlyingRisk",
    "Witness",
]

Topic = Literal["health", "margin_calls", "transactions", "alarms"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StageTimes(_Document):
    """Seconds, of the last thousand."""

    p50: float
    p99: float


class Endpoint(_Document):
    name: str
    active: bool
    head: int | None
    lag: int
    milliseconds: float
    failures: int
    trouble: str


class Signer(_Document):
    """Amounts in whole coins of the chain."""

    address: str
    balance: float | None
    next_nonce: int | None
    nonce_gap: int
    gas_today: float
    gas_cap_today: float | None


class NominationQueue(_Document):
    """Who of the holders of one side is closed first; scores: 1e-9."""

    instrument: str
    packed: str
    longs: bool
    accounts: list[int]
    scores: list[int]


class Deficit(_Document):
    """A deficit beyond the fund, USD. owed: when it was opened, in block `opened`; what was paid since by fund, by counterparties in
    `closes` closings below their mark, and by the loss index."""

    account: int
    opened: int
    owed: float
    fund_paid: float
    haircut: float
    shared: float
    closes: int
    queues: list[NominationQueue]


class Job(_Document):
    """A periodic job. every: seconds between runs, at most; started: of the newest run, next: of the next, unix seconds; seconds: that the
    last one took; error: of the last run, "" where it went well; done, total: how far its work is."""

    name: str
    every: float
    started: float | None
    seconds: float | None
    next: float | None
    runs: int
    failures: int
    error: str
    running: bool
    done: int
    total: int


class Status(_Document):
    """at: unix seconds of the engine's last step; bands: accounts by band of health; stages: how long things take."""

    at: float
    account: int
    ready: bool
    leading: bool
    dry_run: bool
    block: int | None
    block_time: int | None
    head: int | None
    lag: int
    reorgs: int
    reorg_depth: int
    oracle_ages: dict[str, float]
    bands: dict[str, int]
    margin_calls: list[int]
    under_margined: int
    queue: int
    shortfall: float
    urgency: float
    fund_balance: float | None
    deficits: list[Deficit]
    jobs: list[Job]
    problems: list[str]
    transactions: dict[str, int]
    stages: dict[str, StageTimes]
    signers: list[Signer]
    endpoints: list[Endpoint]
    counters: dict[str, int]


class AccountFigures(_Document):
    """USD. mode: ISOLATED, CROSS or PORTFOLIO; health: null where nothing is at risk; band: safe, called, debt, partial, full,
    bankrupt, residue, deficit; margin_called: block of the margin call that is open."""

    account: int
    owner: str
    mode: str
    equity: float
    margin_equity: float
    initial: float
    maintenance: float
    health: float | None
    positions: int
    gross_notional: float
    band: str
    margin_called: int | None


class AccountList(_Document):
    """total: accounts that fit the question, of which this is a page; worst health first."""

    block: int
    time: int
    total: int
    accounts: list[AccountFigures]


class PositionRisk(_Document):
    """size, cost: exact, 1e18; mark: USD per contract; notional: |size| x spot, USD; unrealised: USD. adl_light: 5 is among the first
    fifth of its side (by size) to be closed if a deficit beyond the fund opens opposite, 1 among the last, 0 is not closed; adl_ahead:
    share of the side that ranks higher."""

    instrument: str
    packed: str
    size: str
    cost: str
    contracts: float
    mark: float
    notional: float
    unrealised: float
    adl_light: int
    adl_ahead: float


class UnderlyingRisk(_Document):
    """One underlying of an account, USD. worst_scenario: index in the governed list, with its move of
    the spot (share) and direction of vol;
    attribution: the worst loss by cause; liquidation_below and _above: the nearest spots at which the account may be
    liquidated in full, null where there are none or they were not asked for."""

    underlying: int
    symbol: str
    spot: float
    worst_scenario: int
    spot_move: float
    vol_direction: str
    stress_loss: float
    attribution: dict[str, float]
    charges: dict[str, float]
    greeks: dict[str, float]
    delta_notional: float
    liquidation_below: float | None
    liquidation_above: float | None


class GroupRisk(_Document):
    members: list[int]
    sum_loss: float
    joint_loss: float
    worst_scenario: int
    credit: float


class Mode(_Document):
    initial: float
    maintenance: float
    margin_equity_initial: float
    margin_equity_maintenance: float
    health: float | None


class Witness(_Document):
    """The worst scenarios as the contract takes them: one byte each per underlying and per group, hexadecimal."""

    underlyings: str
    groups: str


class AccountRisk(_Document):
    """Margin of one account with everything behind it; modes: what each mode would ask for."""

    block: int
    time: int
    account: int
    owner: str
    mode: str
    band: str
    margin_called: int | None
    cash: str
    collateral: dict[str, str]
    equity: float
    margin_equity_initial: float
    margin_equity_maintenance: float
    initial: float
    maintenance: float
    health: float | None
    gross_notional: float
    leverage: float | None
    witness: Witness
    positions: list[PositionRisk]
    underlyings: list[UnderlyingRisk]
    groups: list[GroupRisk]
    modes: dict[str, Mode]


class Leg(_Document):
    """size: signed like the position of the account, 1e18."""

    instrument: str
    packed: str
    size: str


class Suggested(_Document):
    """kind: liquidate, flag (starts the Dutch clock), convert (collateral against debt) or cover (the fund pays). to and data are the call
    as it can be sent, with the taker's account in it; payment: USD expected by the keeper's figures. Simulate before sending."""

    account: int
    tier: str
    health: float | None
    shortfall: float
    urgency: float
    kind: Literal["liquidate", "flag", "convert", "cover"]
    legs: list[Leg]
    witness: Witness
    payment: float
    to: str
    data: str


class Liquidatable(_Document):
    """Most urgent first. found: accounts under-margined or indebted, of which at most `limit` were planned."""

    block: int
    time: int
    chain_id: int
    taker: int
    found: int
    suggestions: list[Suggested]


class ParameterList(_Document):
    """scalars: every governed number by its name in types/Parameter.sol, in its unit (docs/parameters.md)."""

    block: int
    scalars: dict[str, float]
    collateral: dict[str, dict[str, float | int | bool | None]]
    scenarios: list[dict[str, float | str | bool]]
    groups: list[dict[str, float | list[int]]]
    spot_scales: dict[str, float]


class MarketExpiry(_Document):
    expiry: int
    forward: float
    rate: float
    atm_vol: float | None
    settlement: float | None
    age: float


class MarketUnderlying(_Document):
    underlying: int
    spot: float
    mark: float
    confidence: float
    age: float
    expiries: list[MarketExpiry]


class Market(_Document):
    """As signed; age: seconds at `time`, that of the block."""

    block: int
    time: int
    underlyings: dict[str, MarketUnderlying]


class Transaction(_Document):
    """One attempt of the keeper. times: unix seconds."""

    id: int
    nonce: int
    hash: str
    purpose: str
    account: int | None
    correlation: str
    status: str
    max_fee: str
    priority_fee: str
    detected_at: float
    sent_at: float | None
    settled_at: float | None
    block: int | None
    gas_used: int | None
    note: str


class TransactionList(_Document):
    transactions: list[Transaction]


class Hello(_Document):
    """First of every stream."""

    type: Literal["hello"] = "hello"
    topics: list[Topic]
    block: int | None
    bands: dict[str, int]


class HealthNews(_Document):
    """An account entered another band."""

    type: Literal["health"] = "health"
    account: int
    before: str
    now: str
    health: float | None
    shortfall: float
    block: int
    time: int


class MarginCallNews(_Document):
    """raised: a margin call began; else it ended."""

    type: Literal["margin_calls"] = "margin_calls"
    account: int
    raised: bool
    health: float | None
    block: int
    time: int


class TransactionNews(_Document):
    type: Literal["transactions"] = "transactions"
    transaction: Transaction


class AlarmNews(_Document):
    type: Literal["alarms"] = "alarms"
    kind: str
    severity: str
    subject: str
    text: str
    at: float
    cleared: bool


class Lost(_Document):
    """The reader was too slow: so many news were left out before the next. Ask for the state anew."""

    type: Literal["lost"] = "lost"
    count: int = Field(ge=1)


News = Hello | HealthNews | MarginCallNews | TransactionNews | AlarmNews | Lost
