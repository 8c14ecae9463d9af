"""The backstop maker over HTTP: what it quotes settles, what it must not quote it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from keeper.model import Instrument, MarginMode
from scripts.anvil import private_key
from scripts.chain import Chain
from scripts.deploy import Deployment
from scripts.orders import Order, sign_order
from scripts.processes import Child
from scripts.seed_local import Party, mark

WAD = 10**18
PERP = Instrument.perp(0)


@pytest.fixture
def makers_account(maker: Any, account_of: Callable[..., Party]) -> Party:
    return account_of(maker, MarginMode.PORTFOLIO, usdc=100_000)


@pytest.fixture
def ask(chain: Chain, deployment: Deployment, makers_account: Party, publish: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Asks a maker process of its own; the HTTP answer."""
    publish()
    deployment.save(tmp_path / "deployment.json")
    arguments = ["--rpc", chain.url, "--deployment", str(tmp_path / "deployment.json"), "--account", str(makers_account.account)]
    with Child("maker", "scripts.maker", arguments, tmp_path / "maker.log") as process:
        url = process.wait_for("started")["quote"]
        yield lambda **asked: requests.post(url, json=asked, timeout=10)


@pytest.fixture
def taker(alice: Any, account_of: Callable[..., Party]) -> Party:
    return account_of(alice, MarginMode.CROSS, usdc=100_000)


def settle(chain: Chain, deployment: Deployment, taker: Party, quote: dict[str, Any], size: int) -> None:
    clearing = deployment.contract(chain, "Clearing")
    account, instrument, signed_size, limit, fee_cap, expiry, nonce, reduce_only, venue = quote["order"]
    makers = ((int(account), int(instrument), int(signed_size), int(limit), int(fee_cap), int(expiry), int(nonce), reduce_only, venue),)
    makers += (quote["signer"], bytes.fromhex(quote["signature"][2:]))
    price = int(quote["price"])
    own = Order(account=taker.account, instrument=int(instrument), size=size, limit_price=price, fee_cap=WAD, expiry=int(expiry), nonce=1)
    takers = sign_order(own, private_key(taker.index), deployment.chain_id, clearing.address).as_tuple()
    buy, sell = (takers, makers) if size > 0 else (makers, takers)
    chain.send(clearing.functions.settle(buy, sell, abs(size), price), taker.address)


@pytest.mark.parametrize("size", [3 * WAD, -3 * WAD], ids=["asker buys", "asker sells"])
def test_quote_settles_at_mark_and_spread(
    ask: Any, chain: Chain, deployment: Deployment, taker: Party, makers_account: Party, ledger: Any, publish: Any, size: int
) -> None:
    publish()
    answer = ask(instrument=str(PERP.pack()), size=str(size), account=taker.account)
    assert answer.status_code == 200, answer.text
    quote = answer.json()
    marked = mark(chain, deployment, PERP.pack())
    spread = marked // 1_000
    assert abs(int(quote["price"]) - (marked + spread if size > 0 else marked - spread)) <= 1
    settle(chain, deployment, taker, quote, size)
    assert ledger.positionSize(taker.account, PERP.pack()) == size
    assert ledger.positionSize(makers_account.account, PERP.pack()) == -size


def test_refuses_what_its_margin_does_not_allow(ask: Any, taker: Party) -> None:
    answer = ask(instrument=str(PERP.pack()), size=str(10_000 * WAD), account=taker.account)
    assert answer.status_code == 409
    assert "initial margin" in answer.json()["error"]


def test_refuses_itself(ask: Any, makers_account: Party) -> None:
    assert ask(instrument=str(PERP.pack()), size=str(WAD), account=makers_account.account).status_code == 409


@pytest.mark.parametrize("asked", [{}, {"instrument": "x", "size": "1", "account": 1}, {"instrument": "1", "size": None, "account": 1}])
def test_says_what_a_request_should_be(ask: Any, asked: dict[str, Any]) -> None:
    answer = ask(**asked)
    assert answer.status_code == 400
    assert "expected instrument, size and account" in answer.json()["error"]


def test_names_the_contract_error_where_there_is_no_mark(ask: Any, taker: Party) -> None:
    answer = ask(instrument=str(Instrument.perp(7).pack()), size=str(WAD), account=taker.account)
    assert answer.status_code == 503
    assert "MissingPrice" in answer.json()["error"]
