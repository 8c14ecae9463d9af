"""After a shutdown everybody can withdraw his share: final prices, debtors' collateral, one ratio."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from keeper.pricing import InstrumentTable, price_table
from scripts.demo.crash import market_of, parameters
from scripts.deploy import SETTLEMENT
from scripts.market_path import OPENING_SPOTS, market_at
from tests.contracts.waterfall.shutdown.conftest import BTC_PERP, ETH_PERP, WINDOW
from tests.reverts import reverts

WAD = 10**18
UNIT = 10**12  # of USDC
ETH, BTC, WETH = 0, 1, 0
ZERO = "0x" + "00" * 20


# --- the whole way ---


@pytest.mark.parametrize("order", [1, -1], ids=["as opened", "the other way round"])
def test_everybody_gets_his_share(
    settlement: Any,
    ledger: Any,
    vault: Any,
    usdc: Any,
    weth: Any,
    world: Any,
    shut: Any,
    fix: Any,
    publish: Any,
    anyone: Any,
    insurance_fund: Any,
    order: int,
) -> None:
    publish({"ETH": 2_300.0, "BTC": 90_000.0})  # Carol lost 11,000 USD: more than cash and WETH
    shut()
    fix()
    before = {account: tuple(ledger.book(account)) for account in world.accounts}
    positions = {account: list(ledger.positions(account)) for account in world.accounts}
    settlement.settle(list(world.accounts)[::order], anyone)
    assert all(ledger.account(account)[2] == 0 for account in world.accounts)

    # Claims, account by account, from the books before and the final values.
    spot = settlement.finalSpot(ETH)
    claims, debts, pooled = 0, 0, 0
    for account in world.accounts:
        cash = before[account][1] + sum(size * settlement.finalValue(i)[1] // WAD for i, size, _ in positions[account])
        assert abs(settlement.claimOf(account) - max(0, cash)) <= len(positions[account])
        claims += max(0, cash)
        if cash < 0:
            debts -= cash
            pooled += min(-cash, ledger.collateral(settlement.pool(), WETH) * spot // WAD)
    assert debts > pooled > 0  # somebody must bear the rest
    house = ledger.cash(0)
    receipt = settlement.finalise(anyone)
    claims += house
    tokens = vault.recorded(SETTLEMENT)
    assert settlement.claimOf(0) == house
    assert int(settlement.ratio()) == pytest.approx((tokens + pooled) * WAD / claims, rel=1e-12)
    assert settlement.ratio() < WAD
    assert receipt.events["Finalised"]["ratio"] == settlement.ratio()

    weth_before = vault.recorded(WETH)
    pool_weth = ledger.collateral(settlement.pool(), WETH)
    paid, paid_weth = 0, 0
    for account in (*world.accounts, 0):
        own = ledger.collateral(account, WETH)
        claim = settlement.claimOf(account)
        for token in (SETTLEMENT, WETH):
            due = settlement.due(account, token)
            if due == 0:
                with reverts("NothingToClaim", account, token):
                    settlement.claim(account, token, anyone)
                continue
            event = settlement.claim(account, token, anyone).events["Claimed"]
            assert event["quantity"] == due
            assert event["to"] == (insurance_fund.address if account == 0 else ledger.account(account)[0])
            if token == SETTLEMENT:
                assert 0 <= claim * tokens // claims - due <= UNIT
                paid += due
            else:
                assert abs(due - own - claim * pool_weth // claims) <= 2
                paid_weth += due
            assert settlement.due(account, token) == 0
            with reverts("NothingToClaim", account, token):
                settlement.claim(account, token, anyone)
    count = len(world.accounts) + 1
    assert 0 <= tokens - paid <= count * UNIT  # never more than there is, and dust is all that stays
    assert vault.recorded(SETTLEMENT) == tokens - paid
    assert 0 <= weth_before - paid_weth <= count
    assert usdc.balanceOf(vault) * UNIT >= vault.recorded(SETTLEMENT)
    assert weth.balanceOf(vault) >= vault.recorded(WETH)


def test_owners_receive_it(
    settlement: Any, ledger: Any, usdc: Any, weth: Any, world: Any, shut: Any, fix: Any, anyone: Any, guardian: Any, insurance_fund: Any
) -> None:
    """Without debts a claim is worth 1: the idle account gets back what it brought, to the last unit; the fund its fees."""
    shut()
    fix()
    settlement.settle(list(world.accounts), anyone)
    settlement.finalise(anyone)
    assert int(settlement.ratio()) == pytest.approx(WAD, rel=1e-15)
    settlement.claim(world.idle.account, SETTLEMENT, anyone)
    settlement.claim(world.idle.account, WETH, anyone)
    assert usdc.balanceOf(guardian) in (123_456_788, 123_456_789)
    assert weth.balanceOf(guardian) == WAD // 2
    fees = settlement.claimOf(0)
    assert fees > 0
    held = usdc.balanceOf(insurance_fund)
    settlement.claim(0, SETTLEMENT, anyone)
    assert 0 <= fees // UNIT - (usdc.balanceOf(insurance_fund) - held) <= 1


def test_a_debt_that_collateral_covers_costs_nobody(
    settlement: Any, ledger: Any, world: Any, shut: Any, fix: Any, publish: Any, anyone: Any
) -> None:
    publish({"ETH": 2_900.0})  # Carol owes about 1,000 USD and has one WETH
    shut()
    fix()
    receipt = settlement.settle(list(world.accounts), anyone)
    event = next(e for e in receipt.events["AccountSettled"] if e["account"] == world.debtor.account)
    assert event["debt"] > 500 * WAD
    assert event["pooled"] == event["debt"]
    taken = ledger.collateral(settlement.pool(), WETH)
    assert taken == -(-event["debt"] * WAD // settlement.finalSpot(ETH))  # at the final price, rounded up
    settlement.finalise(anyone)
    assert int(settlement.ratio()) == pytest.approx(WAD, rel=1e-15)
    assert settlement.due(world.debtor.account, WETH) == WAD - taken  # the rest is its own
    assert settlement.due(world.debtor.account, SETTLEMENT) == 0


def test_resumes_over_many_transactions(settlement: Any, world: Any, shut: Any, fix: Any, anyone: Any) -> None:
    shut()
    fix()
    accounts = list(world.accounts)
    for number, account in enumerate(accounts, 1):
        settlement.settle([account], anyone)
        settlement.settle(accounts[:number], anyone)  # passed over
        assert tuple(settlement.progress()) == (number, len(accounts))
        if number < len(accounts):
            with reverts("NotSettled", number, len(accounts)):
                settlement.finalise(anyone)
    settlement.finalise(anyone)


# --- final prices ---


def test_the_final_spot_is_averaged_over_the_window(anvil: Any, settlement: Any, world: Any, shut: Any, publish: Any, anyone: Any) -> None:
    publish({"ETH": 3_400.0})
    begun = shut().timestamp
    anvil.rpc("evm_setNextBlockTimestamp", begun + 599)
    publish({"ETH": 3_000.0})
    changed = anvil.time()
    anvil.rpc("evm_setNextBlockTimestamp", begun + WINDOW)
    receipt = settlement.fixSpot(ETH, anyone)
    expected = (3_400 * (changed - begun) + 3_000 * (receipt.timestamp - changed)) * WAD // (receipt.timestamp - begun)
    assert settlement.finalSpot(ETH) == expected == receipt.events["SpotFixed"]["spot"]


def test_where_the_feed_is_dead_the_last_price_stands(settlement: Any, world: Any, shut: Any, fix: Any) -> None:
    shut()
    fix()
    assert (settlement.finalSpot(ETH), settlement.finalSpot(BTC)) == (3_400 * WAD, 94_000 * WAD)


def test_instruments_are_valued_once_at_the_final_spot(
    settlement: Any, world: Any, shut: Any, fix: Any, anyone: Any, publish: Any, anvil: Any, expiries: Any
) -> None:
    """Perps at the spot itself; the rest as the keeper prices it, forwards in proportion."""
    market = publish({"ETH": 3_300.0})
    shut()
    fix()
    settlement.settle([world.long.account], anyone)
    call, future = Instrument.call(ETH, expiries[1], 3_500), Instrument.future(BTC, expiries[2])
    now = market_of(market | {"time": anvil.time()})
    moved = now.moved(ETH, settlement.finalSpot(ETH) / WAD / 3_300.0).moved(BTC, settlement.finalSpot(BTC) / WAD / 94_000.0)
    prices = price_table(InstrumentTable.of([call, future]), moved, parameters()).value
    for instrument, price in zip((call, future), prices, strict=True):
        fixed, value = settlement.finalValue(instrument.pack())
        assert fixed
        assert value / WAD == pytest.approx(float(price), rel=1e-8)
    assert settlement.finalValue(BTC_PERP.pack())[1] == settlement.finalSpot(BTC)
    assert not settlement.finalValue(ETH_PERP.pack())[0]  # nobody settled yet holds it
    before = settlement.finalValue(call.pack())[1]
    settlement.settle([world.short.account], anyone)
    assert settlement.finalValue(call.pack())[1] == before


def test_what_has_expired_moves_no_more(
    settlement: Any, world: Any, shut: Any, fix: Any, anyone: Any, publish: Any, anvil: Any, price_door: Any, expiries: Any
) -> None:
    """Nobody fixed its settlement price before the shutdown: its last forward stands, whatever the spot did since."""
    publish({"ETH": 3_900.0})
    forward = price_door.read([ETH << 32 | expiries[1]])[0] >> 160
    anvil.set_time(expiries[1] + 60)
    publish(market=market_at(anvil.time(), expiries[2:], OPENING_SPOTS | {"ETH": 3_000.0}))
    shut()
    fix()
    assert settlement.finalSpot(ETH) == 3_000 * WAD
    settlement.settle([world.long.account], anyone)
    fixed, value = settlement.finalValue(Instrument.call(ETH, expiries[1], 3_500).pack())
    assert fixed
    assert abs(value - (forward - 3_500 * WAD)) < 10**8
    assert value > 400 * WAD


# --- what is refused ---


def test_nothing_before_the_shutdown(settlement: Any, world: Any, breaker: Any, guardian: Any, anyone: Any) -> None:
    breaker.tighten(255, 2, {"from": guardian})  # halted is not enough
    with reverts("NotShutDown"):
        settlement.begin(anyone)
    for call in (lambda: settlement.fixSpot(ETH, anyone), lambda: settlement.settle([1], anyone), lambda: settlement.finalise(anyone)):
        with reverts("NotBegun"):
            call()
    with reverts("NotBegun"):
        settlement.undoWithdrawals([], anyone)
    with reverts("NotFinalised"):
        settlement.claim(1, SETTLEMENT, anyone)
    with reverts("NotFinalised"):
        settlement.due(1, SETTLEMENT)
    assert settlement.ratio() == 0


def test_each_step_once_and_in_order(settlement: Any, world: Any, shut: Any, fix: Any, anyone: Any, registry: Any, governance: Any) -> None:
    registry.listUnderlying(5, "SOL", True, {"from": governance})
    begun = shut()
    assert (begun.events["Begun"]["accounts"], begun.events["Begun"]["window"]) == (len(world.accounts), WINDOW)
    with reverts("AlreadyBegun"):
        settlement.begin(anyone)
    with reverts("WindowOpen", begun.timestamp + WINDOW, ...):
        settlement.fixSpot(ETH, anyone)
    with reverts("NoFinalSpot"):
        settlement.settle([world.long.account], anyone)
    fix()
    with reverts("SpotAlreadyFixed", ETH, 3_400 * WAD):
        settlement.fixSpot(ETH, anyone)
    with reverts("NoFinalSpot", 5):
        settlement.fixSpot(5, anyone)
    for account in (0, settlement.pool(), 10**6):
        with reverts("UnknownAccount", account):
            settlement.settle([account], anyone)
    settlement.settle(list(world.accounts), anyone)
    with reverts("NotFinalised"):
        settlement.claim(world.long.account, SETTLEMENT, anyone)
    settlement.finalise(anyone)
    with reverts("AlreadyFinalised"):
        settlement.finalise(anyone)
    with reverts("UnknownToken", 7):
        settlement.claim(world.long.account, 7, anyone)
    with reverts("NothingToClaim", settlement.pool(), SETTLEMENT):
        settlement.claim(settlement.pool(), SETTLEMENT, anyone)


def test_traders_can_do_nothing_meanwhile(
    world: Any, shut: Any, clearing: Any, alice: Any, usdc: Any, vault: Any, trade_at_mark: Any, publish: Any
) -> None:
    shut()
    publish()
    usdc.mint(alice, 10**6, {"from": alice})
    usdc.approve(vault, 10**6, {"from": alice})
    with reverts("IsShutDown"):
        clearing.deposit(world.long.account, SETTLEMENT, WAD, {"from": alice})
    with reverts("WithdrawalsHalted", world.long.account, 3):
        clearing.withdraw(world.long.account, SETTLEMENT, WAD, alice, {"from": alice})


def test_the_settlement_is_a_module_of_both(settlement: Any, ledger: Any, vault: Any) -> None:
    assert ledger.isModule(settlement.address)
    assert vault.isModule(settlement.address)


def test_fractions_of_a_unit_stop_nobody(
    project: Any,
    settlement: Any,
    world: Any,
    account_of: Any,
    clearing: Any,
    vault: Any,
    governance: Any,
    guardian: Any,
    shut: Any,
    fix: Any,
    publish: Any,
    anyone: Any,
) -> None:
    """[A] A transfer between own accounts takes any quantity: what is less than a unit stays in the vault, the rest is paid."""
    token = project.TokenMock.deploy("Wrapped Bitcoin", "WBTC", 8, {"from": guardian})
    index = vault.tokenCount()
    vault.list(token, {"from": governance})
    token.mint(guardian, 10**8, {"from": guardian})
    token.approve(vault, 10**8, {"from": guardian})
    clearing.deposit(world.idle.account, index, WAD, {"from": guardian})
    other = account_of(guardian, MarginMode.CROSS).account
    publish()
    clearing.transfer(world.idle.account, other, index, 7, {"from": guardian})
    shut()
    fix()
    settlement.settle([*world.accounts, other], anyone)
    settlement.finalise(anyone)
    settlement.claim(world.idle.account, index, anyone)
    assert token.balanceOf(guardian) == 10**8 - 1
    assert settlement.due(world.idle.account, index) == settlement.due(other, index) == 0
    with reverts("NothingToClaim"):
        settlement.claim(other, index, anyone)
