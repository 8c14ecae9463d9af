"""Each rule of section 5 that closes an attack, as the attack: what it would have earned without the rule, what it earns now.

In all of them the bankrupt account (`long_eth`) is long 10 ETH perp from 3,400 with 1,989.8 USDC. At 3,100 its deficit is 1,010.2 and
its bankruptcy price 3,201.02: 101.02 of haircut per contract for whoever is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.model import Instrument
from tests.contracts.waterfall.conftest import CROSS, ETH_PERP, PORTFOLIO, World, wad
from tests.reverts import reverts

FALLEN = 3_100.0
DEFICIT = wad("1010.2")
HAIRCUT = wad("101.02")  # per contract


def equity(world: World, accounts: Sequence[int]) -> int:
    return sum(world.requirement(account)["equity"] for account in accounts)


def test_sybil_dust_does_not_fill_the_queue(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """Sixteen crumbs of a hundredth of a contract, each with the largest profit ratio and leverage there is, against one honest short of
    five. Queued, they would fill all sixteen places: 0.16 contracts closed, the rest shared, and the attacker's other five contracts pay
    half of it less. The threshold is 10 / 64 of a contract."""
    honest = world.open(bob, CROSS, usdc=9_000)
    world.trade(honest, ETH_PERP, -5)
    crumbs = []
    for _ in range(2):  # two are as good as sixteen for what is refused
        crumb = world.open(carol, CROSS, usdc=15)
        world.trade(crumb, ETH_PERP, -0.01)
        crumbs.append(crumb)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    for crumb in crumbs:
        with reverts("Dust", crumb, wad(0.01), wad(10)):
            world.nominate(ETH_PERP, crumb, carol)
    world.nominate(ETH_PERP, honest, stranger)
    world.wait_for_nominations()
    world.move()
    for crumb in crumbs:  # later they are refused while a larger one is queued
        with reverts("Dust", crumb, ..., ...):
            world.nominate(ETH_PERP, crumb, carol)
    before = equity(world, crumbs)
    world.execute(long_eth, stranger)  # five contracts of the honest one
    world.wait_for_nominations()
    world.execute(long_eth, stranger)  # the rest is everybody's, by size: crumbs pay like anybody
    paid = before - equity(world, crumbs)
    assert paid > 0
    assert abs(paid - wad(0.02) * (DEFICIT // 2) // world.system.ledger.openInterest(ETH_PERP)) < 10**6


def test_order_nominating_whoever_ranks_above(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """The attacker (carol), highest leverage of all, nominates only bob, hoping to be forgotten: bob would be closed for 10 contracts and
    pay 1,010.2, the attacker nothing. Bob nominates her, and she is closed before him."""
    attacker = world.open(carol, CROSS, usdc=3_000)
    world.trade(attacker, ETH_PERP, -10)
    victim = world.open(bob, CROSS, usdc=40_000)
    world.trade(victim, ETH_PERP, -10)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    world.nominate(ETH_PERP, victim, carol)
    world.nominate(ETH_PERP, attacker, bob)
    assert world.queue(ETH_PERP, longs=False) == [attacker, victim]
    world.wait_for_nominations()
    world.move()
    before = equity(world, [attacker]), equity(world, [victim])
    world.execute(long_eth, stranger)
    assert before[0] - equity(world, [attacker]) == DEFICIT
    assert before[1] == equity(world, [victim])


def test_a_weak_witness_cannot_push_a_nominee_down(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """The winner nominates himself in a scenario that costs him nothing, to be queued low; anybody's better witness raises him, and no
    later one lowers him again."""
    winner = world.open(carol, PORTFOLIO, usdc=6_000)
    world.trade(winner, ETH_PERP, -5)
    other = world.open(bob, CROSS, usdc=20_000)
    world.trade(other, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    strong = world.witness(winner)
    weak = min(
        ((bytes([index]), strong[1]) for index in range(35)),
        key=lambda witness: int(world.system.engine.witnessed(winner, witness)[1]),
    )
    world.nominate(ETH_PERP, winner, carol, weak)
    low = world.system.nominations.adlQueue(ETH_PERP, False)[1][0]
    world.nominate(ETH_PERP, winner, bob, strong)
    high = world.system.nominations.adlQueue(ETH_PERP, False)[1][0]
    assert high > low
    with reverts("RanksTooLow", winner, ..., ...):
        world.nominate(ETH_PERP, winner, carol, weak)
    assert world.system.nominations.adlQueue(ETH_PERP, False)[1][0] == high


def test_a_deficit_opened_at_the_low_is_worth_nothing_after_the_recovery(world: World, long_eth: int, bob: Any, stranger: Any) -> None:
    """Opened at 3,100 and executed at 3,300: at the old prices bob would lose his position at 3,201.02, 98.98 under the market for each of
    five contracts. At current prices nobody is closed."""
    short = world.open(bob, CROSS, usdc=9_000)
    world.trade(short, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    world.nominate(ETH_PERP, short, stranger)
    world.wait_for_nominations()
    world.move({"ETH": 3_300.0})
    before = equity(world, [short])
    tx = world.execute(long_eth, stranger)
    assert "Deleveraged" not in tx.events
    assert equity(world, [short]) == before
    assert world.system.nominations.openDeficits() == 0
    assert world.claim(long_eth) == 0


def test_the_winner_cannot_leave_before_his_turn(world: World, long_eth: int, bob: Any, stranger: Any) -> None:
    """Withdrawing what is free (some 8,000) and handing the position to a fresh account: both are refused while the deficit is open, and
    both would have been allowed a moment before."""
    winner = world.open(bob, CROSS, usdc=10_000)
    world.trade(winner, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.withdraw(winner, wad(1_000))  # the control
    world.open_deficit(long_eth, stranger)
    with reverts("RiskMustFall", winner, 0):
        world.withdraw(winner, wad(1_000))
    world.nominate(ETH_PERP, winner, stranger)
    world.wait_for_nominations()
    world.move()
    before = equity(world, [winner])
    world.execute(long_eth, stranger)
    assert before - equity(world, [winner]) == 5 * HAIRCUT


def test_top_up_after_the_nomination_changes_nothing(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """The first in the queue deposits ten times its equity: its score stays, and so does its turn."""
    first = world.open(bob, CROSS, usdc=3_000)
    world.trade(first, ETH_PERP, -5)
    second = world.open(carol, CROSS, usdc=12_000)
    world.trade(second, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    world.nominate(ETH_PERP, first, stranger)
    world.nominate(ETH_PERP, second, stranger)
    world.deposit(first, usdc=30_000)
    with reverts("RanksTooLow", first, ..., ...):
        world.nominate(ETH_PERP, first, bob)
    assert world.queue(ETH_PERP, longs=False) == [first, second]


def test_cashing_in_by_trading_hides_no_profit(world: World, long_eth: int, bob: Any, stranger: Any) -> None:
    """The winner closes and reopens at mark: his position shows no profit any more, and would not be eligible. What he realised within
    the vesting period counts."""
    winner = world.open(bob, CROSS, usdc=10_000)
    world.trade(winner, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.trade(winner, ETH_PERP, 5)
    world.trade(winner, ETH_PERP, -5)
    world.open_deficit(long_eth, stranger)
    event = world.nominate(ETH_PERP, winner, stranger).events["Nominated"]
    assert event["score"] > 0


def test_the_bankrupt_account_keeps_no_free_option(world: World, long_eth: int, alice: Any, bob: Any, stranger: Any) -> None:
    """Nobody is nominated, the deficit is shared, the legs stay. The market returns to 3,400: without the claim the owner would walk away
    with 3,000 of gains on money that others paid (1,010.2 of it). They are repaid first, and until then nothing can be withdrawn."""
    short = world.open(bob, CROSS, usdc=9_000)
    world.trade(short, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    world.wait_for_nominations()
    world.execute(long_eth, stranger)
    assert world.claim(long_eth) == DEFICIT
    world.move({"ETH": 3_400.0})
    world.deposit(long_eth, usdc=5_000)
    with reverts("RiskMustFall", long_eth, 0):
        world.withdraw(long_eth, wad(10))
    before = equity(world, [long_eth])
    world.system.deleverager.repayClaim(long_eth, {"from": stranger})
    assert before - equity(world, [long_eth]) == DEFICIT
    world.withdraw(long_eth, wad(10))


def test_a_hedge_ranks_below_the_same_position_alone(
    world: World, long_eth: int, bob: Any, carol: Any, expiries: Any, stranger: Any
) -> None:
    """Two winners with the same short, the same profit and the same money, one of whom holds a long future against it: closing his short
    would break a hedge. He ranks lower, and the naked one is closed first."""
    future = Instrument.future(0, expiries[1]).pack()
    naked = world.open(bob, PORTFOLIO, usdc=10_000)
    hedged = world.open(carol, PORTFOLIO, usdc=10_000)
    for account in (naked, hedged):
        world.trade(account, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.trade(hedged, future, 5)
    world.open_deficit(long_eth, stranger)
    for account in (hedged, naked):
        world.nominate(ETH_PERP, account, stranger, world.witness(account))
    assert world.queue(ETH_PERP, longs=False) == [naked, hedged]
    score = world.system.nominations.score
    assert score(naked, ETH_PERP) > 2 * score(hedged, ETH_PERP) > 0


def test_choosing_cross_does_not_lower_the_rank(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """The same short with the same money, the attacker (carol) in CROSS: its maintenance is 2.5 % of the notional, in PORTFOLIO it is 80 %
    of the worst scenario. Unscaled, the attacker's score would be less than a third of bob's, and bob would be closed in its place."""
    honest = world.open(bob, PORTFOLIO, usdc=12_000)
    attacker = world.open(carol, CROSS, usdc=12_000)
    for account in (honest, attacker):
        world.trade(account, ETH_PERP, -10)
    world.move({"ETH": FALLEN})
    score = world.system.nominations.score
    scores = [int(score(account, ETH_PERP)) for account in (honest, attacker)]
    needs = [world.requirement(account)["maintenance"] for account in (honest, attacker)]
    assert needs[0] > 3 * needs[1]  # what the rule is there for
    assert 0.7 < scores[1] / scores[0] < 1.3


def test_a_witness_does_not_choose_the_mode(world: World, long_eth: int, bob: Any, carol: Any, stranger: Any) -> None:
    """Nominations tell the mode by the witness's shape. Ranked by the other mode, carol's CROSS account would keep its small needs unscaled
    and bob's PORTFOLIO account have its large ones scaled again: a third, or three times the rank. The engine takes one shape per mode."""
    portfolio, cross = world.open(bob, PORTFOLIO, usdc=12_000), world.open(carol, CROSS, usdc=12_000)
    for account in (portfolio, cross):
        world.trade(account, ETH_PERP, -5)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    worst = world.witness(portfolio)
    for shape in ((b"", b""), (b"", worst[1]), (worst[0], b"")):
        with reverts("BadWitness", 1, 1):
            world.nominate(ETH_PERP, portfolio, bob, shape)
    for shape in (worst, (worst[0], b""), (b"", worst[1])):
        with reverts("BadWitness", 0, 0):
            world.nominate(ETH_PERP, cross, carol, shape)
    world.nominate(ETH_PERP, portfolio, bob, worst)
    world.nominate(ETH_PERP, cross, carol)
    # `score` asks the ledger for the mode.
    score = world.system.nominations.score
    ranked = dict(zip(*map(list, world.system.nominations.adlQueue(ETH_PERP, False)), strict=True))
    assert ranked == {account: score(account, ETH_PERP) for account in (portfolio, cross)}


def test_waiting_until_others_have_emptied_the_queue(world: World, long_eth: int, alice: Any, bob: Any, carol: Any, stranger: Any) -> None:
    """Two deficits of the same side, and a queue that holds bob alone. The first takes all of him. Without the rule the attacker (carol)
    would execute the second at once: a dry queue, so all shorts would share its deficit by size, and he would pay a part. Now a window
    opens for whoever is next, and that is he."""
    second = world.open(alice, CROSS, usdc=2_000)
    world.trade(second, ETH_PERP, 10)
    first_in_line = world.open(bob, CROSS, usdc=4_000)
    world.trade(first_in_line, ETH_PERP, -10)
    attacker = world.open(carol, CROSS, usdc=6_000)
    world.trade(attacker, ETH_PERP, -10)
    world.move({"ETH": FALLEN})
    for account in (long_eth, second):
        world.open_deficit(account, stranger)
    world.nominate(ETH_PERP, first_in_line, stranger)
    world.wait_for_nominations()
    world.execute(long_eth, stranger)
    assert world.queue(ETH_PERP, longs=False) == []
    before = equity(world, [attacker])
    event = world.execute(second, carol).events["Executed"]
    assert (event["shared"], event["closes"]) == (0, 0)
    assert int(world.system.deleverager.deficit(second)[2]) == 1  # a round more
    with reverts("WindowOpen", ..., ...):
        world.execute(second, carol)
    world.nominate(ETH_PERP, attacker, stranger)
    world.wait_for_nominations()
    world.execute(second, stranger)
    assert before - equity(world, [attacker]) == DEFICIT


def test_a_queue_that_nobody_used_is_no_reason_to_wait(world: World, long_eth: int, bob: Any, stranger: Any) -> None:
    """The control of the rule above: nobody was nominated in the window, nobody left the queue, and the deficit is shared at once."""
    short = world.open(bob, CROSS, usdc=9_000)
    world.trade(short, ETH_PERP, -10)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    world.wait_for_nominations()
    assert world.execute(long_eth, stranger).events["Executed"]["shared"] == DEFICIT
