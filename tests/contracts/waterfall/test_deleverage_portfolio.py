"""Deleveraging of PORTFOLIO accounts with several legs: shares, bankruptcy prices and what everybody pays, computed here in fractions;
execution one close at a time; the last window."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.waterfall.conftest import BTC_PERP, CROSS, ETH, ETH_PERP, PORTFOLIO, WAD, World, wad

SHARE_UNIT = 10**14


@pytest.fixture
def put(expiries: tuple[int, ...]) -> int:
    return Instrument.put(ETH, expiries[1], 3_400).pack()


@pytest.fixture
def debtor(world: World, alice: Any, put: int) -> int:
    """Long 10 ETH perp, short 10 puts, long 1 BTC perp, with little more than initial margin."""
    account = world.open(alice, PORTFOLIO, usdc=60_000)
    world.trade(account, ETH_PERP, 10)
    world.trade(account, put, -10)
    world.trade(account, BTC_PERP, 1)
    world.withdraw_what_is_free(account)
    return account


@pytest.fixture
def winners(world: World, bob: Any, carol: Any) -> list[int]:
    """Short ETH perp: 4 in CROSS, 3 in PORTFOLIO."""
    made = [world.open(bob, CROSS, usdc=20_000), world.open(carol, PORTFOLIO, usdc=20_000)]
    for account, size in zip(made, (4, 3), strict=True):
        world.trade(account, ETH_PERP, -size)
    return made


def fall_until_bankrupt(world: World, account: int) -> None:
    spot = 3_400.0
    while equity(world, account) >= 0:
        spot -= 50.0
        world.move({"ETH": spot})


def equity(world: World, account: int) -> int:
    return world.requirement(account)["equity"]


def shares_alone(world: World, legs: Sequence[tuple[int, int]], empty: int) -> list[int]:
    """Each leg's requirement as the only one of an empty PORTFOLIO account, of their sum, by running sums."""
    alone = [int(world.system.engine.preview(empty, [(instrument, size, 0)], 0)[1]) for instrument, size in legs]
    upto = [Fraction(SHARE_UNIT * sum(alone[: i + 1]), sum(alone)).__floor__() for i in range(len(alone))]
    return [upto[i] - (upto[i - 1] if i else 0) for i in range(len(alone))]


def exact_prices(deficit: int, legs: Sequence[tuple[int, int]], marks: Sequence[int], shares: Sequence[int]) -> list[Fraction]:
    """What a leg bears in proportion to its share moves its price; here no price reaches zero."""
    prices = []
    for (_, size), mark, share in zip(legs, marks, shares, strict=True):
        step = Fraction(deficit * share, sum(shares)) * WAD / abs(size)
        prices.append(mark + step if size > 0 else mark - step)
    return prices


def test_shares_and_bankruptcy_prices_of_three_legs(world: World, debtor: int, bob: Any, stranger: Any) -> None:
    empty = world.open(bob, PORTFOLIO)
    fall_until_bankrupt(world, debtor)
    world.open_deficit(debtor, stranger)
    legs = [(int(p[0]), int(p[1])) for p in world.system.ledger.positions(debtor)]
    assert len(legs) == 3
    shares = shares_alone(world, legs, empty)
    assert [tuple(cause) for cause in world.system.deleverager.causes(debtor)] == [
        (instrument, size, share) for (instrument, size), share in zip(legs, shares, strict=True)
    ]
    value, instruments, sizes, prices = world.system.deleverager.bankruptcyPrices(debtor)
    assert list(zip(instruments, sizes, strict=True)) == legs
    marks = [world.mark(instrument) for instrument, _ in legs]
    exact = exact_prices(-int(value), legs, marks, shares)
    assert min(exact) > 0
    for (_, size), price, ideal in zip(legs, prices, exact, strict=True):
        beyond = price - ideal if size > 0 else ideal - price
        assert -1 < beyond < 2, "a unit of the price, against the counterparty"
    regained = sum(Fraction(size * (price - mark), WAD) for (_, size), price, mark in zip(legs, prices, marks, strict=True))
    assert 0 <= regained + value < sum(abs(size) for _, size in legs) // WAD + 3


def test_one_close_per_call_then_the_rest_is_shared(world: World, debtor: int, winners: list[int], put: int, stranger: Any) -> None:
    """Perp and put have winners who are nominated; nobody has a profit opposite the BTC leg, whose part goes to the loss index."""
    fall_until_bankrupt(world, debtor)
    world.open_deficit(debtor, stranger)
    for account in (*winners, world.maker_account):
        witness = world.witness(account) if account == winners[1] else (b"", b"")
        world.nominate(ETH_PERP, account, stranger, witness)
    world.nominate(put, world.maker_account, stranger)
    world.wait_for_nominations()
    world.move()
    members = [*winners, world.maker_account]
    before = {account: equity(world, account) for account in members}
    deficit = -equity(world, debtor)
    haircut = shared = closes = calls = 0
    while world.system.nominations.openDeficits() != 0:
        if int(world.system.deleverager.deficit(debtor)[2]) != 0 and closes == 4:
            world.wait_for_nominations()  # one more window, in which nobody comes
        events = world.execute(debtor, stranger, 1).events
        executed = events["Executed"]
        haircut, shared, closes = haircut + executed["haircut"], shared + executed["shared"], closes + executed["closes"]
        calls += 1
        assert calls < 20
    assert closes == 4
    assert world.size(debtor, ETH_PERP) == 0 == world.size(debtor, put)
    assert world.size(debtor, BTC_PERP) == wad(1)
    assert shared > 0
    closed = int(events["DeficitClosed"]["equity"])
    assert executed["equity"] + executed["haircut"] + executed["shared"] == closed
    assert 0 <= closed < 100  # INV-ADL-EXACT, at the prices of the last call
    # Over all calls too, but for what the put loses in some seconds.
    seconds = wad(0.01)
    assert abs(haircut + shared - deficit) < seconds
    paid = sum(before[account] - equity(world, account) for account in members)
    assert abs(paid - deficit) < seconds
    for account in members:
        now = world.requirement(account)
        assert now["margin_maintenance"] >= now["maintenance"]
    for account in members:
        world.system.ledger.accrue(account, {"from": stranger})  # what was shared is carry until then
    assert 0 <= world.drift() < 200


def test_the_last_window(world: World, long_eth: int, bob: Any, stranger: Any) -> None:
    """Five who were nominated one at a time: each round opens one more window, the fifth finds MAX_ROUNDS used and shares what is left."""
    singles = [world.open(bob, CROSS, usdc=3_000) for _ in range(5)]
    for account in singles:
        world.trade(account, ETH_PERP, -1)
    world.move({"ETH": 3_100.0})
    world.open_deficit(long_eth, stranger)
    most = int(world.system.deleverager.MAX_ROUNDS())
    assert most == len(singles) - 1
    for number, account in enumerate(singles, 1):
        world.nominate(ETH_PERP, account, stranger)
        world.wait_for_nominations()
        executed = world.execute(long_eth, stranger).events["Executed"]
        assert executed["closes"] == 1
        assert abs(executed["haircut"] - wad("101.02")) < 10
        if number <= most:
            assert executed["shared"] == 0
            assert int(world.system.deleverager.deficit(long_eth)[2]) == number
    assert abs(executed["shared"] - 5 * wad("101.02")) < 100
    assert world.system.nominations.openDeficits() == 0
    assert 0 <= equity(world, long_eth) < 100
