"""Deleverager: open, nominate, execute; what every party pays, to the unit; every revert and who may call what."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, NO_WITNESS, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts

# long_eth: equity 1,989.8 + 10 (p - 3,400). At 3,100 it is -1,010.2: bankruptcy price 3,201.02.
FALLEN = 3_100.0
DEFICIT = wad("1010.2")
BANKRUPTCY_PRICE = wad("3201.02")


@pytest.fixture
def shorts(world: World, long_eth: int, bob: Any, carol: Any) -> tuple[int, int]:
    """Two winners, 4 and 3 contracts short from 3,400; the second has half the money for its risk and ranks first."""
    rich = world.open(bob, CROSS, usdc=8_000)
    poor = world.open(carol, CROSS, usdc=3_000)
    world.trade(rich, ETH_PERP, -4)
    world.trade(poor, ETH_PERP, -3)
    return rich, poor


@pytest.fixture
def opened(world: World, long_eth: int, shorts: tuple[int, int], stranger: Any) -> int:
    """The bankrupt account, its deficit open, nobody nominated."""
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    return long_eth


def equity(world: World, account: int) -> int:
    return world.requirement(account)["equity"]


# --- the whole way ---


def test_closes_from_the_top_at_the_bankruptcy_price(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    rich, poor = shorts
    for account in (rich, world.maker_account, poor):
        world.nominate(ETH_PERP, account, stranger)
    queue = world.queue(ETH_PERP, longs=False)
    assert queue[0] == poor
    assert set(queue) == {rich, poor, world.maker_account}
    world.wait_for_nominations()
    world.move()
    before = {account: equity(world, account) for account in (rich, poor, world.maker_account)}

    tx = world.execute(opened, stranger)

    closes = [(event["counterparty"], event["size"], event["price"], event["mark"]) for event in tx.events["Deleveraged"]]
    assert [close[0] for close in closes] == queue
    assert {close[0]: close[1] for close in closes} == {poor: wad(3), rich: wad(4), world.maker_account: wad(3)}
    assert all(close[2] == BANKRUPTCY_PRICE and close[3] == wad(FALLEN) for close in closes)
    for account, size in ((poor, 3), (rich, 4), (world.maker_account, 3)):
        assert before[account] - equity(world, account) == wad("101.02") * size
    executed = tx.events["Executed"]
    assert (executed["equity"], executed["haircut"], executed["shared"], executed["fundPaid"]) == (-DEFICIT, DEFICIT, 0, 0)
    assert equity(world, opened) == 0
    assert world.system.ledger.account(opened)[2] == 0  # no position left
    assert tx.events["DeficitClosed"]["claim"] == 0
    assert world.system.nominations.openDeficits() == 0
    assert world.queue(ETH_PERP, longs=False) == []
    assert not world.system.ledger.deficitOpen(opened)
    assert 0 <= world.drift() < 100


def test_resumes_over_many_transactions_at_current_prices(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    for account in (*shorts, world.maker_account):
        world.nominate(ETH_PERP, account, stranger)
    world.wait_for_nominations()
    total = 0
    first = world.execute(opened, stranger, 1)
    assert first.events["Executed"]["closes"] == 1
    assert "DeficitClosed" not in first.events
    world.move({"ETH": 3_080.0})  # seven contracts left: 140 more to be borne by those who are closed now
    owed = -equity(world, opened)
    second = world.execute(opened, stranger, 1)
    assert abs(-second.events["Executed"]["equity"] - owed) <= 1
    third = world.execute(opened, stranger, 1)
    for tx in (first, second, third):
        total += tx.events["Executed"]["haircut"]
    assert third.events["DeficitClosed"]["equity"] in range(10)
    assert abs(total - (wad("303.06") + owed)) < 100


def test_fund_pays_first_and_the_claim_says_so(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.fund(300)
    for account in (*shorts, world.maker_account):
        world.nominate(ETH_PERP, account, stranger)
    world.wait_for_nominations()
    executed = world.execute(opened, stranger).events["Executed"]
    assert executed["fundPaid"] == wad(300)
    assert executed["haircut"] == DEFICIT - wad(300)
    assert world.system.insurance_fund.holdings() == 0
    assert world.claim(opened) == wad(300)
    assert equity(world, opened) == 0


def test_nobody_nominated_goes_to_the_loss_index(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    """Ten shorts in all, of which four, three, and the maker's three: 101.02 each. The legs stay, the account owes what was paid for it."""
    world.wait_for_nominations()
    world.move()
    before = {account: equity(world, account) for account in (*shorts, world.maker_account)}
    tx = world.execute(opened, stranger)
    assert tx.events["Executed"]["shared"] == DEFICIT
    shared = tx.events["LossShared"]
    assert (shared["debtor"], shared["instrument"], shared["longs"], shared["amount"]) == (opened, ETH_PERP, False, DEFICIT)
    for account, size in ((shorts[0], 4), (shorts[1], 3), (world.maker_account, 3)):
        assert before[account] - equity(world, account) == wad("101.02") * size
    assert equity(world, opened) == 0
    assert world.size(opened, ETH_PERP) == wad(10)
    assert world.claim(opened) == DEFICIT
    assert not world.system.nominations.mayIncreaseRisk(opened)
    assert world.system.nominations.mayIncreaseRisk(shorts[0])


def test_claim_is_repaid_from_what_recovers(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.wait_for_nominations()
    world.execute(opened, stranger)
    with reverts("NothingToRepay", opened, 0, DEFICIT):
        world.system.deleverager.repayClaim(opened, {"from": stranger})
    house = world.cash(0)
    world.move({"ETH": 3_150.0})
    event = world.system.deleverager.repayClaim(opened, {"from": stranger}).events["ClaimRepaid"]
    assert (event["amount"], event["left"]) == (wad(500), DEFICIT - wad(500))
    assert world.cash(0) - house == wad(500)
    assert equity(world, opened) == 0
    world.move({"ETH": 3_250.0})
    world.system.deleverager.repayClaim(opened, {"from": stranger})
    assert world.claim(opened) == 0
    assert world.system.nominations.mayIncreaseRisk(opened)
    assert equity(world, opened) == wad(1_000) - (DEFICIT - wad(500))


def test_each_round_that_closed_opens_one_more_window(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    rich, poor = shorts
    world.nominate(ETH_PERP, poor, stranger)
    world.wait_for_nominations()
    world.execute(opened, stranger)
    assert world.system.deleverager.deficit(opened)[2] == 1
    assert world.size(opened, ETH_PERP) == wad(7)
    with reverts("WindowOpen"):
        world.execute(opened, stranger)
    world.nominate(ETH_PERP, rich, stranger)
    world.wait_for_nominations()
    world.execute(opened, stranger)
    world.wait_for_nominations()
    tx = world.execute(opened, stranger)  # nobody came: three contracts' part is shared
    assert tx.events["Executed"]["closes"] == 0
    assert abs(tx.events["Executed"]["shared"] - wad("303.06")) < 10
    assert world.system.nominations.openDeficits() == 0


def test_counterparty_is_closed_only_as_far_as_it_stays_above_maintenance(
    world: World, long_eth: int, bob: Any, stranger: Any, expiries: tuple[int, ...]
) -> None:
    """A winner who holds ten shorts against fifteen longs of a future: every short that is closed leaves more of the future naked. It is
    closed as far as its margin bears that and no further; what it cannot take is everybody's."""
    future = Instrument.future(ETH, expiries[1]).pack()
    hedged = world.open(bob, PORTFOLIO, usdc=20_000)
    world.trade(hedged, ETH_PERP, -10)
    world.move({"ETH": FALLEN})
    world.trade(hedged, future, 10)
    world.withdraw(hedged, world.cash(hedged) - wad(10))
    world.open_deficit(long_eth, stranger)
    world.nominate(ETH_PERP, hedged, stranger, world.witness(hedged))
    world.wait_for_nominations()
    tx = world.execute(long_eth, stranger)
    left = -world.size(hedged, ETH_PERP)
    after = world.requirement(hedged)
    assert after["margin_maintenance"] >= after["maintenance"]
    assert 0 < left < wad(10)
    assert tx.events["Executed"]["closes"] == 1
    assert equity(world, long_eth) == 0 or world.system.deleverager.deficit(long_eth)[2] == 1  # a window for others


# --- opening ---


def test_open_reverts_where_equity_is_not_negative(world: World, long_eth: int, stranger: Any) -> None:
    with reverts("NoDeficit", long_eth, ...):
        world.open_deficit(long_eth, stranger)


def test_open_reverts_while_the_fund_can_pay(world: World, long_eth: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.fund(1_011)
    world.move({"ETH": FALLEN})
    with reverts("FundCanPay", long_eth, DEFICIT, DEFICIT):
        world.open_deficit(long_eth, stranger)


def test_open_reverts_twice_and_on_stale_prices(world: World, opened: int, stranger: Any) -> None:
    with reverts("DeficitIsOpen", opened):
        world.open_deficit(opened, stranger)


def test_open_reverts_on_stale_prices(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": FALLEN})
    world.system.anvil.advance(30)
    with reverts("StalePrice", ..., ..., 5):
        world.system.deleverager.openDeficit(long_eth, {"from": stranger})


def test_open_tells_everybody(world: World, long_eth: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.move({"ETH": FALLEN})
    tx = world.open_deficit(long_eth, stranger)
    event = tx.events["DeficitOpened"]
    assert (event["account"], event["by"], event["equity"], event["fundMayPay"]) == (long_eth, stranger.address, -DEFICIT, 0)
    assert world.system.ledger.deficitOpen(long_eth)
    assert world.system.insurance_fund.openDeficits() == 1
    assert world.system.nominations.openDeficits() == 1
    assert [tuple(cause) for cause in world.system.deleverager.causes(long_eth)] == [(ETH_PERP, wad(10), 10**14)]
    value, instruments, sizes, prices = world.system.deleverager.bankruptcyPrices(long_eth)
    assert (value, list(instruments), list(sizes), list(prices)) == (-DEFICIT, [ETH_PERP], [wad(10)], [BANKRUPTCY_PRICE])


# --- nominating ---


def test_nominate_reverts(world: World, long_eth: int, shorts: tuple[int, int], alice: Any, stranger: Any) -> None:
    other = world.open(stranger, CROSS, usdc=50_000)
    world.trade(other, ETH_PERP, 1)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, alice)
    empty = world.open(stranger, CROSS, usdc=50_000)
    with reverts("NoPosition", empty, ETH_PERP):
        world.nominate(ETH_PERP, empty, stranger)
    with reverts("NotSolvent", long_eth):
        world.nominate(ETH_PERP, long_eth, stranger)
    with reverts("NoProfit", other, ...):
        world.nominate(ETH_PERP, other, stranger)
    world.move({"ETH": 3_450.0})  # on the bankrupt account's own side, and in profit
    with reverts("NoDeficitOnOtherSide", other):
        world.nominate(ETH_PERP, other, stranger)
    world.move({"ETH": FALLEN})
    world.nominate(ETH_PERP, shorts[0], stranger)
    with reverts("RanksTooLow", shorts[0], ..., ...):
        world.nominate(ETH_PERP, shorts[0], stranger)
    world.system.anvil.advance(30)
    with reverts("StalePrice", ..., ..., 5):
        world.system.nominations.nominate(ETH_PERP, shorts[1], NO_WITNESS, {"from": stranger})


def test_nominate_reverts_without_profit(world: World, long_eth: int, carol: Any, stranger: Any) -> None:
    late = world.open(carol, CROSS, usdc=50_000)
    world.move({"ETH": FALLEN - 20})
    world.trade(late, ETH_PERP, -2)
    world.move({"ETH": FALLEN})
    world.open_deficit(long_eth, stranger)
    with reverts("NoProfit", late, -wad(40)):
        world.nominate(ETH_PERP, late, stranger)


def test_execute_reverts(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.system.anvil.advance(61)  # seconds alone are not enough
    with reverts("WindowOpen"):
        world.execute(opened, stranger)
    with reverts("ZeroCloses"):
        world.execute(opened, stranger, 0)
    with reverts("DeficitNotOpen", shorts[0]):
        world.execute(shorts[0], stranger)
    with reverts("DeficitNotOpen", shorts[0]):
        world.system.deleverager.bankruptcyPrices(shorts[0])
    world.wait_for_nominations()
    for call in (
        lambda: world.system.deleverager.execute(opened, 1, {"from": stranger}),
        lambda: world.system.deleverager.repayClaim(opened, {"from": stranger}),
        lambda: world.system.deleverager.bankruptcyPrices(opened),
    ):
        with reverts("StalePrice", ..., ..., 5):
            call()


def test_blocks_alone_do_not_end_the_window(world: World, opened: int, stranger: Any) -> None:
    for _ in range(20):
        world.system.anvil.mine()
    with reverts("WindowOpen"):
        world.execute(opened, stranger)


def test_only_the_deleverager_changes_nominations(world: World, stranger: Any) -> None:
    nominations = world.system.nominations
    for call in (
        lambda: nominations.begin(1, [ETH_PERP], [WAD], {"from": stranger}),
        lambda: nominations.renew([ETH_PERP], [WAD], {"from": stranger}),
        lambda: nominations.end(1, [ETH_PERP], [WAD], {"from": stranger}),
        lambda: nominations.drop(ETH_PERP, True, 0, {"from": stranger}),
        lambda: nominations.setOwing(1, True, {"from": stranger}),
    ):
        with reverts("NotAModule", stranger.address):
            call()


# --- what may not happen meanwhile ---


def test_gate(world: World, opened: int, shorts: tuple[int, int], bob: Any) -> None:
    gate = world.system.nominations.mayIncreaseRisk
    assert not gate(opened)
    assert not gate(shorts[0])
    assert not gate(world.maker_account)
    with reverts("RiskMustFall"):
        world.withdraw(shorts[0], wad(10))
    unconcerned = world.open(bob, CROSS, usdc=1_000)
    assert gate(unconcerned)


# --- deficits of cash alone ---


def test_cash_deficit_is_spread_at_once(world: World, long_eth: int, shorts: tuple[int, int], stranger: Any) -> None:
    """The legs sold at mark by the account itself, which is allowed: what is left is a debt without a cause on record. Every perp's
    holders bear it, by notional."""
    world.move({"ETH": FALLEN})
    world.trade(long_eth, ETH_PERP, -10)
    owed = -equity(world, long_eth)
    assert owed > DEFICIT  # and a fee
    world.open_deficit(long_eth, stranger)
    before = {account: equity(world, account) for account in (*shorts, world.maker_account)}
    tx = world.execute(long_eth, stranger)
    assert tx.events["Executed"]["shared"] == owed
    assert equity(world, long_eth) >= 0
    taken = sum(before[account] - equity(world, account) for account in before)
    assert 0 <= taken - owed < 1000
    assert world.system.nominations.openDeficits() == 0


def test_recovery_closes_without_a_haircut(world: World, opened: int, shorts: tuple[int, int], stranger: Any) -> None:
    world.nominate(ETH_PERP, shorts[0], stranger)
    world.move({"ETH": 3_210.0})
    tx = world.execute(opened, stranger)  # at any time: nobody waits for the window
    assert "Deleveraged" not in tx.events
    assert tx.events["DeficitClosed"]["equity"] == wad("89.8")
    assert world.size(opened, ETH_PERP) == wad(10)


def test_recovered_legs_are_priced_at_mark(world: World, opened: int) -> None:
    world.move({"ETH": 3_210.0})
    value, instruments, sizes, prices = world.system.deleverager.bankruptcyPrices(opened)
    assert (value, list(instruments), list(sizes), list(prices)) == (wad("89.8"), [ETH_PERP], [wad(10)], [wad(3_210)])


@pytest.mark.parametrize("ends", ["before", "while open"])
def test_who_is_no_member_of_the_fund_goes_on_without_it(
    world: World, long_eth: int, shorts: tuple[int, int], governance: Any, stranger: Any, ends: str
) -> None:
    fund = world.system.insurance_fund
    world.fund(300)
    world.move({"ETH": FALLEN})
    if ends == "while open":
        world.open_deficit(long_eth, stranger)
        assert fund.openDeficits() == 1
    fund.setMember(fund.memberOf(world.system.deleverager), 0, 0, {"from": governance})
    if ends == "before":
        world.open_deficit(long_eth, stranger)
    assert fund.openDeficits() == 0  # exits wait for nothing
    for account in (*shorts, world.maker_account):
        world.nominate(ETH_PERP, account, stranger)
    world.wait_for_nominations()
    executed = world.execute(long_eth, stranger).events["Executed"]
    assert (executed["fundPaid"], executed["haircut"]) == (0, DEFICIT)
    assert equity(world, long_eth) == 0
    assert fund.holdings() == wad(300)
