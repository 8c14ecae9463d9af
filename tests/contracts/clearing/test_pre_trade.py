"""MarginCheck.requireTrade and TradingLimits: what a fill must satisfy besides initial margin."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.clearing.conftest import BTC_PERP, CROSS, PERP, PORTFOLIO, SPOT, USDC, WAD, fee
from tests.reverts import reverts

REDUCE_ONLY, HALTED, SHUTDOWN = 1, 2, 3
GLOBAL, ETH, BTC = 255, 0, 1


@pytest.fixture
def long(open_account: Any, publish: Any, alice: Any) -> int:
    account = open_account(alice, usdc=10_000)
    publish()
    return int(account)


@pytest.fixture
def limit(trading_limits: Any, governance: Any) -> Any:
    """limit(instrument=3): limits of ETH in whole contracts."""

    def set_limits(*, total: int = 0, instrument: int = 0, position: int = 0, entity: int = 0) -> None:
        sizes = tuple(size * WAD for size in (total, instrument, position, entity))
        trading_limits.setUnderlyingLimits(ETH, sizes, {"from": governance})

    return set_limits


# --- price band ---


@pytest.mark.parametrize(("inside", "outside"), [("3740", "3740.000000000000000001"), ("3060", "3059.999999999999999999")])
def test_price_band_of_the_mark(long: int, maker_account: int, trade: Any, publish: Any, inside: str, outside: str) -> None:
    publish()
    with reverts("PriceOutsideBand", ..., SPOT * WAD, 340 * WAD):
        trade(long, maker_account, 1, outside)
    trade(long, maker_account, 1, inside)


def test_price_band_of_the_spot_for_cheap_options(
    long: int, maker_account: int, engine: Any, trade: Any, publish: Any, expiries: Any, govern: Any
) -> None:
    """10 % of a premium of nothing would admit no price at all."""
    option = Instrument.call(ETH, expiries[0], 50_000)
    mark = engine.marks([option.pack()])[0][0]
    assert mark < WAD // 100
    publish()
    with reverts("PriceOutsideBand", 69 * WAD, ..., 68 * WAD):
        trade(long, maker_account, 1, 69, option)
    trade(long, maker_account, 1, 67, option)
    govern("PRICE_BAND_SPOT", 0)
    publish()
    with reverts("PriceOutsideBand"):
        trade(long, maker_account, 1, 67, option)


# --- leverage, debt, least margin ---


def test_leverage(long: int, maker_account: int, trade: Any, publish: Any, govern: Any) -> None:
    govern("MAX_LEVERAGE", 5 * WAD)
    publish()
    equity = 10_000 * WAD - fee(15, SPOT)
    with reverts("LeverageTooHigh", long, 15 * SPOT * WAD, equity, 5 * WAD):
        trade(long, maker_account, 15, SPOT)
    trade(long, maker_account, 14, SPOT)
    # Whoever is above may go down.
    govern("MAX_LEVERAGE", 2 * WAD)
    publish()
    trade(maker_account, long, 2, SPOT)


def test_debt(open_account: Any, maker_account: int, ledger: Any, trade: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, weth=10)
    publish()
    trade(account, maker_account, 2, SPOT)
    publish({"ETH": 3_200.0})
    trade(maker_account, account, 2, 3_200)  # risk falls: the loss may become a debt
    assert ledger.cash(account) < -400 * WAD
    publish({"ETH": 3_200.0})
    with reverts("DebtAboveCap", account, ..., 100 * WAD):
        trade(account, maker_account, 1, 3_200)


@pytest.mark.parametrize("mode", [CROSS, PORTFOLIO])
def test_least_margin_of_an_account_with_positions(
    open_account: Any, fund: Any, maker_account: int, trade: Any, publish: Any, alice: Any, mode: int
) -> None:
    account = open_account(alice, mode, usdc=9)
    publish()
    with reverts("InsufficientInitialMargin", account, ..., 10 * WAD):
        trade(account, maker_account, "0.001", SPOT)
    fund(account, alice, usdc_amount=2)
    publish()
    trade(account, maker_account, "0.001", SPOT)
    trade(maker_account, account, "0.001", SPOT)  # closing asks for nothing


# --- limits ---


def test_open_interest_of_an_instrument(
    long: int, maker_account: int, open_account: Any, trade: Any, publish: Any, limit: Any, trading_limits: Any, governance: Any, bob: Any
) -> None:
    limit(instrument=3)
    publish()
    trade(long, maker_account, 3, SPOT)
    with reverts("OpenInterestAboveLimit", PERP.pack(), 4 * WAD, 3 * WAD):
        trade(long, maker_account, 1, SPOT)
    # What changes hands, or shrinks, is no new open interest.
    limit(instrument=1)
    other = open_account(bob, usdc=10_000)
    publish()
    trade(other, long, 1, SPOT)
    trade(maker_account, other, 1, SPOT)
    # Another underlying has limits of its own; an instrument's own limit takes the place of the general one.
    trade(long, maker_account, "0.01", 94_000, BTC_PERP)
    event = trading_limits.setInstrumentLimit(PERP.pack(), 5 * WAD, {"from": governance}).events["InstrumentLimitSet"]
    assert (event["instrument"], event["openInterest"]) == (PERP.pack(), 5 * WAD)
    assert trading_limits.instrumentLimit(PERP.pack()) == 5 * WAD
    publish()
    trade(long, maker_account, 3, SPOT)
    with reverts("OpenInterestAboveLimit", PERP.pack(), 6 * WAD, 5 * WAD):
        trade(long, maker_account, 1, SPOT)


def test_position_of_an_account(long: int, maker_account: int, trade: Any, publish: Any, limit: Any) -> None:
    limit(position=2)
    publish()
    trade(long, maker_account, 2, SPOT)
    with reverts("PositionAboveLimit", long, PERP.pack(), 3 * WAD, 2 * WAD):
        trade(long, maker_account, 1, SPOT)
    with reverts("PositionAboveLimit", maker_account, PERP.pack(), 3 * WAD, 2 * WAD):
        trade(maker_account, long, 5, SPOT)  # through zero and beyond, on the other side
    limit(position=1)
    publish()
    trade(maker_account, long, "0.5", SPOT)  # still above, but smaller


def test_open_interest_of_an_underlying(
    long: int, maker_account: int, engine: Any, trade: Any, publish: Any, limit: Any, expiries: Any
) -> None:
    limit(total=3)
    future = Instrument.future(ETH, expiries[0])
    publish()
    price = f"{engine.marks([future.pack()])[0][0] / WAD:.6f}"
    trade(long, maker_account, 2, SPOT)
    trade(long, maker_account, 1, price, future)
    with reverts("UnderlyingAboveLimit", ETH, 4 * WAD, 3 * WAD):
        trade(long, maker_account, 1, price, future)
    limit(total=1)
    publish()
    trade(maker_account, long, 1, price, future)


def test_positions_of_an_entity(
    long: int,
    maker_account: int,
    open_account: Any,
    trading_limits: Any,
    ledger: Any,
    governance: Any,
    trade: Any,
    publish: Any,
    limit: Any,
    bob: Any,
) -> None:
    """Two accounts that one party controls count together, long and short alike."""
    second, third = (open_account(bob, usdc=10_000) for _ in range(2))
    for account in (long, second):
        event = trading_limits.attest(account, 7, {"from": governance}).events["EntitySet"]
        assert (event["account"], event["entity"]) == (account, 7)
    assert ledger.entityOf(second) == 7
    limit(entity=3)
    publish()
    trade(long, maker_account, 2, SPOT)
    trade(maker_account, second, 1, SPOT)
    with reverts("EntityAboveLimit", 7, ETH, 4 * WAD, 3 * WAD):
        trade(maker_account, second, 1, SPOT)
    trade(third, maker_account, 4, SPOT)  # nobody's
    publish()
    trade(maker_account, long, 1, SPOT)
    trade(maker_account, second, 1, SPOT)
    trading_limits.attest(second, 0, {"from": governance})
    publish()
    trade(maker_account, second, 5, SPOT)


def test_only_the_attestor(trading_limits: Any, long: int, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(trading_limits.ATTESTOR())):
        trading_limits.attest(long, 1, {"from": stranger})


def test_share_of_the_open_interest(
    long: int, maker_account: int, open_account: Any, trade: Any, publish: Any, govern: Any, bob: Any
) -> None:
    govern("OI_SHARE_FREE", 8_000 * WAD)
    b, c, d, e = (open_account(bob, usdc=10_000) for _ in range(4))
    publish()
    trade(long, maker_account, 2, SPOT)  # all there is, but 6,800 USD are free
    with reverts("TooConcentrated", long, PERP.pack(), 3 * WAD, 3 * WAD // 2):
        trade(long, maker_account, 1, SPOT)
    trade(b, c, 2, SPOT)
    trade(d, e, 2, SPOT)
    publish()
    trade(long, c, 2, SPOT)  # 4 of 8, on both sides
    with reverts("TooConcentrated", long, PERP.pack(), 41 * WAD // 10, 405 * WAD // 100):
        trade(long, c, "0.1", SPOT)
    with reverts("TooConcentrated", c, PERP.pack(), 41 * WAD // 10, 405 * WAD // 100):
        trade(d, c, "0.1", SPOT)


@pytest.mark.parametrize("function", ["setUnderlyingLimits", "setInstrumentLimit", "setTokenLimits"])
def test_only_the_limit_admin(trading_limits: Any, stranger: Any, function: str) -> None:
    arguments = {"setUnderlyingLimits": (ETH, (1, 1, 1, 1)), "setInstrumentLimit": (PERP.pack(), 1), "setTokenLimits": (0, (1, 1))}
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(trading_limits.LIMIT_ADMIN())):
        getattr(trading_limits, function)(*arguments[function], {"from": stranger})


def test_limits_are_told_and_kept(trading_limits: Any, governance: Any) -> None:
    event = trading_limits.setUnderlyingLimits(BTC, (4, 3, 2, 1), {"from": governance}).events["UnderlyingLimitsSet"]
    assert (event["underlying"], tuple(event["limits"])) == (BTC, (4, 3, 2, 1))
    assert tuple(trading_limits.underlyingLimits(BTC)) == (4, 3, 2, 1)
    assert tuple(trading_limits.underlyingLimits(ETH)) == (0, 0, 0, 0)
    event = trading_limits.setTokenLimits(USDC, (9, 8), {"from": governance}).events["TokenLimitsSet"]
    assert (event["index"], tuple(event["limits"])) == (USDC, (9, 8))
    assert tuple(trading_limits.tokenLimits(USDC)) == (9, 8)


# --- circuit breaker ---


@pytest.fixture
def pair(open_account: Any, trade: Any, publish: Any, alice: Any, bob: Any) -> tuple[int, int]:
    """Long and short 5 ETH."""
    accounts = open_account(alice, usdc=10_000), open_account(bob, usdc=10_000)
    publish()
    trade(*accounts, 5, SPOT)
    return accounts


@pytest.mark.parametrize("scope", [GLOBAL, ETH])
@pytest.mark.parametrize("state", [REDUCE_ONLY, HALTED])
def test_tripped_both_sides_must_have_their_risk_fallen(
    pair: tuple[int, int], maker_account: int, breaker: Any, guardian: Any, trade: Any, publish: Any, scope: int, state: int
) -> None:
    breaker.tighten(scope, state, {"from": guardian})
    publish()
    long, short = pair
    with reverts("RiskMustFall", maker_account, state):  # rich, but its risk would rise
        trade(maker_account, long, 1, SPOT)
    with reverts("RiskMustFall", long, state):
        trade(long, short, 1, SPOT)
    with reverts("RiskMustFall", short, state):
        trade(short, long, 11, SPOT)  # through zero to a larger position
    trade(short, long, 2, SPOT)
    trade(short, long, 3, SPOT)


def test_other_underlyings_trade_on(pair: tuple[int, int], breaker: Any, guardian: Any, trade: Any, publish: Any) -> None:
    breaker.tighten(BTC, HALTED, {"from": guardian})
    publish()
    trade(*pair, 1, SPOT)
    with reverts("RiskMustFall", pair[0], HALTED):
        trade(*pair, "0.01", 94_000, BTC_PERP)


@pytest.mark.parametrize("state", [REDUCE_ONLY, HALTED])
def test_top_ups_go_on(long: int, breaker: Any, guardian: Any, fund: Any, ledger: Any, alice: Any, state: int) -> None:
    breaker.tighten(GLOBAL, state, {"from": guardian})
    fund(long, alice, usdc_amount=5)
    assert ledger.cash(long) == 10_005 * WAD


def test_after_the_shutdown_nothing_is_traded_or_paid_in(
    pair: tuple[int, int], clearing: Any, breaker: Any, governance: Any, usdc: Any, vault: Any, trade: Any, publish: Any, alice: Any
) -> None:
    publish()
    breaker.shutdown({"from": governance})
    long, short = pair
    with reverts("RiskMustFall", short, SHUTDOWN):
        trade(short, long, 1, SPOT)
    usdc.mint(alice, 10**6, {"from": alice})
    usdc.approve(vault, 10**6, {"from": alice})
    with reverts("IsShutDown"):
        clearing.deposit(long, USDC, WAD, {"from": alice})
    with reverts("IsShutDown"):
        clearing.depositWithPermit(long, USDC, WAD, 0, 0, bytes(32), bytes(32), {"from": alice})
    with reverts("WithdrawalsHalted", long, SHUTDOWN):
        clearing.withdraw(long, USDC, WAD, alice, {"from": alice})


# --- deficits ---


def test_an_open_deficit_stops_the_account(
    anvil: Any, pair: tuple[int, int], clearing: Any, ledger: Any, trade: Any, publish: Any, alice: Any
) -> None:
    """Neither side of a trade, not even of one that lowers its risk, and no withdrawal; the other account trades on with others."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    module = accounts.at(clearing.address, force=True)
    long, short = pair
    ledger.setDeficit(long, True, {"from": module})
    publish()
    with reverts("DeficitIsOpen", long):
        trade(short, long, 1, SPOT)
    with reverts("DeficitIsOpen", long):
        trade(long, short, 1, SPOT)
    with reverts("DeficitIsOpen", long):
        clearing.withdraw(long, USDC, WAD, alice, {"from": alice})
    ledger.setDeficit(long, False, {"from": module})
    publish()
    trade(short, long, 1, SPOT)
