"""Accounts, deposits and opening trades on a local chain: what users would send, sent by Anvil's accounts.

    python -m scripts.seed_local [--url http://127.0.0.1:8545] [--deployment out/deployment.json]

The publisher must run: trades need prices of the last seconds, and only it can sign them. Tokens are minted mocks; every deposit is a
transfer into the vault, every trade two signed orders, the fund's money an ERC-4626 deposit.
"""

from __future__ import annotations

import argparse
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from keeper.model.account import MarginMode
from scripts.anvil import private_key
from scripts.chain import Chain
from scripts.deploy import DEPLOYMENT_FILE, SETTLEMENT, Deployment
from scripts.orders import Order, sign_order
from scripts.roles import DEPLOYER, FIRST_TRADER, KEEPER, MAKER, address_of

if TYPE_CHECKING:
    from scripts.demo.story import Story

__all__ = ["Party", "SeedError", "fund_account", "mark", "open_account", "seed", "to_wad", "trade", "wait_for_fresh_prices"]

WAD = 10**18
FEE_CAP = WAD // 100
ORDER_SECONDS = 3_600
FRESH_SECONDS = 4  # a block is a second: leaves room for one more inside MAX_ACTION_AGE
FRESH_TIMEOUT_S = 60.0  # where a chain went back, the publisher may be waiting for a receipt that is gone, 10 s each time
POLL_S = 0.01
STAGING = 9  # times the deposit
_ACCOUNT_OPENED = "0x" + keccak(text="AccountOpened(uint64,address,uint8)").hex()


class SeedError(RuntimeError):
    """The chain is not ready to be seeded; the message says what is missing."""


class Party:
    """An account in the ledger and the Anvil index of its owner."""

    __slots__ = ("account", "index")

    def __init__(self, account: int, index: int) -> None:
        self.account = account
        self.index = index

    @property
    def address(self) -> str:
        return address_of(self.index)


def to_wad(amount: float) -> int:
    """Whole units to 1e-18, to the nearest 1e-6: what a 6-decimal token can hold."""
    return round(amount * 10**6) * 10**12


def open_account(chain: Chain, deployment: Deployment, index: int, mode: MarginMode) -> Party:
    """A new account owned by Anvil's account `index`."""
    receipt = chain.send(deployment.contract(chain, "Clearing").functions.openAccount(int(mode)), address_of(index))
    (opened,) = (log for log in receipt["logs"] if log["topics"][0] == _ACCOUNT_OPENED)
    return Party(int(opened["topics"][1], 16), index)


def fund_account(chain: Chain, deployment: Deployment, party: Party, *, usdc: float = 0.0, weth: float = 0.0) -> None:
    """Mints to the owner and deposits. Whole tokens."""
    clearing = deployment.contract(chain, "Clearing")
    for symbol, amount in (("USDC", usdc), ("WETH", weth)):
        if not amount:
            continue
        quantity = to_wad(amount)
        token, listing = deployment.token(chain, symbol), deployment.tokens[symbol]
        units = quantity // 10 ** (18 - listing["decimals"])
        chain.send(token.functions.mint(party.address, units), party.address)
        chain.send(token.functions.approve(deployment.address("CollateralVault"), units), party.address)
        chain.send(clearing.functions.deposit(party.account, listing["index"], quantity), party.address)


def withdraw(chain: Chain, deployment: Deployment, party: Party, *, usdc: float) -> None:
    """Whole USDC back to the owner; the contract checks initial margin."""
    clearing = deployment.contract(chain, "Clearing")
    chain.send(clearing.functions.withdraw(party.account, SETTLEMENT, to_wad(usdc), party.address), party.address)


def deposit_into_fund(chain: Chain, deployment: Deployment, index: int, usdc: float) -> None:
    """ERC-4626 deposit of whole USDC; the shares go to the depositor."""
    token, fund = deployment.token(chain, "USDC"), deployment.contract(chain, "InsuranceFund")
    units, owner = round(usdc * 10**6), address_of(index)
    chain.send(token.functions.mint(owner, units), owner)
    chain.send(token.functions.approve(fund.address, units), owner)
    chain.send(fund.functions.deposit(units, owner), owner)


def mark(chain: Chain, deployment: Deployment, instrument: int) -> int:
    """Mark price by the engine, 1e18."""
    (price,), _ = deployment.contract(chain, "MarginEngine").functions.marks([instrument]).call()
    return int(price)


def trade(chain: Chain, deployment: Deployment, buyer: Party, seller: Party, instrument: int, size: int, price: int) -> None:
    """Both sign, the buyer settles. size: contracts > 0, price: USD, both 1e18. Raises TransactionFailedError."""
    clearing = deployment.contract(chain, "Clearing")
    expiry = int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + ORDER_SECONDS

    def signed(party: Party, signed_size: int) -> tuple[object, ...]:
        order = Order(
            account=party.account,
            instrument=instrument,
            size=signed_size,
            limit_price=price,
            fee_cap=FEE_CAP,
            expiry=expiry,
            nonce=secrets.randbits(63),
        )
        return sign_order(order, private_key(party.index), deployment.chain_id, clearing.address).as_tuple()

    chain.send(clearing.functions.settle(signed(buyer, size), signed(seller, -size), size, price), buyer.address)


def wait_for_fresh_prices(chain: Chain, deployment: Deployment) -> None:
    """Until every underlying's price will be at most FRESH_SECONDS old in the next block. Raises SeedError when nobody publishes."""
    door = deployment.contract(chain, "PriceDoor")
    keys = [underlying << 32 for underlying in deployment.underlyings.values()]
    deadline = time.monotonic() + FRESH_TIMEOUT_S
    while time.monotonic() < deadline:
        now = int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        signed_at = min(word & 0xFFFFFFFF for word in door.functions.read(keys).call())
        if now + 1 - signed_at <= FRESH_SECONDS:
            return
        time.sleep(POLL_S)
    raise SeedError(f"no price of the last {FRESH_SECONDS} s after {FRESH_TIMEOUT_S:.0f} s: does the publisher run?")


def seed(
    chain: Chain, deployment: Deployment, story: Story, progress: Callable[[str], None] = lambda _: None
) -> tuple[Party, Party, dict[str, Party]]:
    """Maker, keeper, then the story's traders with their books; the fund's money. Returns maker, keeper and traders by name."""
    progress("insurance fund")
    if story.fund_usdc:
        deposit_into_fund(chain, deployment, DEPLOYER, story.fund_usdc)
    maker = open_account(chain, deployment, MAKER, MarginMode.PORTFOLIO)
    fund_account(chain, deployment, maker, usdc=story.maker_usdc)
    keeper = open_account(chain, deployment, KEEPER, MarginMode.PORTFOLIO)
    fund_account(chain, deployment, keeper, usdc=story.keeper_usdc)
    traders: dict[str, Party] = {}
    for index, trader in enumerate(story.traders, FIRST_TRADER):
        progress(trader.name)
        party = open_account(chain, deployment, index, trader.mode)
        # Each leg is checked alone: margin for the naked first one is paid in and taken out again once the book stands.
        staging = 0.0 if len(trader.legs) < 2 else STAGING * trader.usdc
        fund_account(chain, deployment, party, usdc=trader.usdc + staging, weth=trader.weth)
        traders[trader.name] = party
        for leg in trader.legs:
            instrument, size = leg.instrument.pack(), to_wad(leg.size)
            wait_for_fresh_prices(chain, deployment)
            price = mark(chain, deployment, instrument)
            buyer, seller = (party, maker) if size > 0 else (maker, party)
            trade(chain, deployment, buyer, seller, instrument, abs(size), price)
        if staging:
            wait_for_fresh_prices(chain, deployment)
            withdraw(chain, deployment, party, usdc=staging)
    return maker, keeper, traders


def main() -> None:
    from scripts.demo.fall import fall  # noqa: PLC0415 - the demo imports this module

    parser = argparse.ArgumentParser(description="Seeds a configured local chain with the traders of the demo's fall.")
    parser.add_argument("--url", default=os.environ.get("DPRE_RPC", "http://127.0.0.1:8545"))
    parser.add_argument("--deployment", type=Path, default=DEPLOYMENT_FILE)
    options = parser.parse_args()
    chain, deployment = Chain(options.url), Deployment.read(options.deployment)
    maker, keeper, traders = seed(chain, deployment, fall(), lambda name: print(f"    {name}"))
    print(f"    maker {maker.account}, keeper {keeper.account}, traders {', '.join(str(p.account) for p in traders.values())}")


if __name__ == "__main__":
    main()
