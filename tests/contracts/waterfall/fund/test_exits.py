"""How one leaves the insurance fund: requests settle a whole epoch later, at the lower price, and bear every draw until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.portfolio.table import Parameter
from scripts.anvil import Anvil
from tests.contracts.waterfall.fund.conftest import ETH, USDC, VAULT, WAD
from tests.reverts import reverts

SHARE = 10**12  # six decimals more than the token
DAY = 86_400
LENGTH = 7 * DAY
WINDOW = 3_600


@pytest.fixture(scope="module")
def member(fund: Any, governor: Any, keeper: Any) -> Any:
    fund.setMember(keeper, 1_000_000 * WAD, 3_600, {"from": governor})
    return keeper


@pytest.fixture
def to_epoch(fund: Any, anvil: Anvil) -> Callable[..., None]:
    """Moves on by `count` epochs, to `after` seconds behind the beginning of that one."""

    def move(count: int, after: int = 0) -> None:
        _, started, _ = map(int, fund.epoch())
        anvil.set_time(started + count * LENGTH + after)
        anvil.mine()

    return move


def left(fund: Any, token: Any, who: Any, request: int) -> int:
    before = int(token.balanceOf(who))
    fund.claim(request, {"from": who})
    return int(token.balanceOf(who)) - before


def test_erc4626_exits_are_closed(fund: Any, alice: Any, put_in: Any) -> None:
    put_in(alice, 1_000)
    shares = fund.balanceOf(alice)
    assert fund.maxWithdraw(alice) == 0 == fund.maxRedeem(alice)
    with reverts("ERC4626ExceededMaxWithdraw", alice.address, 1, 0):
        fund.withdraw(1, alice, alice, {"from": alice})
    with reverts("ERC4626ExceededMaxRedeem", alice.address, shares, 0):
        fund.redeem(shares, alice, alice, {"from": alice})


def test_a_request_settles_at_the_end_of_the_next_epoch(fund: Any, token: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    put_in(bob, 3_000)
    tx = fund.requestExit(400 * SHARE, {"from": alice})
    number = int(fund.epoch()[0])
    assert dict(tx.events["ExitRequested"][0]) == {
        "id": 1,
        "owner": alice.address,
        "epoch": number,
        "shares": 400 * SHARE,
        "assets": 400 * USDC,
    }
    assert fund.balanceOf(alice) == 600 * SHARE
    assert fund.balanceOf(fund) == 400 * SHARE
    to_epoch(1, 10)
    assert fund.settleExits.call({"from": bob}) == 0  # the next epoch has begun, not ended
    with reverts("ExitNotSettled", 1, number):
        fund.claim(1, {"from": alice})
    to_epoch(1, 10)
    tx = fund.settleExits({"from": bob})
    assert dict(tx.events["ExitsSettled"][0]) == {"epoch": number, "shares": 400 * SHARE, "assets": 400 * USDC}
    assert fund.reserved() == 400 * USDC
    assert fund.holdings() == 3_600 * WAD
    assert fund.totalSupply() == 3_600 * SHARE
    assert left(fund, token, alice, 1) == 400 * USDC
    assert fund.reserved() == 0
    assert fund.holdings() == 3_600 * WAD
    with reverts("UnknownExit", 1):
        fund.claim(1, {"from": alice})


def test_it_bears_draws_until_then(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    put_in(bob, 1_000)
    fund.requestExit(1_000 * SHARE, {"from": alice})
    to_epoch(1)
    fund.draw(1, ETH, 500 * WAD, VAULT, {"from": member})
    to_epoch(1)
    fund.settleExits({"from": bob})
    assert left(fund, token, alice, 1) == pytest.approx(750 * USDC, abs=1)


def test_what_the_fund_earned_meanwhile_stays(fund: Any, token: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    put_in(bob, 1_000)
    fund.requestExit(1_000 * SHARE, {"from": alice})
    token.mint(fund, 400 * USDC, {"from": bob})
    to_epoch(2)
    fund.settleExits({"from": bob})
    tx = fund.claim(1, {"from": bob})  # anybody may: it goes to the owner
    (event,) = tx.events["ExitPaid"]
    assert event["owner"] == alice.address
    assert event["assets"] == 1_000 * USDC
    assert int(event["forgone"]) == pytest.approx(200 * USDC, abs=1)
    assert token.balanceOf(alice) == 1_000 * USDC
    assert fund.holdings() == 1_400 * WAD
    assert int(fund.convertToAssets(fund.balanceOf(bob))) == pytest.approx(1_400 * USDC, abs=2)


def test_requests_of_one_epoch_have_prices_of_their_own(
    fund: Any, token: Any, alice: Any, bob: Any, carol: Any, put_in: Any, to_epoch: Any
) -> None:
    for who in (alice, bob, carol):
        put_in(who, 1_000)
    fund.requestExit(1_000 * SHARE, {"from": alice})
    token.mint(fund, 300 * USDC, {"from": carol})
    fund.requestExit(1_000 * SHARE, {"from": bob})
    to_epoch(2)
    fund.settleExits({"from": carol})
    assert left(fund, token, alice, 1) == 1_000 * USDC
    assert left(fund, token, bob, 2) == pytest.approx(1_100 * USDC, abs=1)
    assert fund.reserved() <= 2  # roundings
    assert int(fund.convertToAssets(fund.balanceOf(carol))) == pytest.approx(1_200 * USDC, abs=4)


def test_late_settlements_wait_for_the_next_window(fund: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    fund.requestExit(1_000 * SHARE, {"from": alice})
    to_epoch(2, WINDOW + 1)
    assert fund.settleExits.call({"from": bob}) == 0
    started = int(fund.epoch()[1])
    assert tuple(map(int, fund.exitWindow())) == (started + LENGTH, started + LENGTH + WINDOW)
    to_epoch(1, WINDOW - 10)
    started = int(fund.epoch()[1])
    assert tuple(map(int, fund.exitWindow())) == (started, started + WINDOW)
    assert fund.settleExits.call({"from": bob}) == 1


def test_exits_wait_while_a_deficit_is_open(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    put_in(bob, 1_000)
    fund.requestExit(500 * SHARE, {"from": alice})
    to_epoch(1)
    fund.requestExit(500 * SHARE, {"from": alice})
    fund.deficitOpened(7, {"from": member})
    to_epoch(1)
    assert "ExitsSettled" not in fund.settleExits({"from": alice}).events
    to_epoch(1)
    fund.draw(7, ETH, 1_000 * WAD, VAULT, {"from": member})
    fund.deficitClosed(7, {"from": member})
    tx = fund.settleExits({"from": alice})
    assert len(tx.events["ExitsSettled"]) == 2  # both epochs' requests are due by now
    assert left(fund, token, alice, 1) == pytest.approx(250 * USDC, abs=1)
    assert left(fund, token, alice, 2) == pytest.approx(250 * USDC, abs=1)


def test_what_is_set_aside_is_not_drawn(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    put_in(alice, 1_000)
    put_in(bob, 1_000)
    fund.requestExit(1_000 * SHARE, {"from": alice})
    to_epoch(2)
    fund.settleExits({"from": alice})
    assert fund.available(member, ETH) == 1_000 * WAD
    fund.draw(1, ETH, 1_000 * WAD, VAULT, {"from": member})
    assert fund.holdings() == 0
    assert token.balanceOf(fund) == 1_000 * USDC
    assert left(fund, token, alice, 1) == 1_000 * USDC


def test_a_new_length_counts_from_the_next_epoch(fund: Any, parameters: Any, governor: Any, anvil: Anvil) -> None:
    number, started, ends = map(int, fund.epoch())
    parameters.set(Parameter.FUND_EPOCH, DAY, {"from": governor})
    assert tuple(map(int, fund.epoch())) == (number, started, ends)
    anvil.set_time(ends + 3 * DAY + 5)
    anvil.mine()
    assert tuple(map(int, fund.epoch())) == (number + 4, ends + 3 * DAY, ends + 4 * DAY)


def test_many_epochs_settle_in_several_calls(
    fund: Any, parameters: Any, member: Any, governor: Any, alice: Any, put_in: Any, anvil: Anvil
) -> None:
    put_in(alice, 1_000)
    parameters.set(Parameter.FUND_EPOCH, 3_600, {"from": governor})
    fund.deficitOpened(1, {"from": member})
    for _ in range(34):
        fund.requestExit(SHARE, {"from": alice})
        anvil.set_time(int(fund.epoch()[2]))
        anvil.mine()
    anvil.set_time(int(fund.epoch()[2]))
    anvil.mine()
    fund.deficitClosed(1, {"from": member})
    assert len(fund.settleExits({"from": alice}).events["ExitsSettled"]) == 32
    assert len(fund.settleExits({"from": alice}).events["ExitsSettled"]) == 2


def test_refusals(fund: Any, alice: Any) -> None:
    with reverts("ZeroShares"):
        fund.requestExit(0, {"from": alice})
    with reverts("ERC20InsufficientBalance", alice.address, 0, 1):
        fund.requestExit(1, {"from": alice})
    with reverts("UnknownExit", 1):
        fund.claim(1, {"from": alice})


def test_attack_exit_ahead_of_a_crash(fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any) -> None:
    """[A] Half of the shares belong to somebody who sees a loss of 1,000 coming. By plain ERC-4626: out with 2,000, the others bear all
    of it, 500 gained. Now the request bears its half."""
    put_in(alice, 2_000)
    put_in(bob, 2_000)
    plain = int(fund.convertToAssets(fund.balanceOf(alice)))  # what redeem would have paid
    fund.requestExit(fund.balanceOf(alice), {"from": alice})
    fund.draw(1, ETH, 1_000 * WAD, VAULT, {"from": member})
    to_epoch(2)
    fund.settleExits({"from": alice})
    got = left(fund, token, alice, 1)
    assert plain == 2_000 * USDC
    assert got == pytest.approx(1_500 * USDC, abs=1)
    assert int(fund.convertToAssets(fund.balanceOf(bob))) == pytest.approx(1_500 * USDC, abs=2)


def test_attack_a_matured_request_kept_in_stock(
    fund: Any, token: Any, member: Any, alice: Any, bob: Any, put_in: Any, to_epoch: Any
) -> None:
    """[A] Ask long before, do not settle, and settle in the minute when the news breaks. Outside a window nothing settles."""
    put_in(alice, 2_000)
    put_in(bob, 2_000)
    fund.requestExit(fund.balanceOf(alice), {"from": alice})
    to_epoch(3, 2 * DAY)
    assert "ExitsSettled" not in fund.settleExits({"from": alice}).events
    fund.draw(1, ETH, 1_000 * WAD, VAULT, {"from": member})
    to_epoch(1)
    fund.settleExits({"from": alice})
    assert left(fund, token, alice, 1) == pytest.approx(1_500 * USDC, abs=1)
