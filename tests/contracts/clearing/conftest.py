"""Traders on the whole system: funded accounts, signed orders, settled trades. ETH opens at 3,400 with the perp mark at spot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.model import Instrument
from scripts.anvil import CHAIN_ID, Anvil, private_key
from scripts.orders import SignedOrder, order, sign_order, wad
from scripts.parameter_list import governed_parameters
from scripts.roles import address_of

ISOLATED, CROSS, PORTFOLIO = range(3)
WAD = 10**18
USDC, WETH = 255, 0
HOUSE = 0
PERP = Instrument.perp(0)
BTC_PERP = Instrument.perp(1)
SPOT = 3_400
FEE_RATE = 3 * 10**14  # TRADE_FEE
MAX_AGE = 5  # MAX_ACTION_AGE, seconds
KEYS = {address_of(index): private_key(index) for index in range(16)}


def fee(size: int, price: int) -> int:
    """Fee of one side of `size` contracts at `price` (both whole), 1e-18 USD."""
    return size * price * FEE_RATE


@pytest.fixture
def govern(risk_parameters: Any, governance: Any) -> Callable[[str, int], None]:
    """govern("MAX_LEVERAGE", 5 * WAD): what governance decided."""

    def change(name: str, value: int) -> None:
        risk_parameters.set(governed_parameters()[name].index, value, {"from": governance})

    return change


@pytest.fixture
def fund(clearing: Any, vault: Any, usdc: Any, weth: Any) -> Callable[..., None]:
    """Mints, approves and deposits: usdc in dollars (6 decimals), weth in whole tokens."""

    def pay_in(account: int, owner: Any, *, usdc_amount: float = 0, weth_amount: float = 0) -> None:
        for token, index, amount, decimals in ((usdc, USDC, usdc_amount, 6), (weth, WETH, weth_amount, 18)):
            if amount:
                units = round(amount * 10**6) * 10 ** (decimals - 6)
                token.mint(owner, units, {"from": owner})
                token.approve(vault, units, {"from": owner})
                clearing.deposit(account, index, units * 10 ** (18 - decimals), {"from": owner})

    return pay_in


@pytest.fixture
def open_account(clearing: Any, ledger: Any, fund: Callable[..., None]) -> Callable[..., int]:
    """open_account(alice, CROSS, usdc=10_000) -> id."""

    def opened(owner: Any, mode: int = CROSS, *, usdc: float = 0, weth: float = 0) -> int:
        clearing.openAccount(mode, {"from": owner})
        account = int(ledger.accountCount())
        fund(account, owner, usdc_amount=usdc, weth_amount=weth)
        return account

    return opened


@pytest.fixture
def signed(anvil: Anvil, ledger: Any, clearing: Any) -> Callable[..., SignedOrder]:
    """An order of whole or decimal contracts at a limit in USD, signed by the account's owner or by `signer`, valid for a minute."""

    def build(account: int, size: Any, limit: Any = SPOT, instrument: Any = PERP, *, signer: Any = None, **changed: Any) -> SignedOrder:
        key = KEYS[str(signer or ledger.account(account)[0])]
        fields = {"limit": limit, "expiry": anvil.time() + 60} | changed
        return sign_order(order(account, instrument, size, **fields), key, CHAIN_ID, clearing.address)

    return build


@pytest.fixture
def settle(clearing: Any, stranger: Any) -> Callable[..., Any]:
    """Settles two signed orders; size and price in 1e-18. Anyone may: by default a stranger does."""

    def send(buy: SignedOrder, sell: SignedOrder, size: int, price: int, sender: Any = stranger) -> Any:
        return clearing.settle(buy.as_tuple(), sell.as_tuple(), size, price, {"from": sender})

    return send


@pytest.fixture
def trade(signed: Callable[..., SignedOrder], settle: Callable[..., Any]) -> Callable[..., Any]:
    """trade(buyer, seller, 10, 3_400): both sign, a stranger settles. On the prices as they are: `publish()` first."""

    def agree(buyer: int, seller: int, size: Any, price: Any, instrument: Any = PERP) -> Any:
        buy = signed(buyer, size, price, instrument)
        sell = signed(seller, f"-{size}", price, instrument)
        return settle(buy, sell, wad(size), wad(price))

    return agree


@pytest.fixture
def maker_account(open_account: Callable[..., int], maker: Any) -> int:
    """A rich counterparty."""
    return open_account(maker, CROSS, usdc=10_000_000)
