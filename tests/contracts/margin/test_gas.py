"""The committed gas figures are what transactions pay: the books of tests/forge/gas/MarginGas.t.sol on Anvil, within 2 % by receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hexbytes import HexBytes
from web3.contract import Contract

from benchmarks.gas import SNAPSHOT, TOLERANCE, risen
from keeper.model import Instrument, MarginMode
from scripts.anvil import private_key
from scripts.artifacts import load
from scripts.chain import Chain
from scripts.market_feed import ExpiryQuote, MarketUpdate, sign
from scripts.roles import DEPLOYER, address_of

WAD = 10**18
ETH = 0
SPOT = 3_500 * WAD
HOUR, DAY = 3_600, 86_400
TENORS = (7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY)
CALL_COLD = 2_600  # what a call of another contract's pays to reach the engine, and the first callee of a transaction does not
WITNESS = (b"\x00", b"\x00")


@pytest.fixture(scope="module")
def committed() -> Mapping[str, int]:
    return dict(json.loads(SNAPSHOT.read_text()))


class System:
    """Ledger, parameters, door and engine with one underlying, four expiries and a module of the ledger in our hands."""

    def __init__(self, chain: Chain, now: int) -> None:
        self.chain, self.me, self.now = chain, address_of(DEPLOYER), now
        self.ledger = self._deploy("Ledger")
        self.parameters = self._deploy("RiskParameters", self.me)
        functions = self.parameters.functions
        registry = self._deploy("InstrumentRegistry", self.me)
        self.module = registry.address  # any contract: the node sends in its name
        chain.rpc("anvil_impersonateAccount", self.module)
        chain.rpc("anvil_setBalance", self.module, hex(10**20))
        chain.send(self.ledger.functions.wire([self.module]), self.me)
        for call in (
            functions.setUnderlying(0, 1, WAD),
            functions.setUnderlying(1, 1, WAD),
            functions.setGroup(1, WAD // 2),
            functions.setCollateral(0, (0, True, WAD // 10, 7 * WAD // 100)),
            registry.functions.listUnderlying(0, "ETH", True),
            *(registry.functions.listExpiry(0, expiry) for expiry in self.expiries),
        ):
            chain.send(call, self.me)
        self.door = self._deploy("PriceDoor", *self._door_arguments(registry))
        self._publish()
        self.engine = self._deploy("MarginEngine", self.ledger.address, self.door.address, self.parameters.address)

    @property
    def expiries(self) -> list[int]:
        return [self.now // HOUR * HOUR + tenor for tenor in TENORS]  # on the hour, as what is listed

    def _door_arguments(self, registry: Contract) -> tuple[Any, ...]:
        breaker = self._deploy("CircuitBreaker", self.me)
        return self.me, registry.address, self.parameters.address, breaker.address, [address_of(DEPLOYER)], 1

    def _deploy(self, name: str, *arguments: Any) -> Contract:
        artifact = load(name)
        return self.chain.deploy(artifact.abi, artifact.bytecode, arguments, self.me)[0]

    def _publish(self) -> None:
        quotes = []
        for i, expiry in enumerate(self.expiries):
            tau = TENORS[i] * WAD // (365 * DAY)
            svi = {"a": tau * 3 // 10**9 * 10**8, "b": tau // (2 * 10**8) * 10**8, "rho": -WAD // 5, "m": WAD // 50, "sigma": WAD // 4}
            quotes.append(
                ExpiryQuote(expiry=expiry, forward=SPOT + i * 40 * WAD, rate=WAD // 25, **svi, ref_forward=SPOT + 5 * WAD, ref_tau=tau)
            )
        update = MarketUpdate(underlying=ETH, timestamp=self.now, spot=SPOT, mark=SPOT + 3 * WAD, confidence=10_000, expiries=tuple(quotes))
        signature = sign(update, [private_key(DEPLOYER)], self.chain.chain_id, self.door.address)
        self.chain.send(self.door.functions.submit(update.as_tuple(), signature), self.me)

    def account(self, mode: MarginMode, options: int) -> int:
        for side in (mode, MarginMode.CROSS):
            self.chain.send(self.ledger.functions.openAccount(self.me, int(side)), self.module)
        other = int(self.ledger.functions.accountCount().call())
        account = other - 1
        self.chain.send(self.ledger.functions.changeCollateral(account, 0, 10 * WAD), self.module)
        for i in range(options):
            kind = Instrument.call if i % 2 == 0 else Instrument.put
            instrument = kind(ETH, self.expiries[i % 4], 2_450 + i * 2_100 // options).pack()
            seller, buyer = (account, other) if (i // 2) % 2 == 0 else (other, account)
            self.chain.send(self.ledger.functions.transferPosition(seller, buyer, instrument, 3 * WAD, 100 * WAD, 255), self.module)
        return account

    def reduce(self) -> None:
        """The 23 scenarios of the comparison."""
        listed = self.parameters.functions.scenarios().call()
        kept = [tuple(s) for i, s in enumerate(listed) if i >= 27 or (i // 3) % 2 == 0]
        self.chain.send(self.parameters.functions.setScenarios(kept), self.me)

    def paid(self, call: Any) -> int:
        """Execution gas of a transaction that makes the call: its receipt's without the intrinsic part."""
        receipt = self.chain.send(call, self.me)
        data = HexBytes(call._encode_transaction_data())
        intrinsic = 21_000 + sum(4 if byte == 0 else 16 for byte in data)
        return int(receipt["gasUsed"], 16) - intrinsic


@pytest.fixture(scope="module")
def system(chain: Chain, project: Any, anvil: Any) -> System:
    anvil.mine()
    return System(chain, anvil.time())


def test_receipts_agree_with_the_snapshot(system: System, committed: Mapping[str, int]) -> None:
    large, medium, cross = (
        system.account(mode, options) for mode, options in ((MarginMode.PORTFOLIO, 64), (MarginMode.PORTFOLIO, 16), (MarginMode.CROSS, 64))
    )
    functions = system.engine.functions
    calls = {
        "portfolio_64x35_cold": functions.requirement(large),
        "portfolio_16x35_cold": functions.requirement(medium),
        "witness_64_cold": functions.witnessed(large, WITNESS),
        "witness_16_cold": functions.witnessed(medium, WITNESS),
        "cross_64_cold": functions.requirement(cross),
    }
    paid = {name: system.paid(call) + CALL_COLD for name, call in calls.items()}
    single = system.account(MarginMode.PORTFOLIO, 1)
    system.reduce()
    for name, account in {"portfolio_64x23_cold": large, "portfolio_1x23_cold": single}.items():
        paid[name] = system.paid(functions.requirement(account)) + CALL_COLD
    for name, gas in paid.items():
        assert gas == pytest.approx(committed[name], rel=0.02), name
    # The control: two figures that differ by more than the tolerance are told apart.
    assert paid["portfolio_64x23_cold"] != pytest.approx(committed["portfolio_64x35_cold"], rel=0.02)


def test_a_risen_figure_is_reported(committed: Mapping[str, int]) -> None:
    assert risen(committed, committed) == {}
    more = {name: round(gas * (1 + TOLERANCE)) + 2 for name, gas in committed.items()}
    assert risen(more, committed) == {name: (committed[name], more[name]) for name in committed}
    assert risen({}, committed) == {name: (gas, 0) for name, gas in committed.items()}


def test_every_figure_that_is_promised_is_committed(committed: Mapping[str, int]) -> None:
    assert {
        "portfolio_64x23_cold",
        "portfolio_64x35_cold",
        "portfolio_1x23_cold",
        "portfolio_127x23_cold",
        "witness_64_cold",
        "cross_64_cold",
        "witness_16_cold",
        "per_option_scenario",
        "black76",
        "cdf",
    } <= set(committed)
    assert committed["per_option_scenario"] == round((committed["portfolio_64x35_cold"] - committed["portfolio_64x23_cold"]) / (64 * 12))


def test_the_documented_figures_are_the_committed_ones(committed: Mapping[str, int]) -> None:
    rows = (line.split(" | ") for line in (SNAPSHOT.parents[1] / "docs" / "gas.md").read_text().splitlines() if line.startswith("| "))
    documented = {row[0][2:]: int(row[2].replace(",", "")) for row in rows if row[0][2:] in committed}
    assert documented == {name: committed[name] for name in documented}
    assert len(documented) == 10
