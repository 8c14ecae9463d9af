"""Each rule of section 3 that closes an attack, as the attack: what it would have earned without the rule, what it earns now."""

from __future__ import annotations

from typing import Any

import pytest
from web3.exceptions import ContractLogicError

from keeper.model import Instrument
from scripts.parameter_list import governed_parameters
from tests.contracts.waterfall.conftest import (
    CROSS,
    ETH,
    ETH_PERP,
    NO_WITNESS,
    PORTFOLIO,
    SCENARIOS,
    WAD,
    World,
    wad,
)
from tests.reverts import reverts


def test_self_liquidation_is_not_paid_by_the_fund(world: World, alice: Any) -> None:
    """The owner lets the clock rise to 30 % and takes the book over with another account. A third of a requirement of 800 out of an equity
    of 9.80 would leave a deficit for the fund: 206 for nothing. Now the owner is paid out of the owner's own equity and loses the fee."""
    world.fund(10_000)
    victim = world.open(alice, CROSS, usdc=2_000)
    taker = world.open(alice, CROSS, usdc=10_000)
    world.trade(victim, ETH_PERP, 10)
    world.move({"ETH": 3_202.0})
    world.flag(victim, alice)
    world.system.anvil.advance(900)
    world.move()
    before = world.requirement(victim)["equity"] + world.requirement(taker)["equity"]
    assert world.requirement(victim)["equity"] == wad(9.8)
    tx = world.liquidate(victim, taker, [(ETH_PERP, wad(9))], alice)
    event = tx.events["Liquidated"][0]
    assert event["payment"] + event["fee"] == wad(8.82)  # 9 / 10 of the equity, not 30 % of 720.45
    assert world.requirement(victim)["equity"] == wad(0.98)
    assert world.requirement(victim)["equity"] + world.requirement(taker)["equity"] == before - event["fee"]
    assert world.system.insurance_fund.holdings() == wad(10_000)


def test_full_close_for_ten_times_the_pay(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Health 0.963 needs about one contract of ten. Closing all of them would pay ten times as much."""
    world.move({"ETH": 3_280.0})
    with reverts("TooMuch", long_eth, ..., wad(820), 0):
        world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator)
    dust = wad(10) - 10**12  # leaves a millionth of a contract
    with reverts("TooMuch", long_eth, ..., wad(820), ...):
        world.liquidate(long_eth, rescuer, [(ETH_PERP, dust)], liquidator)
    paid = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator).events["Liquidated"][0]["payment"]
    assert paid == wad(1.64)


def test_legs_that_leave_a_hedge_naked_are_refused(world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """Long perp against short future. The basis moves, the account is under-margined; the future alone needs several times as much."""
    future = Instrument.future(ETH, expiries[1]).pack()
    account = world.open(alice, PORTFOLIO, usdc=5_000)
    world.trade(account, future, -5)
    world.trade(account, ETH_PERP, 5)
    world.withdraw_what_is_free(account)
    basis = 0.0
    while world.health(account) >= 1.05:
        basis -= 0.001  # the perp marks lower, the future stays
        world.move(basis=basis)
    assert world.requirement(account)["equity"] > 0
    witness = world.witness(account)
    before = world.requirement(account)["maintenance"]
    with reverts("NothingReleased"):
        world.liquidate(account, rescuer, [(ETH_PERP, wad(5))], liquidator, witness=witness)
    with reverts("NothingReleased"):
        world.liquidate(account, rescuer, [(future, -wad(5))], liquidator, witness=witness)
    with reverts("NothingReleased"):
        request = (account, rescuer, [(ETH_PERP, wad(5))], witness, 0, b"")
        world.system.liquidator.liquidateThrough(request, 0, [], {"from": liquidator})
    world.liquidate(account, rescuer, [(ETH_PERP, wad(1)), (future, -wad(1))], liquidator, witness=world.witness(account))
    assert world.requirement(account)["maintenance"] < before


def test_a_weak_witness_only_lowers_the_pay(world: World, alice: Any, rescuer: int, liquidator: Any) -> None:
    account = world.open(alice, PORTFOLIO, usdc=2_600)
    world.trade(account, ETH_PERP, 3)
    world.move({"ETH": 2_850.0})  # equity 947 over 1,299
    legs = [(ETH_PERP, wad(0.5))]
    best = world.witness(account)
    world.move()
    honest = world.system.liquidator.liquidate.call((account, rescuer, legs, best, 0, b""), {"from": liquidator})
    accepted = 0
    for index in range(SCENARIOS):
        weak = (bytes([index]), bytes([index]))
        try:
            got = world.system.liquidator.liquidate.call((account, rescuer, legs, weak, 0, b""), {"from": liquidator})
        except Exception:  # noqa: BLE001, S112 - refused is what a weak witness may be; which way is not the point here
            continue
        accepted += 1
        assert got[5] <= honest[5], "payment"
        assert got[6] <= honest[6], "fee"
    assert 0 < accepted < SCENARIOS


def test_a_weak_witness_does_not_make_an_account_small(world: World, alice: Any, rescuer: int, liquidator: Any) -> None:
    """Accounts below 500 of requirement may be closed whole. A witness of a mild scenario shows 400 of a true 1,275."""
    account = world.open(alice, PORTFOLIO, usdc=2_100)
    world.trade(account, ETH_PERP, 3)
    world.move({"ETH": 2_800.0})  # equity 297
    assert world.requirement(account)["maintenance"] > wad(1_000)
    mild = bytes([9])  # - 4.5 %
    shown = int(world.system.engine.witnessed(account, (mild, mild))[1])
    assert wad(297) < shown < wad(500)
    with reverts("TooMuch"):
        world.liquidate(account, rescuer, [(ETH_PERP, wad(3))], liquidator, witness=(mild, mild))


def test_good_legs_taken_and_the_deficit_stranded_on_a_crumb(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Bankrupt account: whatever is taken first, the rest carries no more of the deficit than its share."""
    world.fund(10_000)
    world.move({"ETH": 3_190.0})
    paid = 0
    for part in (7, 2.9, 0.09, 0.01):
        paid += world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(part))], liquidator).events["Liquidated"][0]["fundPaid"]
        left = world.size(long_eth, ETH_PERP) / wad(10)
        assert world.requirement(long_eth)["equity"] == pytest.approx(-wad(110.2) * left, abs=10**6)
    assert world.cash(long_eth) == 0
    assert paid == pytest.approx(wad(142.1), abs=4 * 10**12)


def test_the_deficit_per_requirement_never_grows(world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """The same in a hedged book: whichever legs go first, hedge or risk, the rest is not left with more deficit for what it requires."""
    world.fund(100_000)
    short_put = Instrument.put(ETH, expiries[1], 3_400).pack()
    long_put = Instrument.put(ETH, expiries[1], 3_000).pack()
    account = world.open(alice, PORTFOLIO, usdc=30_000)
    world.trade(account, short_put, -10)
    world.trade(account, long_put, 10)
    world.trade(account, ETH_PERP, 4)
    world.withdraw_what_is_free(account)
    spot = 3_400.0
    while world.requirement(account)["equity"] >= 0:
        spot -= 100
        world.move({"ETH": spot})
    for first in ([(long_put, wad(10))], [(short_put, -wad(9))], [(ETH_PERP, wad(4)), (long_put, wad(1))], [(short_put, -wad(1))]):
        before = world.requirement(account)
        snapshot = world.system.anvil.snapshot()
        chain = world.system.chain
        contract = world.system.deployment.contract(chain, "Liquidator")
        world.move()
        chain.send(contract.functions.liquidate((account, rescuer, first, world.witness(account), 0, b"")), liquidator.address)
        after = world.requirement(account)
        assert before["equity"] < after["equity"] < 0
        assert after["equity"] / after["maintenance"] >= before["equity"] / before["maintenance"] * 1.001
        world.system.anvil.revert(snapshot)


def test_a_bankrupt_book_stuffed_with_worthless_options(
    world: World, alice: Any, governance: Any, liquidator: Any, rescuer: int, expiries: Any
) -> None:
    """A reward by notional alone: 400 calls that are worth nothing are 1.3 M USD of notional, 1,276 of reward, for a deficit of cents."""
    world.fund(10_000)
    # By default the clearing would refuse such a book by its leverage.
    world.system.parameters.set(governed_parameters()["MAX_LEVERAGE"].index, wad(1_000), {"from": governance})
    lottery = Instrument.call(ETH, expiries[0], 50_000).pack()
    account = world.open(alice, CROSS, usdc=2_000)
    world.trade(account, lottery, 400)
    assert world.mark(lottery) < wad(0.001)
    world.trade(account, ETH_PERP, 10)
    world.move({"ETH": 3_190.0})
    assert -wad(200) < world.requirement(account)["equity"] < 0
    tx = world.liquidate(account, rescuer, [(lottery, wad(400))], liquidator)
    assert tx.events["Liquidated"][0]["payment"] < wad(0.01)
    # Nor do they take the deficit with them for the little that they risk.
    assert world.requirement(account)["equity"] < 0


def test_selling_the_cover_of_a_covered_call(world: World, alice: Any, bob: Any, expiries: Any) -> None:
    """10 WETH cover 10 deep calls; cash is 400 below zero. Buying the WETH at a discount would leave the calls naked."""
    call = Instrument.call(ETH, expiries[0], 500).pack()
    account = world.open(alice, PORTFOLIO, weth=10)
    world.trade(account, ETH_PERP, 2)
    world.move({"ETH": 3_200.0})
    world.trade(account, ETH_PERP, -2)  # realises - 400 and fees
    world.trade(account, call, -10)
    assert world.cash(account) < -wad(400)
    buyer = world.open(bob, CROSS, usdc=10_000)
    before = world.requirement(account)
    with reverts("ShortfallRose", account, ..., ...):
        world.convert(account, buyer, wad(0.1), bob)
    assert world.requirement(account)["maintenance"] == pytest.approx(before["maintenance"], rel=1e-4)


def test_old_price_straddle(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Nobody is flagged or liquidated at a price of six seconds ago, whatever it showed."""
    world.move({"ETH": 3_280.0})
    world.system.anvil.advance(5)
    for call in (
        lambda: world.system.liquidator.flag(long_eth, NO_WITNESS, {"from": liquidator}),
        lambda: world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, fresh=False),
    ):
        with reverts("StalePrice"):
            call()


def test_several_liquidators_on_one_account(world: World, long_eth: int, rescuer: int, liquidator: Any, bob: Any) -> None:
    """Who loses the race is refused with numbers and loses nothing but gas."""
    other = world.open(bob, CROSS, usdc=100_000)
    world.move({"ETH": 3_280.0})
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1.2))], liquidator)
    cash = world.cash(other)
    with reverts("NotLiquidatable"):
        world.liquidate(long_eth, other, [(ETH_PERP, wad(1.2))], bob)
    assert world.cash(other) == cash
    assert world.size(other, ETH_PERP) == 0 * WAD


def test_a_paid_up_long_option_is_no_risk_to_be_released(world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """MM of section 6 counts long options at their mark. The account is some USD short and holds calls worth ten thousand: whoever takes
    calls is paid for what was short, not for their mark."""
    call = Instrument.call(ETH, expiries[1], 500).pack()
    account = world.open(alice, CROSS, usdc=12_400)
    world.trade(account, call, 4)
    world.trade(account, ETH_PERP, 1)
    now, spot = world.requirement(account), 3_400.0
    while now["margin_maintenance"] >= now["maintenance"]:
        # By what it can fall until it is short, and two USD more.
        spot -= (now["margin_maintenance"] - now["maintenance"]) / WAD + 2
        world.move({"ETH": spot})
        now = world.requirement(account)
    world.flag(account, liquidator)
    world.system.anvil.advance(900)  # the clock stands at 30 %
    world.move()
    now = world.requirement(account)
    short = now["maintenance"] - now["margin_maintenance"]
    assert 0 < short < wad(4)
    # As much as the target lets: what is short and a part of the tenth above.
    marks = short + (now["maintenance"] - now["long_options"]) * 8 // 100
    event = world.liquidate(account, rescuer, [(call, marks * WAD // world.mark(call))], liquidator).events["Liquidated"][0]
    by_mark = marks * 30 // 100
    assert int(event["payment"]) == pytest.approx(short * 30 // 100, rel=0.1)
    assert by_mark > 2 * int(event["payment"])  # what counting marks would have paid


def test_long_options_alone_with_a_debt_can_be_liquidated(world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """The other side of the rule: no risk is left to release, cash is below zero, and what is short is what taking them cures."""
    call = Instrument.call(ETH, expiries[1], 500).pack()
    account = world.open(alice, CROSS, usdc=12_400)
    world.trade(account, call, 4)
    world.trade(account, ETH_PERP, 2)
    spot = 3_400.0
    while (
        world.cash(account) > -wad(12_000) and world.requirement(account)["margin_maintenance"] > world.requirement(account)["long_options"]
    ):
        spot -= 20
        world.move({"ETH": spot})
    world.trade(account, ETH_PERP, -2)
    now = world.requirement(account)
    short = now["maintenance"] - now["margin_maintenance"]
    assert now["maintenance"] == now["long_options"]
    assert short > 0
    size = int(short * WAD // world.mark(call))
    event = world.liquidate(account, rescuer, [(call, size)], liquidator).events["Liquidated"][0]
    assert 0 < event["payment"] <= short * 2 // 100 + 1


def test_the_cover_goes_with_the_calls(world: World, covered: tuple[int, int], bob: Any, carol: Any) -> None:
    """What the rule of the covered call leaves open: the debt is paid by WETH and the calls it covered, no more of them than it covered."""
    account, call = covered
    buyer = world.open(bob, PORTFOLIO, usdc=50_000)
    chain = world.system.chain
    contract = world.system.deployment.contract(chain, "Liquidator")
    conversion = (account, buyer, 0, wad(0.1), 2**200)
    world.move()
    before = world.requirement(account)

    def refusal(size: int) -> str | None:
        try:
            contract.functions.convertCollateralWithLegs(conversion, [(call, -size)]).call({"from": bob.address})
        except ContractLogicError as error:
            return chain.explain(error).partition("(")[0]
        return None

    # With too few calls the rest is naked, with too many the WETH left is: about as many as the WETH covered.
    found = {size: refusal(size) for size in (wad(0.001) * k for k in range(1, 200))}
    assert found[wad(0.001)] == "ShortfallRose"
    assert found[wad(0.199)] in {"ShortfallRose", "TooManyLegs"}
    assert refusal(wad(10)) in {"ShortfallRose", "TooManyLegs"}  # [A] a crumb of collateral, all of the book
    middle = min(size for size, why in found.items() if why is None)
    indebted, poor = world.open(carol, PORTFOLIO, usdc=10, weth=10), world.open(carol, CROSS, usdc=400)
    world.trade(poor, ETH_PERP, 1)
    world.move()
    for to, error in ((indebted, "BuyerInDebt"), (poor, "LiquidatorUnderMargined")):
        with reverts(error, to, ..., ...):
            world.system.liquidator.convertCollateralWithLegs((account, to, 0, wad(0.1), 2**200), [(call, -middle)], {"from": carol})
    world.move()
    world.system.liquidator.convertCollateralWithLegs(conversion, [(call, -middle)], {"from": bob})
    after = world.requirement(account)
    assert world.system.ledger.collateral(account, 0) == wad(9.9)
    assert world.size(account, call) == middle - wad(10)
    assert world.size(buyer, call) == -middle
    slack = before["gross"] // 10**6  # seconds of decay
    assert after["maintenance"] - after["margin_maintenance"] <= before["maintenance"] - before["margin_maintenance"] + slack
    assert 0 <= world.drift() < 100


def test_legs_do_not_follow_collateral_that_nothing_needs(world: World, alice: Any, bob: Any) -> None:
    """[A] A debtor's good legs taken along at mark with collateral that could go alone."""
    account = world.open(alice, CROSS, weth=10)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_300.0})
    world.trade(account, ETH_PERP, -4.5)
    assert world.cash(account) < -wad(100)
    buyer = world.open(bob, CROSS, usdc=50_000)
    world.move()
    with reverts("LegsNotNeeded", account, ..., ...):
        world.system.liquidator.convertCollateralWithLegs((account, buyer, 0, wad(0.1), 2**200), [(ETH_PERP, wad(0.1))], {"from": bob})
    with reverts("NoLegs"):
        world.system.liquidator.convertCollateralWithLegs((account, buyer, 0, wad(0.1), 2**200), [], {"from": bob})
    with reverts("LegDoesNotShrink", account, ETH_PERP, wad(0.5), wad(0.6)):
        world.system.liquidator.convertCollateralWithLegs((account, buyer, 0, wad(0.1), 2**200), [(ETH_PERP, wad(0.6))], {"from": bob})


def test_jitter_of_the_flag_wins_nothing(world: World, long_eth: int, alice: Any, liquidator: Any) -> None:
    """The owner tops up and takes out again to start the discount anew: with a clock that a healthy moment resets, 2 % after 10 minutes.
    Now the proven time counts on."""
    world.move({"ETH": 3_270.0})
    started = world.flag(long_eth, liquidator).timestamp
    world.system.anvil.advance(300)
    world.deposit(long_eth, usdc=150)
    with reverts("HealthNotBelow"):
        world.flag(long_eth, alice)
    world.move({"ETH": 3_255.0})
    world.system.anvil.advance(300)
    world.flag(long_eth, liquidator)
    discount = int(world.system.liquidator.discountNow(long_eth))
    elapsed = world.system.anvil.time() - started
    assert elapsed >= 600
    assert discount == pytest.approx(0.02 * WAD + 0.28 * WAD * elapsed / 900, rel=0.01)
    reset = 0.02 * WAD
    assert discount > 9 * reset
