"""InsuranceFund alone: shares, members, draws. Drawn tokens go where the member says, here to a vault that is just an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.reverts import reverts

WAD = 10**18
USDC = 10**6
UNIT = 10**12  # one USDC unit in WAD
LIMIT = 1_000 * WAD
WINDOW = 1_000  # seconds: the bucket leaks 1 USD per second
VAULT = "0x00000000000000000000000000000000000A0000"


@pytest.fixture(scope="module")
def token(project: Any, deployer: Any) -> Any:
    return project.TokenMock.deploy("USD Coin", "USDC", 6, {"from": deployer})


@pytest.fixture(scope="module")
def fund(project: Any, token: Any, deployer: Any, governor: Any) -> Any:
    return project.InsuranceFund.deploy(token, governor, {"from": deployer})


@pytest.fixture(scope="module")
def member(fund: Any, governor: Any, keeper: Any) -> Any:
    fund.setMember(keeper, LIMIT, WINDOW, {"from": governor})
    return keeper


@pytest.fixture
def put_in(fund: Any, token: Any) -> Callable[[Any, int], int]:
    """Deposits whole USDC for somebody; returns the shares."""

    def deposit(who: Any, amount: int) -> int:
        token.mint(who, amount * USDC, {"from": who})
        token.approve(fund, amount * USDC, {"from": who})
        before = fund.balanceOf(who)
        fund.deposit(amount * USDC, who, {"from": who})
        return int(fund.balanceOf(who) - before)

    return deposit


def test_draw_sends_tokens_and_says_so(fund: Any, token: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    tx = fund.draw(7, 250 * WAD, VAULT, {"from": member})
    assert token.balanceOf(VAULT) == 250 * USDC
    assert fund.holdings() == 4_750 * WAD
    assert fund.available(member) == 750 * WAD
    (event,) = tx.events["Drawn"]
    assert dict(event) == {"member": member.address, "account": 7, "amount": 250 * WAD, "balance": 4_750 * WAD}


def test_bucket_leaks_evenly_over_the_window(fund: Any, member: Any, alice: Any, put_in: Any, anvil: Anvil) -> None:
    put_in(alice, 5_000)
    drawn_at = fund.draw(1, LIMIT, VAULT, {"from": member}).timestamp
    with reverts("DrawExceedsLimit"):
        fund.draw(1, 10 * WAD, VAULT, {"from": member})
    anvil.set_time(drawn_at + 400)
    assert fund.available(member) == 400 * WAD
    assert tuple(map(int, fund.member(member))) == (LIMIT, WINDOW, 600 * WAD)
    anvil.set_time(drawn_at + 1_000)
    assert fund.available(member) == LIMIT
    anvil.set_time(drawn_at + 100_000)
    assert fund.available(member) == LIMIT  # what was not drawn does not pile up


def test_draw_over_any_span_is_bounded(fund: Any, member: Any, alice: Any, put_in: Any, anvil: Anvil) -> None:
    """Drawing whatever is there every 100 s takes the limit once and the leak after it."""
    put_in(alice, 5_000)
    drawn = 0
    start = anvil.time()
    for _ in range(5):
        amount = fund.available(member)
        fund.draw(1, amount, VAULT, {"from": member})
        drawn += amount
        anvil.advance(100)
    assert drawn <= LIMIT + (anvil.time() - start) * WAD
    assert drawn >= LIMIT + 400 * WAD


def test_never_more_than_its_tokens(fund: Any, token: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 300)
    assert fund.available(member) == 300 * WAD
    with reverts("DrawExceedsLimit", 300 * WAD + UNIT, 300 * WAD):
        fund.draw(1, 300 * WAD + UNIT, VAULT, {"from": member})
    fund.draw(1, 300 * WAD, VAULT, {"from": member})
    assert fund.holdings() == 0 == fund.available(member)
    assert token.balanceOf(VAULT) == 300 * USDC


def test_only_members_draw(fund: Any, member: Any, alice: Any, stranger: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 100)
    assert fund.available(stranger) == 0
    with reverts("NotAMember", stranger.address):
        fund.draw(1, UNIT, VAULT, {"from": stranger})
    fund.draw(1, UNIT, VAULT, {"from": member})
    fund.setMember(member, 0, 0, {"from": governor})
    with reverts("NotAMember", member.address):
        fund.draw(1, UNIT, VAULT, {"from": member})
    assert fund.available(member) == 0


def test_draws_are_whole_units(fund: Any, member: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 100)
    for amount in (0, 1, UNIT + 1):
        with reverts("AmountNotRepresentable", amount, UNIT):
            fund.draw(1, amount, VAULT, {"from": member})


def test_members_have_buckets_of_their_own(fund: Any, member: Any, alice: Any, maker: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    fund.setMember(maker, 50 * WAD, WINDOW, {"from": governor})
    fund.draw(1, LIMIT, VAULT, {"from": member})
    assert fund.available(maker) == 50 * WAD


def test_a_lower_limit_remembers_what_was_drawn(fund: Any, member: Any, alice: Any, governor: Any, put_in: Any) -> None:
    put_in(alice, 5_000)
    fund.draw(1, 900 * WAD, VAULT, {"from": member})
    fund.setMember(member, 500 * WAD, WINDOW, {"from": governor})
    assert fund.available(member) == 0


def test_governance_alone_names_members(fund: Any, stranger: Any, governor: Any) -> None:
    with reverts("AccessControlUnauthorizedAccount", stranger.address, "0x" + fund.MEMBER_ADMIN().hex().removeprefix("0x")):
        fund.setMember(stranger, LIMIT, WINDOW, {"from": stranger})
    with reverts("ZeroWindow", stranger.address):
        fund.setMember(stranger, LIMIT, 0, {"from": governor})


def test_holders_bear_draws_and_earn_fees_in_proportion(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any) -> None:
    put_in(alice, 3_000)
    put_in(bob, 1_000)
    fund.draw(1, 400 * WAD, VAULT, {"from": member})
    assert int(fund.convertToAssets(fund.balanceOf(alice))) == pytest.approx(2_700 * USDC, abs=1)
    token.mint(fund, 800 * USDC, {"from": bob})  # fees arrive as plain transfers
    assert int(fund.convertToAssets(fund.balanceOf(bob))) == pytest.approx(1_100 * USDC, abs=1)
    before = int(token.balanceOf(bob))
    fund.redeem(fund.balanceOf(bob), bob, bob, {"from": bob})
    assert int(token.balanceOf(bob)) - before == pytest.approx(1_100 * USDC, abs=1)


def test_attack_inflated_share_price(fund: Any, token: Any, alice: Any, stranger: Any, put_in: Any) -> None:
    """[A] First depositor donates in order to round the next one's shares down to nothing: it costs the donor, not the victim."""
    token.mint(stranger, 10_001 * USDC, {"from": stranger})
    token.approve(fund, 1, {"from": stranger})
    fund.deposit(1, stranger, {"from": stranger})
    token.transfer(fund, 10_000 * USDC, {"from": stranger})
    put_in(alice, 5_000)
    assert fund.convertToAssets(fund.balanceOf(alice)) >= 4_995 * USDC
    fund.redeem(fund.balanceOf(stranger), stranger, stranger, {"from": stranger})
    assert token.balanceOf(stranger) < 6_000 * USDC  # half of the donation belongs to the virtual shares
