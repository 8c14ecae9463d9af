"""The fold against the contracts, in integers, while time passes: funding, interest, settlement, shared losses, modes, deficits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from keeper.chain import Decoder, NodeClient
from keeper.chain import Deployment as Described
from keeper.model import Account, Instrument, MarginMode
from keeper.portfolio import State, differences, fold
from keeper.portfolio.reconciliation import account_of_view
from scripts.anvil import Anvil
from scripts.deploy import Deployment

WAD = 10**18
ETH = 0
HOUSE = 0
PERP = Instrument.perp(ETH)


@pytest.fixture
def module(project: Any, anvil: Anvil, clearing: Any) -> Any:
    """A wired module as a sender: what only the waterfall will do."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    return accounts.at(clearing.address, force=True)


@pytest.fixture
def follow(anvil: Anvil, deployment: Deployment) -> Any:
    """The fold of every log so far, and the time of the block that it stands at."""
    described = Described.parse(asdict(deployment))
    client, decoder = NodeClient(anvil.url, described.contract("Ledger").errors), Decoder(described)
    names = {token["address"]: symbol for symbol, token in deployment.tokens.items()}

    def read() -> tuple[State, int]:
        head = client.head()
        logs = client.logs(decoder.addresses, deployment.block, head.number)
        return fold(State(), decoder.decode_all(logs), names), head.time

    return read


def test_everything_accrued_and_booked_agrees(
    anvil: Anvil,
    ledger: Any,
    chain: Any,
    deployment: Deployment,
    funding: Any,
    settlement: Any,
    module: Any,
    follow: Any,
    publish: Any,
    account_of: Any,
    trade_at_mark: Any,
    expiries: tuple[int, ...],
    alice: Any,
    bob: Any,
    carol: Any,
    stranger: Any,
) -> None:
    tokens = {0: "WETH"}
    seen = {"carry": 0, "interest": 0}

    def agree() -> State:
        state, time = follow()
        views = deployment.contract(chain, "Lens").functions.accounts(0, int(ledger.accountCount())).call()
        assert differences(state, [account_of_view(view, tokens) for view in views]) == []
        for account in state.accounts.values():
            carry, interest = state.carry.owed(account, time), state.carry.interest(account, time)
            assert (carry, interest) == tuple(map(int, ledger.accrued(account.id))), account.id
            accrued: Account = state.carry.accrued(account, time)
            balance = accrued.cash.raw - sum(position.cost.raw for position in account.positions.values())
            assert balance == ledger.book(account.id)[1]
            seen["carry"] += carry != 0
            seen["interest"] += interest != 0
        return state

    publish({"ETH": 2_000.0}, basis=0.004)
    long, short, third = (account_of(who, MarginMode.CROSS, usdc=90_000, weth=1) for who in (alice, bob, carol))
    future, call = Instrument.future(ETH, expiries[0]), Instrument.call(ETH, expiries[1], 2_100)
    publish({"ETH": 2_000.0}, basis=0.004)
    trade_at_mark(long, short, PERP, 3.000000000000000001)
    trade_at_mark(third, long, future, 2)
    publish({"ETH": 2_000.0}, basis=0.004)
    trade_at_mark(short, third, call, 5)
    agree()

    funding.update(ETH, {"from": stranger})
    funding.updateDebitRate({"from": stranger})
    anvil.advance(7_200)
    funding.update(ETH, {"from": stranger})
    anvil.advance(3_601)
    agree()
    publish({"ETH": 2_000.0}, basis=-0.002)
    trade_at_mark(short, long, PERP, 1.234567890123456789)
    anvil.advance(7)
    agree()

    ledger.changeCash(long.account, -(200_000 * WAD), 1, {"from": module})
    anvil.advance(86_400)  # the rate ended in between
    agree()
    funding.update(ETH, {"from": stranger})
    ledger.changeCash(long.account, 7 * WAD, 0, {"from": module})
    ledger.shareLoss(long.account, call.pack(), True, 777 * WAD + 1, {"from": module})
    ledger.shareLoss(long.account, PERP.pack(), False, 11 * WAD, {"from": module})
    anvil.advance(50)
    state = agree()
    assert state.carry.losses[PERP][1] < 0 < state.carry.losses[call][0]
    ledger.accrue(short.account, {"from": stranger})
    ledger.setMode(third.account, int(MarginMode.PORTFOLIO), {"from": module})
    ledger.setDeficit(long.account, True, {"from": module})
    anvil.advance(1_000)
    state = agree()
    assert state.accounts[long.account].deficit_open
    assert state.accounts[third.account].mode is MarginMode.PORTFOLIO

    anvil.advance(expiries[0] - anvil.time() + 1)
    ledger.setDeficit(long.account, False, {"from": module})
    settlement.fix(ETH, expiries[0], {"from": stranger})
    settlement.settle([long.account], ETH, expiries[0], {"from": stranger})
    agree()
    settlement.settleNext(ETH, expiries[0], 1_000, {"from": stranger})
    anvil.advance(100)
    state = agree()
    assert all(future not in account.positions for account in state.accounts.values())
    assert seen["carry"] > 10
    assert seen["interest"] > 2
    assert state.accounts[HOUSE].cash.raw > 0
