"""A batch that is all or none reverts with what the fill itself would revert with, for each reason there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.clearing.conftest import BTC_PERP, SPOT, WAD
from tests.reverts import reverts

PRICE = SPOT * WAD


@pytest.fixture
def accounts(open_account: Any, publish: Any, alice: Any, bob: Any) -> tuple[int, int]:
    both = open_account(alice, usdc=100_000), open_account(bob, usdc=100_000)
    publish()
    return both


Refusal = tuple[str, Callable[..., tuple[Any, Any, int, int]]]

# Error -> (buy, sell, size, price) from a function that signs, the two accounts and people.
REFUSALS: tuple[Refusal, ...] = (
    ("ZeroAmount", lambda sign, a, b, _: (sign(a, 1), sign(b, -1), 0, PRICE)),
    ("DifferentInstruments", lambda sign, a, b, _: (sign(a, 1), sign(b, -1, instrument=BTC_PERP), WAD, PRICE)),
    ("NotOpposite", lambda sign, a, b, _: (sign(a, 1), sign(b, 1), WAD, PRICE)),
    ("PriceOutsideLimit", lambda sign, a, b, _: (sign(a, 1), sign(b, -1), WAD, PRICE + 1)),
    ("OrderExpired", lambda sign, a, b, _: (sign(a, 1, expiry=1), sign(b, -1), WAD, PRICE)),
    ("WrongVenue", lambda sign, a, b, who: (sign(a, 1, venue=who["alice"].address), sign(b, -1), WAD, PRICE)),
    ("FeeAboveCap", lambda sign, a, b, _: (sign(a, 1, fee_cap=1), sign(b, -1), WAD, PRICE)),
    ("BadSignature", lambda sign, a, b, who: (replace(sign(a, 1), signer=who["bob"].address), sign(b, -1), WAD, PRICE)),
    ("NotAuthorised", lambda sign, a, b, who: (sign(a, 1, signer=who["bob"]), sign(b, -1), WAD, PRICE)),
    ("OrderOverfilled", lambda sign, a, b, _: (sign(a, 1), sign(b, -2), 2 * WAD, PRICE)),
    ("NotReducing", lambda sign, a, b, _: (sign(a, 1, reduce_only=True), sign(b, -1), WAD, PRICE)),
)


@pytest.mark.parametrize(("error", "made"), REFUSALS, ids=[error for error, _ in REFUSALS])
def test_refusal(
    clearing: Any, signed: Any, accounts: tuple[int, int], alice: Any, bob: Any, stranger: Any, error: str, made: Callable[..., Any]
) -> None:
    buy, sell, size, price = made(signed, *accounts, {"alice": alice, "bob": bob})
    with reverts(error):
        clearing.settleBatch([(buy.as_tuple(), sell.as_tuple(), size, price)], True, {"from": stranger})


def test_cancelled_one_by_one_and_up_to_a_nonce(clearing: Any, signed: Any, accounts: tuple[int, int], alice: Any, stranger: Any) -> None:
    buy, sell = signed(accounts[0], 1, nonce=4), signed(accounts[1], -1)
    batch = [(buy.as_tuple(), sell.as_tuple(), WAD, PRICE)]
    clearing.cancel(buy.order.as_tuple(), {"from": alice})
    with reverts("OrderIsCancelled"):
        clearing.settleBatch(batch, True, {"from": stranger})
    clearing.cancelAll(accounts[0], 5, {"from": alice})
    with reverts("NonceCancelled", accounts[0], 4, 5):
        clearing.settleBatch(batch, True, {"from": stranger})
