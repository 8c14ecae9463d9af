"""Clearing.settle: what a fill does, and every order that is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.model import Instrument
from scripts.anvil import CHAIN_ID
from scripts.orders import SignedOrder, order, sign_order
from tests.contracts.clearing.conftest import BTC_PERP, FEE_RATE, HOUSE, KEYS, PERP, SPOT, USDC, WAD, fee
from tests.reverts import reverts

PRICE = SPOT * WAD


@pytest.fixture
def buyer(open_account: Any, alice: Any) -> int:
    return open_account(alice, usdc=100_000)


@pytest.fixture
def seller(open_account: Any, bob: Any) -> int:
    return open_account(bob, usdc=100_000)


@pytest.fixture
def buy(buyer: int, seller: int, publish: Any, signed: Any) -> SignedOrder:
    """Both accounts are funded and prices fresh: buys up to 4 ETH at 3,400 or lower."""
    publish()
    return signed(buyer, 4)


@pytest.fixture
def sell(seller: int, buy: SignedOrder, signed: Any) -> SignedOrder:
    """Sells up to 3 ETH at 3,390 or higher."""
    return signed(seller, -3, 3_390)


def test_moves_positions_and_fees(
    clearing: Any, ledger: Any, settle: Any, buyer: int, seller: int, buy: SignedOrder, sell: SignedOrder, stranger: Any
) -> None:
    house = ledger.cash(HOUSE)
    receipt = settle(buy, sell, 2 * WAD, PRICE)
    each = fee(2, SPOT)
    event = receipt.events["Trade"]
    assert dict(event) == {
        "instrument": PERP.pack(),
        "buyer": buyer,
        "seller": seller,
        "size": 2 * WAD,
        "price": PRICE,
        "buyerFee": each,
        "sellerFee": each,
    }
    assert ledger.positionSize(buyer, PERP.pack()) == 2 * WAD
    assert ledger.positionSize(seller, PERP.pack()) == -2 * WAD
    assert ledger.cash(buyer) == ledger.cash(seller) == 100_000 * WAD - each
    assert ledger.cash(HOUSE) - house == 2 * each
    assert ledger.openInterest(PERP.pack()) == 2 * WAD


def test_counts_what_is_filled(clearing: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, buyer: int, seller: int) -> None:
    buy_hash, sell_hash = (bytes(clearing.orderHash(side.order.as_tuple())) for side in (buy, sell))
    events = settle(buy, sell, 2 * WAD, PRICE).events["OrderFilled"]
    assert [(bytes(e["orderHash"]), e["account"], e["filled"]) for e in events] == [
        (buy_hash, buyer, 2 * WAD),
        (sell_hash, seller, 2 * WAD),
    ]
    settle(buy, sell, WAD, PRICE)
    assert clearing.filled(buy_hash) == 3 * WAD
    assert clearing.filled(sell_hash) == 3 * WAD


def test_fee_is_rounded_up(ledger: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, buyer: int) -> None:
    before = ledger.cash(buyer)
    settle(buy, sell, 1, PRICE)  # notional 3,400e-18, of which 1.02e-18
    assert before - ledger.cash(buyer) == 2


def test_price_between_the_limits(ledger: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, buyer: int) -> None:
    settle(buy, sell, WAD, 3_395 * WAD)
    assert ledger.costs(buyer) == 3_395 * WAD


@pytest.mark.parametrize(("price", "limit"), [(3_400 * WAD + 1, 3_400 * WAD), (3_390 * WAD - 1, 3_390 * WAD)])
def test_price_outside_the_limits(settle: Any, buy: SignedOrder, sell: SignedOrder, price: int, limit: int) -> None:
    with reverts("PriceOutsideLimit", price, limit):
        settle(buy, sell, WAD, price)


def test_operator_signs(clearing: Any, signed: Any, settle: Any, sell: SignedOrder, buyer: int, alice: Any, carol: Any) -> None:
    order_of_carol = signed(buyer, 1, signer=carol)
    with reverts("NotAuthorised", buyer, carol.address):
        settle(order_of_carol, sell, WAD, PRICE)
    clearing.setOperator(buyer, carol, 2, {"from": alice})  # may withdraw, not trade
    with reverts("NotAuthorised", buyer, carol.address):
        settle(order_of_carol, sell, WAD, PRICE)
    clearing.setOperator(buyer, carol, 1, {"from": alice})
    settle(order_of_carol, sell, WAD, PRICE)


def test_contract_signs(
    project: Any,
    anvil: Any,
    clearing: Any,
    ledger: Any,
    settle: Any,
    fund: Any,
    publish: Any,
    seller: int,
    signed: Any,
    alice: Any,
    carol: Any,
) -> None:
    """ERC-1271: a wallet owns the account, its owner signs."""
    wallet = project.WalletMock.deploy(alice, {"from": alice})
    wallet.execute(clearing, clearing.openAccount.encode_input(1), {"from": alice})
    account = int(ledger.accountCount())
    assert ledger.account(account)[0] == wallet
    fund(account, alice, usdc_amount=10_000)
    publish()
    wanted = order(account, PERP, 1, limit=SPOT, expiry=anvil.time() + 60)
    sell = signed(seller, -1)
    by_owner = replace(sign_order(wanted, KEYS[str(alice)], CHAIN_ID, clearing.address), signer=wallet.address)
    by_other = replace(sign_order(wanted, KEYS[str(carol)], CHAIN_ID, clearing.address), signer=wallet.address)
    with reverts("BadSignature", wallet.address):
        settle(by_other, sell, WAD, PRICE)
    settle(by_owner, sell, WAD, PRICE)
    assert ledger.positionSize(account, PERP.pack()) == WAD


def test_foreign_account(signed: Any, settle: Any, sell: SignedOrder, buyer: int, carol: Any) -> None:
    """Correctly signed, by somebody who has nothing to say there."""
    with reverts("NotAuthorised", buyer, carol.address):
        settle(signed(buyer, 1, signer=carol), sell, WAD, PRICE)


def test_unknown_account(ledger: Any, signed: Any, settle: Any, sell: SignedOrder, alice: Any) -> None:
    for unknown in (HOUSE, int(ledger.accountCount()) + 1):
        with reverts("NotAuthorised", unknown, alice.address):
            settle(signed(unknown, 1, signer=alice), sell, WAD, PRICE)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4 * WAD - 1},
        {"limit_price": 10**24},
        {"fee_cap": 10**18},
        {"expiry": 2**63},
        {"nonce": 1},
        {"reduce_only": True},
        {"venue": "0x" + "11" * 20},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_voids_the_signature(
    settle: Any, buy: SignedOrder, sell: SignedOrder, alice: Any, stranger: Any, change: dict[str, Any]
) -> None:
    if "venue" in change:
        change = {"venue": stranger.address}
    with reverts("BadSignature", alice.address):
        settle(replace(buy, order=replace(buy.order, **change)), sell, WAD, PRICE)


def test_wrong_signatures(settle: Any, buy: SignedOrder, sell: SignedOrder, alice: Any, bob: Any) -> None:
    high_s = bytearray(buy.signature)
    high_s[32:64] = (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(high_s[32:64])).to_bytes(32)
    high_s[64] ^= 7  # 27 <-> 28
    for signature in (b"", buy.signature[:-1], bytes(65), sell.signature, bytes(high_s)):
        with reverts("BadSignature", alice.address):
            settle(replace(buy, signature=signature), sell, WAD, PRICE)
    with reverts("BadSignature", bob.address):
        settle(replace(buy, signer=bob.address), sell, WAD, PRICE)


def test_other_chain_and_other_contract(
    anvil: Any, clearing: Any, ledger: Any, settle: Any, sell: SignedOrder, buyer: int, alice: Any
) -> None:
    wanted = order(buyer, PERP, 1, limit=SPOT, expiry=anvil.time() + 60)
    for chain_id, contract in ((CHAIN_ID + 1, clearing.address), (CHAIN_ID, ledger.address)):
        with reverts("BadSignature", alice.address):
            settle(sign_order(wanted, KEYS[str(alice)], chain_id, contract), sell, WAD, PRICE)


def test_replayed_order(clearing: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, signed: Any, seller: int) -> None:
    full = signed(seller, -4)
    settle(buy, full, 4 * WAD, PRICE)
    buy_hash = bytes(clearing.orderHash(buy.order.as_tuple()))
    with reverts("OrderOverfilled", buy_hash, 4 * WAD, 4 * WAD, 1):
        settle(buy, sell, 1, PRICE)


def test_overfilled_order(clearing: Any, settle: Any, buy: SignedOrder, sell: SignedOrder) -> None:
    settle(buy, sell, WAD, PRICE)
    sell_hash = bytes(clearing.orderHash(sell.order.as_tuple()))
    with reverts("OrderOverfilled", sell_hash, 3 * WAD, WAD, 2 * WAD + 1):
        settle(buy, sell, 2 * WAD + 1, PRICE)
    with reverts("OrderOverfilled", ..., 4 * WAD, WAD, 2**256 - 1):
        settle(buy, sell, 2**256 - 1, PRICE)


def test_a_new_nonce_is_a_new_order(ledger: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, signed: Any, buyer: int) -> None:
    settle(signed(buyer, 1, nonce=1), sell, WAD, PRICE)
    settle(signed(buyer, 1, nonce=2), sell, WAD, PRICE)
    assert ledger.positionSize(buyer, PERP.pack()) == 2 * WAD


def test_expired_order(anvil: Any, signed: Any, settle: Any, sell: SignedOrder, buyer: int) -> None:
    last = anvil.time() + 3
    order_until = signed(buyer, 2, expiry=last)
    anvil.rpc("evm_setNextBlockTimestamp", last)
    settle(order_until, sell, WAD, PRICE)  # in its last second
    anvil.mine()
    with reverts("OrderExpired", last, ...):
        settle(order_until, sell, WAD, PRICE)


def test_venue(signed: Any, settle: Any, sell: SignedOrder, buyer: int, carol: Any, stranger: Any) -> None:
    venue_only = signed(buyer, 1, venue=carol.address)
    with reverts("WrongVenue", carol.address, stranger.address):
        settle(venue_only, sell, WAD, PRICE)
    settle(venue_only, sell, WAD, PRICE, carol)


def test_fee_cap(signed: Any, settle: Any, sell: SignedOrder, buyer: int) -> None:
    with reverts("FeeAboveCap", FEE_RATE, FEE_RATE - 1):
        settle(signed(buyer, 1, fee_cap=FEE_RATE - 1), sell, WAD, PRICE)
    settle(signed(buyer, 1, fee_cap=FEE_RATE), sell, WAD, PRICE)


def test_sides(signed: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, buyer: int) -> None:
    with reverts("NotOpposite", -3 * WAD, 4 * WAD):
        settle(sell, buy, WAD, PRICE)
    with reverts("NotOpposite", 4 * WAD, 4 * WAD):
        settle(buy, buy, WAD, 0)
    with reverts("NotOpposite", 0, -3 * WAD):
        settle(signed(buyer, 0), sell, WAD, PRICE)


def test_different_instruments(signed: Any, settle: Any, buy: SignedOrder, seller: int) -> None:
    with reverts("DifferentInstruments", PERP.pack(), BTC_PERP.pack()):
        settle(buy, signed(seller, -1, instrument=BTC_PERP), WAD, PRICE)


def test_one_account_on_both_sides(signed: Any, settle: Any, buy: SignedOrder, buyer: int) -> None:
    with reverts("SameAccount", buyer):
        settle(buy, signed(buyer, -1), WAD, PRICE)


@pytest.mark.parametrize(
    "instrument",
    [
        Instrument.perp(9).pack(),
        Instrument.future(0, 1_999_999_999).pack(),
        5 << 104,
        1,
        2**112 - 1,
    ],
    ids=["underlying", "expiry", "kind", "perp with a strike", "all ones"],
)
def test_unknown_instrument(signed: Any, settle: Any, buyer: int, seller: int, instrument: int) -> None:
    with reverts("InstrumentNotListed", instrument):
        settle(signed(buyer, 1, instrument=instrument), signed(seller, -1, instrument=instrument), WAD, PRICE)


def test_expired_instrument(anvil: Any, signed: Any, settle: Any, buyer: int, seller: int, expiries: Any, publish: Any) -> None:
    future = Instrument.future(0, expiries[0])
    anvil.set_time(expiries[0] + 1)
    with reverts("InstrumentExpired", future.pack(), expiries[0], ...):
        settle(signed(buyer, 1, instrument=future), signed(seller, -1, instrument=future), WAD, PRICE)


def test_zero_size(settle: Any, buy: SignedOrder, sell: SignedOrder) -> None:
    with reverts("ZeroAmount"):
        settle(buy, sell, 0, PRICE)


def test_sizes_that_overflow(settle: Any, buy: SignedOrder, signed: Any, buyer: int, seller: int, publish: Any) -> None:
    huge = 2**127 - 1
    with reverts("SizeOutOfRange", huge):
        settle(*_replaced(signed, buyer, seller, huge, -huge, 1), huge, 1)
    with reverts("SizeOutOfRange", 2**95):
        settle(*_replaced(signed, buyer, seller, huge, -(2**127), 1), 2**95, 1)


def test_prices_that_overflow(settle: Any, buy: SignedOrder, signed: Any, buyer: int, seller: int) -> None:
    with reverts("PriceOutOfRange", 2**127):
        settle(*_replaced(signed, buyer, seller, WAD, -WAD, 2**127), WAD, 2**127)


def _replaced(signed: Any, buyer: int, seller: int, buy_size: int, sell_size: int, price: int) -> tuple[SignedOrder, SignedOrder]:
    """Orders of raw sizes and a raw price."""
    from decimal import Decimal, localcontext  # noqa: PLC0415 - only here are numbers this long

    with localcontext() as context:
        context.prec = 80
        limit = Decimal(price) / WAD
        return (signed(buyer, Decimal(buy_size) / WAD, limit), signed(seller, Decimal(sell_size) / WAD, limit))


def test_reduce_only(ledger: Any, signed: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, buyer: int, seller: int) -> None:
    with reverts("NotReducing", buyer, 0, WAD):
        settle(signed(buyer, 1, reduce_only=True), sell, WAD, PRICE)
    settle(buy, sell, 2 * WAD, PRICE)
    with reverts("NotReducing", buyer, 2 * WAD, WAD):
        settle(signed(buyer, 1, reduce_only=True), sell, WAD, PRICE)
    out = signed(buyer, -5, reduce_only=True)
    back = signed(seller, 5)
    with reverts("NotReducing", buyer, 2 * WAD, -2 * WAD - 1):
        settle(back, out, 2 * WAD + 1, PRICE)
    settle(back, out, 2 * WAD, PRICE)
    assert ledger.positionSize(buyer, PERP.pack()) == 0


def test_position_limit(
    engine: Any, risk_parameters: Any, governance: Any, signed: Any, settle: Any, publish: Any, buyer: int, seller: int, expiries: Any
) -> None:
    from scripts.parameter_list import governed_parameters  # noqa: PLC0415

    limit = risk_parameters.bounds(governed_parameters()["MAX_POSITIONS"].index)[0]
    risk_parameters.set(governed_parameters()["MAX_POSITIONS"].index, limit, {"from": governance})
    strikes = [Instrument.call(0, expiries[1], 3_000 + 100 * step) for step in range(int(limit) + 1)]
    for number, instrument in enumerate(strikes):
        publish()
        sides = signed(buyer, "0.01", 1_000, instrument), signed(seller, "-0.01", 0, instrument)
        price = engine.marks([instrument.pack()])[0][0]
        if number < limit:
            settle(*sides, WAD // 100, price)
        else:
            with reverts("TooManyPositions", buyer, limit):
                settle(*sides, WAD // 100, price)


def test_nothing_is_left_of_a_refused_fill(
    clearing: Any, ledger: Any, vault: Any, settle: Any, buy: SignedOrder, sell: SignedOrder, signed: Any, buyer: int, seller: int
) -> None:
    too_large = signed(seller, -4)
    poor = ledger.cash(buyer)
    with reverts("PriceOutsideLimit"):
        settle(buy, too_large, WAD, PRICE + 1)
    assert clearing.filled(bytes(clearing.orderHash(buy.order.as_tuple()))) == 0
    assert ledger.cash(buyer) == poor
    assert vault.recorded(USDC) >= 200_000 * WAD
