"""The whole system on the session's Anvil, deployed as users deploy it, with fixtures named after roles.

Contracts are Brownie's (`ledger`, `clearing`, ...); set-up goes through the project's own scripts. What a test does is undone after it.

    def test_buyer_holds_what_he_bought(publish, ledger, alice, bob, account_of, trade_at_mark):
        long, short = account_of(alice, MarginMode.CROSS, usdc=10_000), account_of(bob, MarginMode.PORTFOLIO, usdc=10_000, weth=1)
        publish()
        trade_at_mark(long, short, Instrument.perp(0), 2)
        assert ledger.positionSize(long.account, Instrument.perp(0).pack()) == 2 * WAD
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from keeper.model import Instrument, MarginMode
from scripts.anvil import Anvil, private_key
from scripts.chain import Chain
from scripts.configure import configure, default_expiries, hand_over
from scripts.deploy import Deployment, deploy
from scripts.market_feed import market_updates, sign
from scripts.market_path import OPENING_SPOTS, market_at
from scripts.parameter_list import governed_parameters
from scripts.roles import (
    DEPLOYER,
    FIRST_TRADER,
    GOVERNOR,
    GUARDIAN,
    KEEPER,
    MAKER,
    PUBLISHER,
    PUBLISHER_SIGNERS,
    address_of,
)
from scripts.seed_local import Party, fund_account, mark, open_account, to_wad, trade

WAD = 10**18


@pytest.fixture(scope="session")
def chain(anvil: Anvil) -> Chain:
    """The node without Brownie: `chain.send(contract_call, sender)`."""
    return Chain(anvil.url)


@pytest.fixture(scope="session")
def expiries(anvil: Anvil, project: Any) -> tuple[int, ...]:
    """Listed expiries of both underlyings: about a week, a month, a quarter (unix seconds)."""
    return default_expiries(anvil.time())


@pytest.fixture(scope="session")
def deployment(project: Any, chain: Chain, expiries: tuple[int, ...]) -> Deployment:
    """Deployed, configured, every role with the timelock."""
    deployer = address_of(DEPLOYER)
    deployment = deploy(chain, deployer)
    configure(chain, deployment, deployer, expiries)
    _allow_jumps(chain, deployment, deployer)
    _stop_interest(chain, deployment, deployer)
    hand_over(chain, deployment, deployer)
    return deployment


def _allow_jumps(chain: Chain, deployment: Deployment, deployer: str) -> None:
    """Tests move markets at once, as far as they need; what a jump does to the breaker is tested with the door's own defaults
    (tests/contracts/oracle, tests/scenarios)."""
    parameters = deployment.contract(chain, "RiskParameters").functions
    for name, value in (("BREAKER_WINDOW", 1), ("BREAKER_MOVE", WAD)):
        chain.send(parameters.set(governed_parameters()[name].index, value), deployer)


def _stop_interest(chain: Chain, deployment: Deployment, deployer: str) -> None:
    """Tests count cash to the unit while seconds pass; interest has its own (tests/contracts/clearing/test_interest.py). The governed
    rate stays: `funding.updateDebitRate()` has the ledger charge it again."""
    rate = governed_parameters()["DEBIT_RATE"].index
    parameters, funding = (deployment.contract(chain, name).functions for name in ("RiskParameters", "Funding"))
    governed = parameters.value(rate).call()
    for call in (parameters.set(rate, 0), funding.updateDebitRate(), parameters.set(rate, governed)):
        chain.send(call, deployer)


def _contract(fixture: str, name: str) -> Any:
    @pytest.fixture(scope="session", name=fixture)
    def contract(project: Any, deployment: Deployment) -> Any:
        return getattr(project, name).at(deployment.address(name))

    return contract


risk_parameters = _contract("risk_parameters", "RiskParameters")
breaker = _contract("breaker", "CircuitBreaker")
registry = _contract("registry", "InstrumentRegistry")
price_door = _contract("price_door", "PriceDoor")
vault = _contract("vault", "CollateralVault")
ledger = _contract("ledger", "Ledger")
engine = _contract("engine", "MarginEngine")
insurance_fund = _contract("insurance_fund", "InsuranceFund")
trading_limits = _contract("trading_limits", "TradingLimits")
margin_check = _contract("margin_check", "MarginCheck")
withdrawal_queue = _contract("withdrawal_queue", "WithdrawalQueue")
clearing = _contract("clearing", "Clearing")
funding = _contract("funding", "Funding")
settlement = _contract("settlement", "Settlement")
liquidator_contract = _contract("liquidator_contract", "Liquidator")
nominations = _contract("nominations", "Nominations")
deleverager = _contract("deleverager", "Deleverager")
lens = _contract("lens", "Lens")
timelock = _contract("timelock", "Timelock")


@pytest.fixture(scope="session")
def usdc(project: Any, deployment: Deployment) -> Any:
    return project.TokenMock.at(deployment.tokens["USDC"]["address"])


@pytest.fixture(scope="session")
def weth(project: Any, deployment: Deployment) -> Any:
    return project.TokenMock.at(deployment.tokens["WETH"]["address"])


def _role(fixture: str, index: int) -> Any:
    @pytest.fixture(scope="session", name=fixture)
    def role(project: Any) -> Any:
        from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

        return accounts[index]

    return role


deployer = _role("deployer", DEPLOYER)
governor = _role("governor", GOVERNOR)
keeper = _role("keeper", KEEPER)
maker = _role("maker", MAKER)
publisher = _role("publisher", PUBLISHER)
alice = _role("alice", FIRST_TRADER)
bob = _role("bob", FIRST_TRADER + 1)
carol = _role("carol", FIRST_TRADER + 2)
liquidator = _role("liquidator", FIRST_TRADER + 3)
guardian = _role("guardian", GUARDIAN)
stranger = _role("stranger", FIRST_TRADER + 5)


@pytest.fixture(scope="session")
def oracle_keys() -> list[str]:
    """Private keys of a quorum of the oracle signers."""
    return [private_key(index) for index in PUBLISHER_SIGNERS]


@pytest.fixture(scope="session")
def governance(project: Any, anvil: Anvil, timelock: Any) -> Any:
    """The timelock as a sender: what governance decided, without the waiting. `risk_parameters.set(..., {"from": governance})`."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", timelock.address)
    anvil.rpc("anvil_setBalance", timelock.address, hex(10**20))
    return accounts.at(timelock.address, force=True)


@pytest.fixture
def publish(
    anvil: Anvil, chain: Chain, deployment: Deployment, oracle_keys: list[str], expiries: tuple[int, ...]
) -> Callable[..., dict[str, Any]]:
    """Signs and submits a market as of the latest block; returns it.

    publish() is the opening market; publish({"ETH": 3_000.0}) moves spots; vol, basis, confidence as `market_at`; market=... as it is.
    """
    door = deployment.contract(chain, "PriceDoor")

    def submit(spots: Mapping[str, float] | None = None, *, market: dict[str, Any] | None = None, **made: float) -> dict[str, Any]:
        anvil.mine()  # the door wants a newer timestamp than the stored one
        now = anvil.time()
        market = market or market_at(now, expiries, OPENING_SPOTS | dict(spots or {}), **made)
        updates = market_updates(market, deployment.underlyings, now)
        signatures = [sign(update, oracle_keys, deployment.chain_id, door.address) for update in updates]
        chain.send(door.functions.submitBatch([update.as_tuple() for update in updates], signatures), address_of(PUBLISHER))
        return market

    return submit


@pytest.fixture
def strict_breaker(risk_parameters: Any, governance: Any) -> None:
    """The jump rule as deployed for users: 15 % in 60 s (`_allow_jumps`)."""
    for name, value in (("BREAKER_MOVE", 15 * WAD // 100), ("BREAKER_WINDOW", 60)):
        risk_parameters.set(governed_parameters()[name].index, value, {"from": governance})


@pytest.fixture
def confirm(publish: Callable[..., dict[str, Any]], move_time: Callable[[int], None]) -> Callable[..., dict[str, Any]]:
    """Publishes a jump until it has been confirmed for BREAKER_CONFIRM seconds and applies; the market it landed on."""

    def jump(spots: Mapping[str, float], **made: float) -> dict[str, Any]:
        publish(spots, **made)
        move_time(30)
        return publish(spots, **made)

    return jump


@pytest.fixture
def account_of(chain: Chain, deployment: Deployment) -> Callable[..., Party]:
    """Opens a funded account: account_of(alice, MarginMode.CROSS, usdc=10_000, weth=2) in whole tokens. `.account` is its number."""

    def build(owner: Any, mode: MarginMode, *, usdc: float = 0.0, weth: float = 0.0) -> Party:
        index = next(i for i in range(FIRST_TRADER + 10) if address_of(i) == owner.address)
        party = open_account(chain, deployment, index, mode)
        fund_account(chain, deployment, party, usdc=usdc, weth=weth)
        return party

    return build


@pytest.fixture
def trade_at_mark(chain: Chain, deployment: Deployment) -> Callable[..., int]:
    """trade_at_mark(buyer, seller, instrument, size) between parties of `account_of`, size in whole contracts; the price, 1e18.

    price=... (USD) trades there instead. Publish before: prices must be of the last seconds. Raises TransactionFailedError.
    """

    def settle(buyer: Party, seller: Party, instrument: Instrument, size: float, price: float | None = None) -> int:
        units = mark(chain, deployment, instrument.pack()) if price is None else to_wad(price)
        trade(chain, deployment, buyer, seller, instrument.pack(), to_wad(size), units)
        return units

    return settle


@pytest.fixture
def move_time(anvil: Anvil) -> Callable[[int], None]:
    """Mines one block that many seconds later. Prices grow stale by it: `publish()` again."""
    return anvil.advance
