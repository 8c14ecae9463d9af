"""Ledger and vault by themselves. `module` is the wired Clearing contract, impersonated: the tests call what only a module may."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.model import Instrument
from scripts.anvil import Anvil

ISOLATED, CROSS, PORTFOLIO = range(3)
WAD = 10**18
EXPIRY = 1_743_494_400  # 2025-04-01 08:00 UTC
PERP = Instrument.perp(0).pack()
BTC_PERP = Instrument.perp(1).pack()
CALL = Instrument.call(0, EXPIRY, 3_500).pack()
PUT = Instrument.put(0, EXPIRY, "0.0025").pack()
DEPOSIT, WITHDRAWAL, TRADE, FEE = range(4)
MAX_POSITIONS = 64


@pytest.fixture(scope="session")
def world(project: Any, anvil: Anvil) -> SimpleNamespace:
    from brownie import ZERO_ADDRESS, accounts  # noqa: PLC0415 - only once the project is loaded

    deployer, alice, bob, carol, stranger = accounts[0], accounts[10], accounts[11], accounts[12], accounts[15]
    usdc = project.TokenMock.deploy("USD Coin (local)", "USDC", 6, {"from": deployer})
    weth = project.TokenMock.deploy("Wrapped Ether (local)", "WETH", 18, {"from": deployer})
    ledger = project.Ledger.deploy({"from": deployer})
    vault = project.CollateralVault.deploy(usdc, deployer, {"from": deployer})
    clearing = project.Clearing.deploy((ledger, vault, *[ZERO_ADDRESS] * 8), {"from": deployer})
    ledger.wire([clearing], {"from": deployer})
    vault.wire([clearing], {"from": deployer})
    vault.list(weth, {"from": deployer})
    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    module = accounts.at(clearing.address, force=True)
    return SimpleNamespace(
        deployer=deployer,
        alice=alice,
        bob=bob,
        carol=carol,
        stranger=stranger,
        usdc=usdc,
        weth=weth,
        ledger=ledger,
        vault=vault,
        module=module,
    )


def _part(name: str) -> Any:
    @pytest.fixture(name=name)
    def part(world: SimpleNamespace) -> Any:
        return getattr(world, name)

    return part


deployer, alice, bob, carol, stranger = map(_part, ("deployer", "alice", "bob", "carol", "stranger"))
usdc, weth, ledger, vault, module = map(_part, ("usdc", "weth", "ledger", "vault", "module"))


@pytest.fixture
def account_of(ledger: Any, module: Any) -> Callable[..., int]:
    """Opens an account for an owner; its id."""

    def open_account(owner: Any, mode: int = CROSS) -> int:
        ledger.openAccount(owner, mode, {"from": module})
        return int(ledger.accountCount())

    return open_account


@pytest.fixture
def buyer(account_of: Callable[..., int], alice: Any) -> int:
    return account_of(alice)


@pytest.fixture
def seller(account_of: Callable[..., int], bob: Any) -> int:
    return account_of(bob)


@pytest.fixture
def trade(ledger: Any, module: Any) -> Callable[..., Any]:
    """`size` contracts (raw, 1e-18) from seller to buyer at `price` (raw, 1e-18 USD)."""

    def transfer(seller: int, buyer: int, size: int, price: int, instrument: int = PERP, limit: int = MAX_POSITIONS) -> Any:
        return ledger.transferPosition(seller, buyer, instrument, size, price, limit, {"from": module})

    return transfer


@pytest.fixture
def position(ledger: Any) -> Callable[..., tuple[int, int]]:
    """(size, cost) of an account in an instrument; (0, 0) where it has none."""

    def read(account: int, instrument: int = PERP) -> tuple[int, int]:
        held = {found: (size, cost) for found, size, cost in ledger.positions(account)}
        return held.get(instrument, (0, 0))

    return read
