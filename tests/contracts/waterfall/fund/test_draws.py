"""Members, agents, draws, caps per underlying; what holders bear and earn."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.portfolio.table import Parameter
from scripts.anvil import Anvil
from tests.contracts.waterfall.fund.conftest import BTC, ETH, NO_UNDERLYING, USDC, VAULT, WAD
from tests.reverts import reverts

UNIT = 10**12  # one USDC unit in WAD
LIMIT = 1_000 * WAD
WINDOW = 1_000  # seconds: the bucket leaks 1 USD per second


@pytest.fixture(scope="module")
def member(fund: Any, governor: Any, keeper: Any) -> Any:
    fund.setMember(keeper, LIMIT, WINDOW, {"from": governor})
    return keeper


def test_draw_sends_tokens_and_says_so(fund: Any, token: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    tx = fund.draw(7, ETH, 250 * WAD, VAULT, {"from": member})
    assert token.balanceOf(VAULT) == 250 * USDC
    assert fund.holdings() == 4_750 * WAD
    assert fund.available(member, ETH) == 750 * WAD
    (event,) = tx.events["Drawn"]
    assert dict(event) == {"member": member.address, "account": 7, "underlying": ETH, "amount": 250 * WAD, "balance": 4_750 * WAD}


def test_bucket_leaks_evenly_over_the_window(fund: Any, member: Any, alice: Any, put_in: Any, anvil: Anvil) -> None:
    put_in(alice, 5_000)
    drawn_at = fund.draw(1, ETH, LIMIT, VAULT, {"from": member}).timestamp
    with reverts("DrawExceedsLimit"):
        fund.draw(1, ETH, 10 * WAD, VAULT, {"from": member})
    anvil.set_time(drawn_at + 400)
    assert fund.available(member, ETH) == 400 * WAD
    assert tuple(map(int, fund.member(member))) == (LIMIT, WINDOW, 600 * WAD)
    anvil.set_time(drawn_at + 1_000)
    assert fund.available(member, ETH) == LIMIT
    anvil.set_time(drawn_at + 100_000)
    assert fund.available(member, ETH) == LIMIT  # what was not drawn does not pile up


def test_draw_over_any_span_is_bounded(fund: Any, member: Any, alice: Any, put_in: Any, anvil: Anvil) -> None:
    """Drawing whatever is there every 100 s takes the limit once and the leak after it."""
    put_in(alice, 5_000)
    drawn = 0
    start = anvil.time()
    for _ in range(5):
        amount = fund.available(member, ETH)
        fund.draw(1, ETH, amount, VAULT, {"from": member})
        drawn += amount
        anvil.advance(100)
    assert drawn <= LIMIT + (anvil.time() - start) * WAD
    assert drawn >= LIMIT + 400 * WAD


def test_never_more_than_its_tokens(fund: Any, token: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 300)
    assert fund.available(member, ETH) == 300 * WAD
    with reverts("DrawExceedsLimit", 300 * WAD + UNIT, 300 * WAD):
        fund.draw(1, ETH, 300 * WAD + UNIT, VAULT, {"from": member})
    fund.draw(1, ETH, 300 * WAD, VAULT, {"from": member})
    assert fund.holdings() == 0 == fund.available(member, ETH)
    assert token.balanceOf(VAULT) == 300 * USDC


def test_only_members_draw(fund: Any, member: Any, alice: Any, stranger: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 100)
    assert fund.available(stranger, ETH) == 0
    with reverts("NotAMember", stranger.address):
        fund.draw(1, ETH, UNIT, VAULT, {"from": stranger})
    fund.draw(1, ETH, UNIT, VAULT, {"from": member})
    fund.setMember(member, 0, 0, {"from": governor})
    with reverts("NotAMember", member.address):
        fund.draw(1, ETH, UNIT, VAULT, {"from": member})
    assert fund.available(member, ETH) == 0


def test_draws_are_whole_units(fund: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 100)
    for amount in (0, 1, UNIT + 1):
        with reverts("AmountNotRepresentable", amount, UNIT):
            fund.draw(1, ETH, amount, VAULT, {"from": member})


def test_members_have_buckets_of_their_own(fund: Any, member: Any, alice: Any, maker: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    fund.setMember(maker, 50 * WAD, WINDOW, {"from": governor})
    fund.draw(1, ETH, LIMIT, VAULT, {"from": member})
    assert fund.available(maker, ETH) == 50 * WAD


def test_a_lower_limit_remembers_what_was_drawn(fund: Any, member: Any, alice: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    fund.draw(1, ETH, 900 * WAD, VAULT, {"from": member})
    fund.setMember(member, 500 * WAD, WINDOW, {"from": governor})
    assert fund.available(member, ETH) == 0


def test_governance_alone_names_members(fund: Any, stranger: Any, governor: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, "0x" + fund.MEMBER_ADMIN().hex().removeprefix("0x")):
        fund.setMember(stranger, LIMIT, WINDOW, {"from": stranger})
    with reverts("ZeroWindow", stranger.address):
        fund.setMember(stranger, LIMIT, 0, {"from": governor})


def test_draws_for_one_underlying_are_capped(
    fund: Any, parameters: Any, member: Any, alice: Any, governor: Any, put_in: Any, anvil: Anvil
) -> None:
    """Over all members; the bucket of another underlying, and of deficits of cash alone, is another one."""
    put_in(alice, 5_000)
    parameters.set(Parameter.FUND_UNDERLYING_CAP, 300 * WAD, {"from": governor})
    parameters.set(Parameter.FUND_DRAW_WINDOW, 3_600, {"from": governor})
    fund.setMember(alice, LIMIT, WINDOW, {"from": governor})
    fund.draw(1, ETH, 200 * WAD, VAULT, {"from": member})
    drawn_at = fund.draw(1, ETH, 100 * WAD, VAULT, {"from": alice}).timestamp
    with reverts("DrawExceedsLimit", 10 * WAD, ...):
        fund.draw(1, ETH, 10 * WAD, VAULT, {"from": member})
    fund.draw(1, BTC, 300 * WAD, VAULT, {"from": member})
    fund.draw(1, NO_UNDERLYING, 300 * WAD, VAULT, {"from": member})
    assert fund.available(member, NO_UNDERLYING) == 0
    anvil.set_time(drawn_at + 1_800)
    assert abs(int(fund.available(member, ETH)) - 150 * WAD) <= WAD
    assert abs(int(fund.underlyingLevel(ETH)) - 150 * WAD) <= WAD


def test_attack_one_pumped_market_empties_it(
    fund: Any, parameters: Any, member: Any, alice: Any, governor: Any, put_in: Any, anvil: Anvil
) -> None:
    """[A] Whoever moves one thin market bankrupts accounts in it one after the other. Without the cap: the member's limit, 1,000. With it:
    the cap, 300."""
    put_in(alice, 5_000)

    def drained(underlying: int) -> int:
        taken = 0
        for account in range(12):
            amount = min(100 * WAD, int(fund.available(member, underlying)))
            if amount < UNIT:
                break
            fund.draw(account, underlying, amount - amount % UNIT, VAULT, {"from": member})
            taken += amount
        return taken

    assert fund.available(member, ETH) == LIMIT  # the default cap is far above
    without = drained(ETH)
    anvil.advance(WINDOW)
    anvil.mine()
    parameters.set(Parameter.FUND_UNDERLYING_CAP, 300 * WAD, {"from": governor})
    within = drained(BTC)
    # What leaks meanwhile is a dollar per second of the limit, and cents of the cap.
    assert LIMIT <= without <= LIMIT + 20 * WAD
    assert 300 * WAD <= within <= 301 * WAD


def test_agents_draw_from_their_members_bucket(fund: Any, member: Any, alice: Any, bob: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    tx = fund.setAgent(bob, member, {"from": governor})
    assert dict(tx.events["AgentSet"][0]) == {"agent": bob.address, "member": member.address}
    assert fund.memberOf(bob) == member.address
    tx = fund.draw(1, ETH, 900 * WAD, VAULT, {"from": bob})
    assert tx.events["Drawn"][0]["member"] == member.address
    assert fund.available(member, BTC) < 110 * WAD
    fund.setAgent(bob, "0x" + "00" * 20, {"from": governor})
    with reverts("NotAMember", bob.address):
        fund.draw(1, ETH, UNIT, VAULT, {"from": bob})


def test_deficits_are_reported_by_members(fund: Any, member: Any, bob: Any, stranger: Any, governor: Any) -> None:
    for call in (fund.deficitOpened, fund.deficitClosed):
        with reverts("NotAMember", stranger.address):
            call(7, {"from": stranger})
    with reverts("DeficitIsNotOpen", member.address, 7):
        fund.deficitClosed(7, {"from": member})
    tx = fund.deficitOpened(7, {"from": member})
    assert dict(tx.events["DeficitReported"][0]) == {"member": member.address, "account": 7}
    with reverts("DeficitIsOpen", member.address, 7):
        fund.deficitOpened(7, {"from": member})
    fund.setAgent(bob, member, {"from": governor})
    fund.deficitOpened(8, {"from": bob})
    assert fund.openDeficits() == 2
    tx = fund.deficitClosed(7, {"from": bob})
    assert dict(tx.events["DeficitCleared"][0]) == {"member": member.address, "account": 7}
    assert fund.openDeficits() == 1


def test_a_member_that_ends_takes_its_deficits_along(fund: Any, member: Any, governor: Any) -> None:
    """An engine that is switched off does not keep depositors in for ever."""
    fund.deficitOpened(7, {"from": member})
    fund.setMember(member, 0, 0, {"from": governor})
    assert fund.openDeficits() == 0
    fund.setMember(member, LIMIT, WINDOW, {"from": governor})
    with reverts("DeficitIsNotOpen", member.address, 7):
        fund.deficitClosed(7, {"from": member})
    fund.deficitOpened(7, {"from": member})
    assert fund.openDeficits() == 1


def test_coverage_is_holdings_over_open_interest(fund: Any, alice: Any, put_in: Any) -> None:
    assert fund.coverage(1) == 0
    put_in(alice, 5_000)
    assert fund.coverage(1_000_000 * WAD) == WAD // 200
    assert fund.coverage(0) == 2**256 - 1


def test_governance_alone_names_agents(fund: Any, stranger: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, "0x" + fund.MEMBER_ADMIN().hex().removeprefix("0x")):
        fund.setAgent(stranger, stranger, {"from": stranger})


def test_holders_bear_draws_and_earn_fees_in_proportion(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any) -> None:
    put_in(alice, 3_000)
    put_in(bob, 1_000)
    fund.draw(1, ETH, 400 * WAD, VAULT, {"from": member})
    assert int(fund.convertToAssets(fund.balanceOf(alice))) == pytest.approx(2_700 * USDC, abs=1)
    token.mint(fund, 800 * USDC, {"from": bob})  # fees arrive as plain transfers
    assert int(fund.convertToAssets(fund.balanceOf(bob))) == pytest.approx(1_100 * USDC, abs=1)


def test_attack_inflated_share_price(fund: Any, token: Any, alice: Any, stranger: Any, put_in: Any) -> None:
    """[A] First depositor donates in order to round the next one's shares down to nothing: it costs the donor, not the victim."""
    token.mint(stranger, 10_001 * USDC, {"from": stranger})
    token.approve(fund, 1, {"from": stranger})
    fund.deposit(1, stranger, {"from": stranger})
    token.transfer(fund, 10_000 * USDC, {"from": stranger})
    put_in(alice, 5_000)
    assert fund.convertToAssets(fund.balanceOf(alice)) >= 4_995 * USDC
    # Half of the donation belongs to the virtual shares.
    assert fund.convertToAssets(fund.balanceOf(stranger)) < 6_000 * USDC
