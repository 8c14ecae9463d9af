"""Every exception the keeper raises on purpose. Catch `KeeperError` to catch them all.

    KeeperError
        UnitError           amounts of different units mixed, or a value a unit cannot hold
        InstrumentError     an instrument that cannot exist, or an id that is not canonical
        AccountError        an account or position with impossible contents
        MarketError         market data missing, not finite, or outside its domain
        ParameterError      a risk parameter outside its domain
        PricingError        arrays a pricing function cannot accept
        SimulationError     a market path or volatility model asked for what it has no data for
        BookError           a book whose arrays do not fit together, or the market
        WitnessError        a witness that does not fit the account
        ConfigError         a setting that is missing, malformed, or contradicts the chain
        DeploymentError     a deployment file that does not describe the system the keeper knows
        EventError          a log that no declared event explains, or that cannot follow the state
        StoreError          the keeper's database belongs to another deployment or is damaged
            DamagedError    the keeper's database is not a sound one
        ChainError          the node cannot be reached or answered with an error
            UnreachableError  no usable answer came: whether a request had an effect is unknown
            DishonestError    the node contradicts itself or the others: it lags, forgets logs, makes up a head
            RevertError       a contract refused a call; carries its decoded error
        ExecutionError      a transaction or order that could not be made, sent or included
            CapError        a transaction could cost more than is allowed
            LeaseError      another keeper sends now
        ApiError            another keeper's API refused a request or gave no usable answer
        AlertError          a receiver of alerts did not take a message

All but `KeeperError` itself that report bad values are `ValueError`s too. Messages say what was expected and what came.
"""

__all__ = [
    "AccountError",
    "AlertError",
    "ApiError",
    "BookError",
    "CapError",
    "ChainError",
    "ConfigError",
    "DamagedError",
    "DeploymentError",
    "DishonestError",
    "EventError",
    "ExecutionError",
    "InstrumentError",
    "KeeperError",
    "LeaseError",
    "MarketError",
    "ParameterError",
    "PricingError",
    "RevertError",
    "SimulationError",
    "StoreError",
    "UnitError",
    "UnreachableError",
    "WitnessError",
]


class KeeperError(Exception):
    """Root of all errors of the keeper."""


class UnitError(KeeperError, ValueError):
    """Amounts of different units were mixed, or a value does not fit its unit."""


class InstrumentError(KeeperError, ValueError):
    """The fields name no instrument that the engine prices."""


class AccountError(KeeperError, ValueError):
    """An account or a position holds something impossible."""


class MarketError(KeeperError, ValueError):
    """Market data are missing, not finite, or outside their domain."""


class ParameterError(KeeperError, ValueError):
    """A risk parameter is outside its domain."""


class PricingError(KeeperError, ValueError):
    """A pricing function received arrays that it cannot accept."""


class SimulationError(KeeperError, ValueError):
    """A market path or volatility model was asked for something that it has no data for."""


class BookError(KeeperError, ValueError):
    """The arrays of a book do not fit together, or do not fit the market."""


class WitnessError(KeeperError, ValueError):
    """A witness does not fit the account that it is said to prove something about."""


class ConfigError(KeeperError, ValueError):
    """A setting is missing, malformed, or contradicts the chain; the message says how to mend it."""


class DeploymentError(KeeperError, ValueError):
    """The deployment file does not describe the system that this keeper was written for."""


class EventError(KeeperError, ValueError):
    """A log does not decode as the event it claims to be, or cannot follow the state it should change."""


class StoreError(KeeperError):
    """The database belongs to another deployment, or its contents contradict each other."""


class DamagedError(StoreError):
    """The database is none, or not a sound one: rebuild it from the chain."""


class ChainError(KeeperError):
    """The node cannot be reached, or answered a request with an error. Retrying later may help."""


class UnreachableError(ChainError):
    """No usable answer came from the node: whether the request had an effect is unknown."""


class DishonestError(ChainError):
    """The node's answers contradict each other, its headers, or what other nodes say."""


class RevertError(ChainError):
    """A contract refused a call. name: its custom error ("Error", "Panic" for the built-in ones, "" where it gave no
    reason); arguments: by name; data: the raw reason."""

    def __init__(self, name: str, arguments: dict[str, object], data: bytes) -> None:
        listed = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        super().__init__(f"{name}({listed})" if name else f"reverted without a reason ({data.hex() or 'no data'})")
        self.name = name
        self.arguments = arguments
        self.data = data


class ExecutionError(KeeperError):
    """A transaction or an order could not be made, sent or included."""


class CapError(ExecutionError):
    """A transaction could cost more than the caps allow."""


class LeaseError(ExecutionError):
    """The lease is another keeper's: what was begun is not sent."""


class ApiError(KeeperError):
    """An API of a keeper refused a request or gave no usable answer. status: of HTTP, None where none came; retry_after:
    seconds, where it said so."""

    def __init__(self, status: int | None, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason if status is None else f"{status}: {reason}")
        self.status = status
        self.retry_after = retry_after


class AlertError(KeeperError):
    """A receiver of alerts did not take a message; the message never holds its address or token. retry_after: seconds, where
    it said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
