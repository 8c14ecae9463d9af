"""Funding: the rate against exact fractions of what the price door stored and when.

`Quiet` below is an independent account of the premium: every stored price with the block that stored it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from scripts.anvil import Anvil
from tests.reverts import reverts

WAD = 10**18
ETH = 0
PERP = Instrument.perp(ETH)
EIGHT_HOURS = 28_800
CLAMP = Fraction(75, 10_000)
OPENING = 2_000.0


@pytest.fixture
def at(anvil: Anvil) -> Callable[[int], None]:
    """The next block's time."""
    return lambda time: anvil.rpc("evm_setNextBlockTimestamp", time)


class Premium:
    """What stood in the door from when: (block time, mark / spot - 1, spot), exact."""

    def __init__(self) -> None:
        self.prices: list[tuple[int, Fraction, int]] = []

    def average(self, start: int, end: int) -> Fraction:
        total = Fraction(0)
        for (since, premium, _), until in zip(self.prices, [*(time for time, _, _ in self.prices[1:]), end], strict=True):
            total += premium * max(0, min(end, until) - max(start, since))
        return total / (end - start)

    def rate(self, start: int, end: int) -> Fraction:
        """Per second, in 1e-18 USD per contract: clamp(average) * spot / 8 h."""
        return max(-CLAMP, min(CLAMP, self.average(start, end))) * self.prices[-1][2] / EIGHT_HOURS


@pytest.fixture
def premium() -> Premium:
    return Premium()


@pytest.fixture
def quote(publish: Any, price_door: Any, anvil: Anvil, premium: Premium) -> Callable[[float], None]:
    """Publishes a basis and notes what was stored."""

    def send(basis: float) -> None:
        publish({"ETH": OPENING}, basis=basis)
        spot, mark, _ = price_door.prices(ETH)
        premium.prices.append((anvil.time(), Fraction(int(mark), int(spot)) - 1, int(spot)))

    return send


@pytest.fixture
def update(funding: Any, stranger: Any) -> Callable[[], Any]:
    return lambda: funding.update(ETH, {"from": stranger})


def near(rate: int, exact: Fraction) -> bool:
    """To a unit, and what the door rounds off each second's premium: 1e-18 of the spot per 8 hours."""
    return abs(rate - exact) <= 1 + Fraction(int(OPENING), EIGHT_HOURS)


def test_the_first_update_begins_the_average(ledger: Any, funding: Any, quote: Any, update: Any, price_door: Any) -> None:
    quote(0.004)
    receipt = update()
    assert dict(receipt.events["FundingUpdated"]) == {
        "underlying": ETH,
        "premium": 0,
        "spot": price_door.prices(ETH)[0],
        "ratePerSecond": 0,
        "elapsed": 0,
    }
    assert ledger.fundingRate(ETH) == 0
    assert funding.lastUpdate(ETH)[1] == receipt.timestamp


@pytest.mark.parametrize("basis", [0.004, -0.004, 0.0, 0.02, -0.02])
def test_an_hour_at_a_fixed_premium(
    ledger: Any, quote: Any, update: Any, at: Any, account_of: Any, trade_at_mark: Any, publish: Any, alice: Any, bob: Any, basis: float
) -> None:
    """size * spot * clamp(premium) / 8, from longs to shorts where the mark is above."""
    quote(basis)
    first = update().timestamp
    at(first + 600)
    quote(basis)
    long, short = (account_of(who, MarginMode.CROSS, usdc=100_000) for who in (alice, bob))
    publish({"ETH": OPENING}, basis=basis)
    trade_at_mark(long, short, PERP, 3)
    start = update().timestamp
    at(start + 3_600)
    receipt = ledger.accrue(long.account, {"from": alice})
    assert receipt.timestamp == start + 3_600
    paid = -sum(e["change"] for e in receipt.events["CashChanged"]) if "CashChanged" in receipt.events else 0
    clamped = max(-CLAMP, min(CLAMP, Fraction(basis).limit_denominator(1_000)))
    exact = 3 * Fraction(int(OPENING)) * clamped / 8 * WAD
    assert abs(paid - exact) <= abs(exact) / 10**12 + 3 * 3_600 * 2
    assert (paid > 0) == (basis > 0) or basis == 0.0
    assert 0 <= paid + ledger.accrued(short.account)[0] <= 3 * 3_600 * 10**15  # what the short gets since is of later seconds
    at(start + 7_200)
    events = ledger.accrue(short.account, {"from": alice}).events
    received = sum(e["change"] for e in events["CashChanged"]) if "CashChanged" in events else 0
    assert abs(received - 2 * exact) <= abs(exact) / 10**12 + 3 * 7_200 * 2 + abs(exact) / 300  # it opened some seconds before `start`


def test_is_zero_sum_up_to_a_unit_each(
    ledger: Any,
    funding: Any,
    quote: Any,
    update: Any,
    at: Any,
    account_of: Any,
    trade_at_mark: Any,
    alice: Any,
    bob: Any,
    carol: Any,
    stranger: Any,
) -> None:
    quote(0.003)
    parties = [account_of(who, MarginMode.CROSS, usdc=100_000) for who in (alice, bob, carol)]
    start = update().timestamp
    at(start + 100)
    quote(0.003)
    trade_at_mark(parties[0], parties[2], PERP, 1.000000000000000003)
    trade_at_mark(parties[1], parties[2], PERP, 0.333333333333333333)
    update()
    before = sum(int(ledger.cash(p.account)) for p in parties)
    at(start + 9_999)
    quote(0.0)
    at(start + 19_999)
    update()
    at(start + 20_099)
    quote(0.0)
    at(start + 29_999)
    update()  # nothing stood but 0 since: the rate stops
    assert ledger.fundingRate(ETH) == 0
    for p in parties:
        ledger.accrue(p.account, {"from": stranger})
    assert -3 <= sum(int(ledger.cash(p.account)) for p in parties) - before <= 0
    assert ledger.cash(parties[0].account) < 100_000 * WAD - 10**16


def test_averages_by_time(ledger: Any, quote: Any, update: Any, at: Any, premium: Premium) -> None:
    """The rate is that of what stood since the last update, each for as long as it stood."""
    quote(0.001)
    start = update().timestamp
    at(start + 500)
    quote(0.006)
    at(start + 700)
    quote(-0.002)
    at(start + 1_500)
    end = update().timestamp
    assert end == start + 1_500
    assert near(ledger.fundingRate(ETH), premium.rate(start, end))
    assert near(ledger.fundingRate(ETH), -premium.rate(start, end)) is False


def test_a_spike_counts_for_as_long_as_it_stood(ledger: Any, quote: Any, update: Any, at: Any, anvil: Anvil, premium: Premium) -> None:
    """[A] A premium of 10 % for a few seconds right before the update does not set the rate of the next hour."""
    quote(0.0)
    start = update().timestamp
    at(start + 3_590)
    quote(0.1)
    at(anvil.time() + 5)
    end = update().timestamp
    assert near(ledger.fundingRate(ETH), premium.rate(start, end))
    assert ledger.fundingRate(ETH) < OPENING * float(CLAMP) / EIGHT_HOURS * WAD / 20


@pytest.mark.parametrize("steps", [1, 10])
def test_who_updates_how_often_does_not_matter(
    ledger: Any, funding: Any, quote: Any, update: Any, at: Any, alice: Any, bob: Any, steps: int
) -> None:
    """[A] A premium that stands is paid alike whether one account updates once or two update ten times."""
    quote(0.005)
    start = update().timestamp
    at(start + 60)
    update()
    for i in range(1, steps + 1):
        at(start + 60 + i * 3_600 // steps)
        end = funding.update(ETH, {"from": (alice, bob)[i % 2]}).timestamp
    assert end == start + 3_660
    exact = Fraction(int(OPENING) * 5, 8_000) * WAD  # an hour
    assert abs(ledger.carry(PERP.pack())[0] - exact) <= 10**6  # the mark was rounded to a double: 2e-13 of 2,010 USD


def test_too_early(funding: Any, quote: Any, update: Any, at: Any) -> None:
    quote(0.001)
    start = update().timestamp
    at(start + 59)
    with reverts("TooEarly", ETH, ..., start + 60):
        update()


def test_without_a_price(funding: Any, stranger: Any) -> None:
    with reverts("NoPrice", 7, 0):
        funding.update(7, {"from": stranger})


def test_governed_terms_reach_the_ledger(ledger: Any, funding: Any, risk_parameters: Any, governance: Any, stranger: Any) -> None:
    funding.updateDebitRate({"from": stranger})
    funding.updateProfitVesting({"from": stranger})
    assert (ledger.debitRate(), ledger.profitVesting()) == (WAD // 10, 86_400)
    assert "DebitRateSet" not in funding.updateDebitRate({"from": stranger}).events
    assert "ProfitVestingSet" not in funding.updateProfitVesting({"from": stranger}).events
    debit, vesting = 63, 62
    risk_parameters.set(debit, WAD // 4, {"from": governance})
    risk_parameters.set(vesting, 7_200, {"from": governance})
    assert "DebitRateSet" in funding.updateDebitRate({"from": stranger}).events
    assert "ProfitVestingSet" in funding.updateProfitVesting({"from": stranger}).events
    assert (ledger.debitRate(), ledger.profitVesting()) == (WAD // 4, 7_200)
