"""The ADL light on chain against the scores and sizes of all holders, ranked here in exact fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from tests.contracts.waterfall.conftest import BTC_PERP, CROSS, ETH_PERP, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts

FALLEN = 3_300.0  # every short from 3,400 gains 100 per contract
STANDARD_SCALE = Fraction(18, 100) * Fraction(80, 100) / Fraction(25, 1000)  # margin.md: largest core move, maintenance factor, first tier


def exact_score(world: World, account: int) -> Fraction:
    """Profit over cost times maintenance over margin equity, from what ledger and engine say; standard margins at the measure of stress."""
    size, cost = next((int(p[1]), int(p[2])) for p in world.system.ledger.positions(account) if p[0] == ETH_PERP)
    profit = Fraction(size * world.mark(ETH_PERP), WAD) - cost + int(world.system.ledger.unvestedProfit(account))
    now = world.requirement(account)
    if profit <= 0:
        return Fraction(0)
    scale = 1 if int(world.system.ledger.account(account)[1]) == PORTFOLIO else STANDARD_SCALE
    return profit / abs(cost) * scale * (now["maintenance"] - now["long_options"]) / (now["margin_maintenance"] - now["long_options"])


def exact_light(world: World, account: int, members: Sequence[int]) -> int:
    scores = {member: exact_score(world, member) for member in members}
    sizes = {member: abs(world.size(member, ETH_PERP)) for member in members}
    if scores[account] == 0:
        return 0
    above = sum(sizes[member] for member in members if scores[member] > scores[account])
    return 5 - floor(5 * Fraction(above, sum(sizes.values())))


def light(world: World, account: int, members: Sequence[int]) -> tuple[int, int]:
    others = sorted(member for member in members if member != account)
    value, coverage = world.system.nominations.quintile(account, ETH_PERP, others)
    return int(value), int(coverage)


@pytest.fixture
def shorts(world: World, alice: Any, bob: Any, carol: Any) -> list[int]:
    """All shorts there are: six of different size, leverage and mode; the maker is long against them."""
    made = []
    for owner, mode, usdc, size in (
        (alice, CROSS, 9_000, 4),
        (bob, CROSS, 1_200, 2),
        (carol, PORTFOLIO, 8_000, 5),
        (alice, PORTFOLIO, 30_000, 3),
        (bob, CROSS, 4_000, 1),
        (carol, CROSS, 2_500, 5),
    ):
        account = world.open(owner, mode, usdc=usdc)
        world.trade(account, ETH_PERP, -size)
        made.append(account)
    return made


def test_every_member_of_a_side_by_exact_rank(world: World, shorts: list[int]) -> None:
    world.move({"ETH": FALLEN})
    lights = [light(world, account, shorts) for account in shorts]
    assert [value for value, _ in lights] == [exact_light(world, account, shorts) for account in shorts]
    assert {coverage for _, coverage in lights} == {WAD}  # all shorts are named
    assert {1, 5} <= {value for value, _ in lights}  # the ladder is climbed, not one light for all
    for account in shorts:
        score = int(world.system.nominations.score(account, ETH_PERP))
        assert 0 <= exact_score(world, account) * 10**9 - score < 100  # 1e-9, each factor down
    ranked = sorted(shorts, key=lambda account: exact_score(world, account))
    assert [light(world, account, shorts)[0] for account in ranked] == sorted(value for value, _ in lights)


def test_ties_are_not_above_each_other(world: World, alice: Any, bob: Any, carol: Any) -> None:
    twins = [world.open(owner, CROSS, usdc=5_000) for owner in (alice, bob)]
    rich = world.open(carol, CROSS, usdc=50_000)
    for account in (*twins, rich):
        world.trade(account, ETH_PERP, -2)
    world.move({"ETH": FALLEN})
    members = [*twins, rich]
    assert exact_score(world, twins[0]) == exact_score(world, twins[1]) > exact_score(world, rich)
    assert [light(world, account, members)[0] for account in members] == [5, 5, 2]  # 4 of 6 contracts are above the rich one
    assert [exact_light(world, account, members) for account in members] == [5, 5, 2]


def test_one_member_is_first_and_says_how_little_it_knows(world: World, shorts: list[int]) -> None:
    world.move({"ETH": FALLEN})
    for account in shorts:
        assert light(world, account, []) == (5, floor(Fraction(abs(world.size(account, ETH_PERP)) * WAD, wad(20))))


def test_who_has_no_profit_has_no_light(world: World, shorts: list[int]) -> None:
    world.move({"ETH": 3_410.0})
    for account in shorts:
        assert light(world, account, shorts) == (0, WAD)
        assert exact_light(world, account, shorts) == 0


def test_lists_that_prove_nothing_are_refused(world: World, shorts: list[int]) -> None:
    quintile = world.system.nominations.quintile
    first, second = sorted(shorts)[:2]
    with reverts("NotAscending", first):
        quintile(first, ETH_PERP, [first, second])
    with reverts("NotAscending", second):
        quintile(first, ETH_PERP, [second, second])
    with reverts("NotOnThatSide", world.maker_account, ETH_PERP):
        quintile(first, ETH_PERP, [world.maker_account])
    with reverts("NoPosition", first, BTC_PERP):
        quintile(first, BTC_PERP, [])
    with reverts("NoPosition", first, BTC_PERP):
        world.system.nominations.score(first, BTC_PERP)
