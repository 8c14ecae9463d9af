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

All but `KeeperError` itself that report bad values are `ValueError`s too. Messages say what was expected and what came.
"""

__all__ = [
    "AccountError",
    "BookError",
    "InstrumentError",
    "KeeperError",
    "MarketError",
    "ParameterError",
    "PricingError",
    "SimulationError",
    "UnitError",
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
