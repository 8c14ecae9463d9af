"""Events tell everything: the state of every contract, rebuilt from raw logs, is what its views return, chapter by chapter of a venue's
life; and leaving out any one kind of event is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.model import Instrument
from scripts.anvil import CHAIN_ID, Anvil, private_key
from scripts.deploy import SETTLEMENT, Deployment
from scripts.market_path import OPENING_SPOTS, market_at
from scripts.orders import order, sign_order
from scripts.parameter_list import governed_parameters
from scripts.roles import FIRST_TRADER, MAKER
from tests.contracts.events.logs import contracts_of, event_names, read_logs
from tests.contracts.events.state import State, differences, read_views
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, PORTFOLIO, WAD, World, wad

DAY, WEEK = 86_400, 604_800
OUTFLOW_WINDOW = 3_600
WETH, SOL, NEW_GROUP = 0, 2, 2
REDUCE_ONLY, HALTED, GLOBAL = 1, 2, 255
SALT = "0x" + "01" * 32
NOTHING = "0x" + "00" * 32

# What these say, others say too, or nothing ever stays of it.
TOLD_BY_OTHERS = {
    "Clearing.FillSkipped",
    "Clearing.PositionMoved",
    "Clearing.Trade",
    "Clearing.Transferred",
    "Deleverager.Deleveraged",
    "InsuranceFund.Deposit",
    "InsuranceFund.Withdraw",
    "Liquidator.CollateralConverted",
    "Liquidator.DeficitCovered",
    "Liquidator.LegTaken",
    "PriceDoor.JumpConfirmed",
    "Settlement.PositionsSettled",
    "SpotSources.SourcesDisagreed",
    "Timelock.CallSalt",
    "Token.Approval",
}
# No code path emits them: no admin of a role changes, the EIP-712 domain is constant.
NEVER_EMITTED = {"Clearing.EIP712DomainChanged"}
# Hold nothing: their events are messages.
STATELESS = {"LiquidationBatch"}


def never(kind: str) -> bool:
    return kind in NEVER_EMITTED or kind.endswith(".RoleAdminChanged") or kind.partition(".")[0] in STATELESS


class Life:
    """A venue by chapters. Contracts and people are the fixtures of their names."""

    def __init__(self, request: pytest.FixtureRequest, world: World) -> None:
        self._fixture = request.getfixturevalue
        self.world = world
        self.anvil: Anvil = world.system.anvil

    def __getattr__(self, name: str) -> Any:
        return self._fixture(name)

    def govern(self, name: str, value: int) -> None:
        self.risk_parameters.set(governed_parameters()[name].index, value, {"from": self.governance})

    # --- chapters ---

    def governance_decides(self) -> None:
        by = {"from": self.governance}
        for contract in (
            self.timelock,
            self.risk_parameters,
            self.breaker,
            self.registry,
            self.price_door,
            self.spot_sources,
            self.vault,
            self.insurance_fund,
            self.trading_limits,
        ):
            role = "0x" + "77" * 32
            contract.grantRole(role, self.stranger, by)
            contract.revokeRole(role, self.stranger, by)
        self.govern("TRADE_FEE", 2 * 10**14)
        self.risk_parameters.setScenarios(list(self.risk_parameters.scenarios())[:-1], by)
        self.registry.listUnderlying(SOL, "SOL", True, by)
        self.registry.listExpiry(SOL, self.expiries[0], by)
        self.risk_parameters.setGroup(NEW_GROUP, WAD // 4, by)
        self.risk_parameters.setUnderlying(SOL, NEW_GROUP, WAD, by)
        token = self.project.TokenMock.deploy("Wrapped SOL", "WSOL", 9, {"from": self.deployer})
        self.vault.list(token, by)
        self.risk_parameters.setCollateral(1, (SOL, False, WAD // 5, WAD // 10), by)
        self.trading_limits.setUnderlyingLimits(ETH, (10**25, 10**24, 10**24, 10**24), by)
        self.trading_limits.setInstrumentLimit(Instrument.perp(1).pack(), 10**24, by)
        self.trading_limits.setTokenLimits(WETH, (10**26, 10**24), by)
        self.insurance_fund.setMember(self.stranger, 1_000 * WAD, DAY, by)
        self.insurance_fund.setAgent(self.carol, self.stranger, by)

    def the_timelock_waits(self) -> None:
        by, delay = {"from": self.governor}, 3_600
        change = self.risk_parameters.set.encode_input(governed_parameters()["MAX_ACTION_AGE"].index, 6)
        for salt in (NOTHING, SALT, "0x" + "02" * 32):  # executed, cancelled, left
            self.timelock.schedule(self.risk_parameters, 0, change, NOTHING, salt, delay, by)
        self.timelock.cancel(self.timelock.hashOperation(self.risk_parameters, 0, change, NOTHING, SALT), by)
        self.anvil.advance(delay)
        self.timelock.execute(self.risk_parameters, 0, change, NOTHING, NOTHING, {"from": self.stranger})

    def accounts_and_orders(self) -> None:
        world, clearing, by = self.world, self.clearing, {"from": self.alice}
        self.first, self.second = (world.open(self.alice, CROSS, usdc=40_000, weth=3) for _ in range(2))
        clearing.setOperator(self.first, self.carol, 3, by)
        world.move()
        clearing.setMode(self.second, PORTFOLIO, by)
        self.trading_limits.attest(self.first, 7, {"from": self.governance})
        for instrument, size in (
            (ETH_PERP, 3),
            (Instrument.future(ETH, self.expiries[0]).pack(), -2),
            (Instrument.call(ETH, self.expiries[1], 3_600).pack(), 1),
        ):
            world.trade(self.first, instrument, size)
        world.trade(self.second, ETH_PERP, -1)
        world.move()
        clearing.transferPosition(self.first, self.second, Instrument.call(ETH, self.expiries[1], 3_600).pack(), WAD // 2, by)
        clearing.transfer(self.first, self.second, SETTLEMENT, 1_000 * WAD, by)
        clearing.transfer(self.first, self.second, WETH, WAD, by)
        buy, sell = self._orders()
        clearing.cancel(buy[0], by)
        world.move()
        clearing.settleBatch([(buy, sell, WAD, 3_400 * WAD)], False, {"from": self.stranger})  # a cancelled order: skipped
        clearing.cancelAll(self.second, 5, by)
        self.trading_limits.attest(self.second, 7, {"from": self.governance})

    def _orders(self) -> tuple[Any, Any]:
        expiry = self.anvil.time() + 60
        return tuple(
            sign_order(
                order(account, Instrument.perp(ETH), size, limit=3_400, expiry=expiry),
                private_key(index),
                CHAIN_ID,
                self.clearing.address,
            ).as_tuple()
            for account, size, index in ((self.first, 1, FIRST_TRADER), (self.world.maker_account, -1, MAKER))
        )

    def funding_and_interest(self) -> None:
        by = {"from": self.stranger}
        self.world.move(basis=0.004)
        self.funding.update(ETH, by)
        self.govern("DEBIT_RATE", WAD // 5)
        self.govern("PROFIT_VESTING", 2 * DAY)
        self.funding.updateDebitRate(by)
        self.funding.updateProfitVesting(by)
        self.anvil.advance(3_700)
        self.funding.update(ETH, by)
        self.anvil.advance(1_000)
        self.world.move(basis=0.0)
        self.ledger.accrue(self.second, by)
        self.world.trade(self.first, ETH_PERP, -1)
        self.debtor = self.world.open(self.bob, PORTFOLIO, weth=10)
        self.world.trade(self.debtor, ETH_PERP, 5)
        self.world.move({"ETH": 3_300.0})
        self.world.trade(self.debtor, ETH_PERP, -5)
        self.anvil.advance(5 * DAY)  # interest; the first expiry is two days ahead

    def withdrawals_wait(self) -> None:
        self.world.deposit(self.second, usdc=1_500_000)
        self.govern("OUTFLOW_CAP", WAD // 100)
        self.govern("OUTFLOW_FLOOR", 0)
        self.anvil.set_time((self.anvil.time() // OUTFLOW_WINDOW + 1) * OUTFLOW_WINDOW + 1)
        self.world.move()
        for quantity in (800_000, 700):
            self.clearing.withdraw(self.second, SETTLEMENT, quantity * WAD, self.bob, {"from": self.alice})
        self.world.move()
        self.clearing.withdraw(self.second, WETH, WAD // 10, self.bob, {"from": self.alice})

    def a_claim_is_paid(self) -> None:
        self.anvil.advance(OUTFLOW_WINDOW)
        self.withdrawal_queue.claim(1, {"from": self.stranger})
        self.world.deposit(self.second, usdc=50)

    def the_fund(self) -> None:
        fund, by = self.insurance_fund, {"from": self.maker}
        self.world.fund(5_000)
        shares = fund.balanceOf(self.maker) // 10
        fund.approve(self.stranger, shares, by)
        fund.transferFrom(self.maker, self.carol, shares // 3, {"from": self.stranger})
        fund.requestExit(shares, by)
        fund.requestExit(shares // 5, {"from": self.carol})
        fund.withdraw(0, self.maker, self.maker, by)
        fund.draw(1, ETH, 400 * WAD, self.vault, {"from": self.stranger})
        fund.deficitOpened(1, {"from": self.carol})
        self.govern("FUND_EPOCH", 2 * DAY)
        fund.setMember(self.stranger, 2_000 * WAD, DAY, {"from": self.governance})

    def exits_are_paid(self) -> None:
        fund, by = self.insurance_fund, {"from": self.stranger}
        self.anvil.set_time(int(fund.epoch()[2]) + 2 * DAY + 60)
        fund.deficitClosed(1, by)
        assert fund.settleExits(by).return_value == 1
        fund.claim(1, by)
        self.govern("FUND_EPOCH", 3 * DAY)
        self.anvil.advance(9 * DAY)
        fund.settleExits(by)  # nothing is due, but the epoch moves on
        self.govern("FUND_EPOCH", 4 * DAY)

    def liquidations(self) -> None:
        world, by = self.world, self.liquidator
        world.fund(3_000)
        self.rescuer = world.open(by, CROSS, usdc=100_000)
        buyer = world.open(self.bob, CROSS, usdc=20_000)
        self.liquidator_contract.flagDebt(self.debtor, {"from": self.stranger})
        self.anvil.advance(60)
        world.convert(self.debtor, buyer, wad(0.1), self.bob)
        world.move({"ETH": 3_400.0})
        falling = world.open(self.alice, CROSS, usdc=2_000)
        world.trade(falling, ETH_PERP, 10)
        world.move({"ETH": 3_230.0})
        world.flag(falling, self.stranger)
        self.anvil.advance(100)
        world.liquidate(falling, self.rescuer, [(ETH_PERP, wad(4))], by)
        world.move({"ETH": 3_150.0})
        world.liquidate(falling, self.rescuer, [(ETH_PERP, wad(6))], by)
        broke = world.open(self.carol, CROSS, usdc=300)
        world.trade(broke, ETH_PERP, 1)
        world.move({"ETH": 2_800.0})
        world.trade(broke, ETH_PERP, -1)
        self.liquidator_contract.coverDeficit(broke, {"from": self.stranger})

    def a_deficit_opens(self) -> None:
        world = self.world
        world.move({"ETH": 3_400.0})
        self.govern("NOMINATION_QUEUE", 3)
        self.govern("FUND_UNDERLYING_CAP", 400 * WAD)  # a part of it is drawn: the rest pays less than what will be owed
        self.bankrupt = world.open(self.alice, CROSS, usdc=2_000)
        world.trade(self.bankrupt, ETH_PERP, 10)
        self.shorts = [
            world.open(who, CROSS, usdc=money) for who, money in ((self.bob, 9_000), (self.carol, 3_000), (self.guardian, 4_000))
        ]
        for account, size in zip(self.shorts, (-4, -3, -2), strict=True):
            world.trade(account, ETH_PERP, size)
        world.move({"ETH": 3_100.0})
        world.open_deficit(self.bankrupt, self.stranger)
        for account in self.shorts[:2]:
            world.nominate(ETH_PERP, account, self.stranger)

    def deleveraging(self) -> None:
        world = self.world
        world.wait_for_nominations()
        first = world.execute(self.bankrupt, self.stranger, 1)
        assert first.events["Executed"]["fundPaid"] > 0
        world.execute(self.bankrupt, self.stranger)

    def a_further_window(self) -> None:
        self.world.nominate(ETH_PERP, self.shorts[2], self.stranger)
        self.world.wait_for_nominations()
        self.world.execute(self.bankrupt, self.stranger)
        self.world.wait_for_nominations()
        self.world.execute(self.bankrupt, self.stranger)

    def the_claim_is_repaid(self) -> None:
        self.world.move({"ETH": 3_200.0})
        self.deleverager.repayClaim(self.bankrupt, {"from": self.stranger})

    def prices_jump(self) -> None:
        self.govern("BREAKER_MOVE", WAD // 10)
        self.govern("BREAKER_WINDOW", 60)
        self.world.move()
        self.world.move({"ETH": 2_700.0})
        self.anvil.advance(10)
        self.world.move()

    def the_breaker_is_tightened(self) -> None:
        self.anvil.advance(25)
        self.world.move()  # confirmed
        self.breaker.tighten(1, REDUCE_ONLY, {"from": self.guardian})
        self.breaker.tighten(GLOBAL, HALTED, {"from": self.guardian})

    def all_is_well_again(self) -> None:
        for scope in (0, 1, GLOBAL):
            self.breaker.loosen(scope, 0, {"from": self.governance})
        self.anvil.advance(400)
        self.price_door.poke(ETH, {"from": self.stranger})
        self.govern("BREAKER_MOVE", WAD)

    def other_sources(self) -> None:
        by = {"from": self.governance}
        aggregators = [self.project.AggregatorMock.deploy(8, {"from": self.deployer}) for _ in range(2)]
        adapters = [self.project.ChainlinkSource.deploy(aggregator, {"from": self.deployer}) for aggregator in aggregators]
        self.spot_sources.setSources(ETH, [(adapter, 3_600, 0, 0) for adapter in adapters], by)
        self.price_door.chooseSources(ETH, self.spot_sources, by)
        for aggregator, price in zip(aggregators, (2_702, 3_500), strict=True):
            aggregator.answer(price * 10**8, {"from": self.stranger})
        self.world.move()

    def an_expiry_settles(self) -> None:
        by, expiry = {"from": self.stranger}, self.expiries[0]
        assert self.anvil.time() > expiry
        self.settlement.fix(ETH, expiry, by)
        self.settlement.settleNext(ETH, expiry, 3, by)
        self.settlement.settle([self.world.maker_account], ETH, expiry, by)

    def the_end(self) -> None:
        by, later = {"from": self.stranger}, self.expiries[1:]
        self.anvil.set_time((self.anvil.time() // OUTFLOW_WINDOW + 1) * OUTFLOW_WINDOW)
        self.publish(market=market_at(self.anvil.time(), later, OPENING_SPOTS | {"ETH": 2_700.0}))
        waits = self.clearing.withdraw(self.second, SETTLEMENT, 650_000 * WAD, self.bob, {"from": self.alice}).return_value
        self.breaker.shutdown({"from": self.governance})
        self.shutdown_settlement.begin(by)
        self.publish(market=market_at(self.anvil.time(), later, OPENING_SPOTS | {"ETH": 2_000.0}))
        self.anvil.advance(1_800)
        for underlying in (0, 1):
            self.shutdown_settlement.fixSpot(underlying, by)
        self.shutdown_settlement.undoWithdrawals([waits], by)
        self.shutdown_settlement.settle(list(range(1, int(self.shutdown_settlement.progress()[1]) + 1)), by)

    def everybody_goes_home(self) -> None:
        by = {"from": self.stranger}
        self.shutdown_settlement.finalise(by)
        for account, token in ((0, SETTLEMENT), (self.first, SETTLEMENT), (self.debtor, WETH)):
            self.shutdown_settlement.claim(account, token, by)


CHAPTERS: tuple[Callable[[Life], None], ...] = (
    Life.governance_decides,
    Life.the_timelock_waits,
    Life.accounts_and_orders,
    Life.funding_and_interest,
    Life.withdrawals_wait,
    Life.a_claim_is_paid,
    Life.the_fund,
    Life.liquidations,
    Life.a_deficit_opens,
    Life.deleveraging,
    Life.a_further_window,
    Life.the_claim_is_repaid,
    Life.prices_jump,
    Life.the_breaker_is_tightened,
    Life.all_is_well_again,
    Life.other_sources,
    Life.exits_are_paid,
    Life.an_expiry_settles,
    Life.the_end,
    Life.everybody_goes_home,
)


@pytest.fixture(scope="session")
def spot_sources(project: Any, deployment: Deployment) -> Any:
    return project.SpotSources.at(deployment.address("SpotSources"))


@pytest.fixture(scope="session")
def shutdown_settlement(project: Any, deployment: Deployment) -> Any:
    return project.ShutdownSettlement.at(deployment.address("ShutdownSettlement"))


def test_logs_alone_rebuild_the_whole_state(
    request: pytest.FixtureRequest, anvil: Anvil, deployment: Deployment, agree: Callable[[], State], world: World
) -> None:
    agree()
    contracts = contracts_of(deployment)
    addresses = {name: address for address, (name, _) in contracts.items() if name != "Token"}
    life, pages = Life(request, world), []
    for chapter in CHAPTERS:
        chapter(life)
        logs, now = read_logs(anvil, contracts), anvil.time()
        expected = State(addresses).fold(logs).views(now)
        actual = read_views(anvil, contracts, expected)
        assert differences(expected, actual) == [], chapter.__name__
        pages.append((logs, now, actual))
    agree()

    # Every kind of event was there, and each that the fold uses is missed on at least one page.
    emitted = {log.kind for log in pages[-1][0]}
    kinds = {kind for kind in event_names(contracts) if not never(kind)}
    used = {kind for kind in kinds if State(addresses).folds(kind)}
    assert {
        "not emitted": sorted(kinds - emitted),
        "not folded": sorted((kinds - used) ^ TOLD_BY_OTHERS),
        "not missed": [kind for kind in sorted(used) if not any(_missed(kind, addresses, *page) for page in pages)],
    } == {"not emitted": [], "not folded": [], "not missed": []}


def _missed(kind: str, addresses: Any, logs: Any, now: int, actual: Any) -> bool:
    if not any(log.kind == kind for log in logs):
        return False
    try:
        state = State(addresses).fold(log for log in logs if log.kind != kind)
        return bool(differences(state.views(now), actual))
    except (AssertionError, KeyError, IndexError, ValueError, TypeError, ZeroDivisionError):
        return True  # the fold itself falls over what is not there


def test_a_wrong_number_is_seen(anvil: Anvil, deployment: Deployment, world: World, alice: Any) -> None:
    """The control of the comparison: one digit of one log."""
    contracts = contracts_of(deployment)
    addresses = {name: address for address, (name, _) in contracts.items() if name != "Token"}
    account = world.open(alice, CROSS, usdc=1_000)
    logs = read_logs(anvil, contracts)
    actual = read_views(anvil, contracts, State(addresses).fold(logs).views(anvil.time()))
    changed = next(log for log in reversed(logs) if log.kind == "Ledger.CashChanged")
    forged = [log if log is not changed else type(log)(**{**_fields(log), "args": {**log.args, "cash": log["cash"] + 1}}) for log in logs]
    (line,) = differences(State(addresses).fold(forged).views(anvil.time()), actual)
    assert line.startswith(f"Ledger.cash({account},)")


def _fields(log: Any) -> dict[str, Any]:
    return {name: getattr(log, name) for name in log.__slots__}
