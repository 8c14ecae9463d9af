"""Funding: the rate against exact fractions of what the price door stored and when.

`Quiet` below is an independent account of the premium: every stored price with the block that stored it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
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
        """Per second, in 1e-18 USD per contract: clamp(average) * spot / 8 h, at OPENING throughout."""
        return max(-CLAMP, min(CLAMP, self.average(start, end))) * self.prices[-1][2] / EIGHT_HOURS


@pytest.fixture
def premium() -> Premium:
    return Premium()


@pytest.fixture
def quote(publish: Any, price_door: Any, anvil: Anvil, premium: Premium) -> Callable[[float], None]:
    """Publishes a basis and notes what was stored."""

    def send(basis: float, spot: float = OPENING) -> None:
        publish({"ETH": spot}, basis=basis)
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
        "spot": 0,
        "ratePerSecond": 0,
        "elapsed": 0,
        "duration": 0,
    }
    assert ledger.fundingRate(ETH)[0] == 0
    assert tuple(funding.lastUpdate(ETH)) == (price_door.premiumIntegral(ETH)[0], price_door.spotIntegral(ETH)[0], receipt.timestamp)


@pytest.mark.parametrize("basis", [0.004, -0.004, 0.0, 0.02, -0.02])
def test_an_hour_at_a_fixed_premium(
    ledger: Any, quote: Any, update: Any, at: Any, account_of: Any, trade_at_mark: Any, publish: Any, alice: Any, bob: Any, basis: float
) -> None:
    """size * spot * clamp(premium) / 8, from longs to shorts where the mark is above."""
    quote(basis)
    long, short = (account_of(who, MarginMode.CROSS, usdc=100_000) for who in (alice, bob))
    publish({"ETH": OPENING}, basis=basis)
    trade_at_mark(long, short, PERP, 3)
    start = update().timestamp
    at(start + 3_600)
    receipt = update()
    event = receipt.events["FundingUpdated"]
    assert (event["spot"], event["elapsed"], event["duration"]) == (int(OPENING) * WAD, 3_600, 3_600)
    assert tuple(ledger.fundingRate(ETH)) == (event["ratePerSecond"], start + 7_200)
    clamped = max(-CLAMP, min(CLAMP, Fraction(basis).limit_denominator(1_000)))
    exact = 3 * Fraction(int(OPENING)) * clamped / 8 * WAD
    tolerance = abs(exact) / 10**12 + 3 * 3_600 * 2
    at(start + 5_400)
    paid = -sum(change_of(ledger.accrue(long.account, {"from": alice})))
    assert abs(paid - exact / 2) <= tolerance  # evenly
    at(start + 30_000)
    paid -= sum(change_of(ledger.accrue(long.account, {"from": alice})))
    received = sum(change_of(ledger.accrue(short.account, {"from": alice})))
    assert abs(paid - exact) <= tolerance  # and nothing after the hour
    assert 0 <= paid - received <= 2
    assert (paid > 0) == (basis > 0) or basis == 0.0


def change_of(receipt: Any) -> list[int]:
    return [e["change"] for e in receipt.events["CashChanged"]] if "CashChanged" in receipt.events else []


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
    update()  # nothing stood but 0 since: what is unpaid of before goes on
    assert ledger.fundingRate(ETH)[0] > 0
    at(start + 50_000)
    update()
    assert ledger.fundingRate(ETH)[0] == 0
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
    assert near(ledger.fundingRate(ETH)[0], premium.rate(start, end))
    assert near(ledger.fundingRate(ETH)[0], -premium.rate(start, end)) is False


def test_a_spike_counts_for_as_long_as_it_stood(ledger: Any, quote: Any, update: Any, at: Any, anvil: Anvil, premium: Premium) -> None:
    """[A] A premium of 10 % for a few seconds right before the update does not set the rate of the next hour."""
    quote(0.0)
    start = update().timestamp
    at(start + 3_590)
    quote(0.1)
    at(anvil.time() + 5)
    end = update().timestamp
    assert near(ledger.fundingRate(ETH)[0], premium.rate(start, end))
    assert ledger.fundingRate(ETH)[0] < OPENING * float(CLAMP) / EIGHT_HOURS * WAD / 20


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
    exact = Fraction(int(OPENING) * 5, 8_000) * WAD * 3_660 / 3_600
    at(end + 3_600)  # as long as the longest window: all is paid
    ledger.accrue(0, {"from": alice})
    assert abs(ledger.carry(PERP.pack())[0] - exact) <= 10**6  # the mark was rounded to a double: 2e-13 of 2,010 USD


def test_updating_right_after_a_spike_earns_nothing(
    ledger: Any, quote: Any, update: Any, at: Any, account_of: Any, trade_at_mark: Any, publish: Any, alice: Any, bob: Any
) -> None:
    """[A] A minute of premium, an update right after it, then nobody updates for eight hours. A rate that stood until the next
    update paid the short eight hours of it, 150 USD; now it is a minute's, 0.37 USD."""
    attacker, victim = account_of(alice, MarginMode.CROSS, usdc=100_000), account_of(bob, MarginMode.CROSS, usdc=100_000)
    publish({"ETH": OPENING})
    trade_at_mark(victim, attacker, PERP, 10)
    quote(0.0)
    start = update().timestamp
    at(start + 3_600)
    quote(0.05)
    update()  # a window of its own for the spike
    spiked = ledger.carry(PERP.pack())[0]
    at(start + 3_665)
    quote(0.0)
    receipt = update()
    found = receipt.events["FundingUpdated"]
    before = 10 * found["premium"] * found["spot"] // WAD  # the old rate, for eight hours
    at(receipt.timestamp + EIGHT_HOURS)
    profit = sum(change_of(ledger.accrue(attacker.account, {"from": alice}))) - 10 * spiked
    assert before == pytest.approx(10 * OPENING * float(CLAMP) * WAD, rel=0.1)  # 150 USD
    assert 0 < profit < before / 400
    # All of it is the premium that stood: its window at the clamp, two seconds at most in the quiet window before, as it was.
    stood = float(CLAMP) * (receipt.timestamp - start - 3_600) + 0.05 * 2
    assert profit <= 10 * OPENING * stood * WAD / EIGHT_HOURS


@pytest.mark.parametrize("times", [(), (500, 4_000), (60, 120, 180, 5_000, 6_900), tuple(range(70, 6_950, 350))], ids=len)
def test_the_sum_that_is_paid_does_not_depend_on_the_updates(
    ledger: Any, quote: Any, update: Any, at: Any, stranger: Any, times: tuple[int, ...]
) -> None:
    """[A] Premium and spot move, updates come when somebody likes: over all it is the same funding."""
    quote(0.001)
    start = update().timestamp
    quotes = {700: 0.006, 1_900: -0.004, 2_500: 0.007, 5_200: 0.002}
    for time in sorted({*times, *quotes, 7_000}):
        at(start + time)
        quote(quotes[time]) if time in quotes else update()
    at(start + 7_000 + EIGHT_HOURS)
    ledger.accrue(0, {"from": stranger})
    stood = ((0, 0.001), *sorted(quotes.items()), (7_000, 0.0))
    exact = sum(value * (until - since) for (since, value), (until, _) in pairwise(stood)) * OPENING / EIGHT_HOURS
    # A quote is stored a block after it is asked for: seconds of it count with the one before.
    assert ledger.carry(PERP.pack())[0] / WAD == pytest.approx(exact, rel=0.01)


def test_an_early_update_does_not_cancel_what_is_unpaid(ledger: Any, quote: Any, update: Any, at: Any, stranger: Any) -> None:
    """[A] After ten hours of premium without an update the longs have one made, then another a minute later at no premium."""
    quote(0.004)
    start = update().timestamp
    at(start + 10_000)
    quote(0.0)
    update()
    owed = OPENING * 0.004 * 10_000 / EIGHT_HOURS
    for _ in range(3):
        quote(0.0)
        at(funding_end(ledger) - 9_000 if _ == 0 else funding_end(ledger) - 4_000 + _)
        update()
    at(start + 100_000)
    ledger.accrue(0, {"from": stranger})
    assert ledger.carry(PERP.pack())[0] / WAD == pytest.approx(owed, rel=0.001)


def funding_end(ledger: Any) -> int:
    return int(ledger.fundingRate(ETH)[1])


def test_without_updates_nothing_runs_on(ledger: Any, quote: Any, update: Any, at: Any, stranger: Any) -> None:
    quote(0.004)
    start = update().timestamp
    at(start + 600)
    update()
    found = []
    for time in (1_200, 1_201, 90_000):
        at(start + time)
        ledger.accrue(0, {"from": stranger})
        found.append(ledger.carry(PERP.pack())[0])
    assert found[0] == found[1] == found[2] > 0


def test_a_long_silence_owes_eight_hours_at_most(ledger: Any, quote: Any, update: Any, at: Any, stranger: Any) -> None:
    quote(0.05)
    start = update().timestamp
    at(start + 3 * 86_400)
    event = update().events["FundingUpdated"]
    assert event["duration"] == EIGHT_HOURS
    assert event["ratePerSecond"] == int(OPENING * WAD * float(CLAMP)) // EIGHT_HOURS
    at(start + 6 * 86_400)
    ledger.accrue(0, {"from": stranger})
    assert ledger.carry(PERP.pack())[0] / WAD == pytest.approx(OPENING * float(CLAMP), rel=1e-12)


def test_the_rate_never_exceeds_the_clamp(quote: Any, update: Any, at: Any) -> None:
    """What is unpaid of an hour at the clamp and another hour at it take two hours, whoever updates in between."""
    quote(0.05)
    start = update().timestamp
    most = int(OPENING * WAD * float(CLAMP)) // EIGHT_HOURS
    for time in (3_600, 3_660, 3_720):
        at(start + time)
        event = update().events["FundingUpdated"]
        assert most - 1 <= event["ratePerSecond"] <= most
    assert 3_600 <= event["duration"] <= 3_602


def test_the_spot_counts_for_as_long_as_it_stood(quote: Any, update: Any, at: Any) -> None:
    """[A] A spot that doubles for the second of the update does not double the funding."""
    quote(0.004)
    start = update().timestamp
    at(start + 3_599)
    quote(0.004, 2 * OPENING)
    event = update().events["FundingUpdated"]
    assert event["spot"] / WAD == pytest.approx(OPENING, rel=0.002)


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
