"""scripts.market_feed without a chain: units, order of signatures, and markets that cannot be signed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from eth_account import Account

from scripts.market_feed import FeedError, market_updates, sign, signable, to_fixed

DOOR = "0x" + "11" * 20
SVI = {"a": -0.001, "b": 0.05, "rho": -0.25, "m": 0.02, "sigma": 0.15, "ref_forward": 3_500.0, "ref_tau": 0.1}
MARKET = {
    "time": 1_000,
    "underlyings": {
        "ETH": {
            "spot": 3_500.1,
            "mark": 3_501.0,
            "confidence": 0.9876,
            "expiries": [{"expiry": 2_000, "forward": 3_510.0, "rate": -0.01, "svi": SVI}],
        },
        "BTC": {"spot": 95_000.0, "mark": 95_000.0, "confidence": 1, "expiries": []},
        "SOL": {"spot": 200.0, "mark": 200.0, "confidence": 1, "expiries": []},
    },
}
IDS = {"ETH": 0, "BTC": 1}


def changed(*path: str | int, value: Any = None, remove: bool = False) -> dict[str, Any]:
    market: Any = deepcopy(MARKET)
    inner = market
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return market


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        (3_500.1, 3_500_100_000_000_000_000_000),
        (1e-18, 1),
        (4e-19, 0),
        (-0.3, -300_000_000_000_000_000),
        (0.1 + 0.2, 300_000_000_000_000_040),
        (5, 5 * 10**18),
    ],
)
def test_to_fixed(value: float, fixed: int) -> None:
    assert to_fixed(value) == fixed


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_to_fixed_wants_finite_numbers(value: float) -> None:
    with pytest.raises(FeedError, match="expected a finite number"):
        to_fixed(value)


def test_units_and_order() -> None:
    eth, btc = market_updates(MARKET, IDS, 1_500)
    assert (eth.underlying, eth.timestamp, eth.spot, eth.mark, eth.confidence) == (
        0,
        1_500,
        3_500_100_000_000_000_000_000,
        3_501 * 10**18,
        9_876,
    )
    (quote,) = eth.expiries
    assert quote.as_tuple() == (
        2_000,
        3_510 * 10**18,
        -(10**16),
        -(10**15),
        5 * 10**16,
        -25 * 10**16,
        2 * 10**16,
        15 * 10**16,
        3_500 * 10**18,
        10**17,
    )
    assert (btc.underlying, btc.confidence, btc.expiries) == (1, 10_000, ())


def test_leaves_out_passed_expiries() -> None:
    assert len(market_updates(MARKET, IDS, 1_999)[0].expiries) == 1
    assert market_updates(MARKET, IDS, 2_000)[0].expiries == ()


@pytest.mark.parametrize(
    ("market", "message"),
    [
        ({}, "market: expected a field 'underlyings'"),
        (changed("underlyings", "ETH", "spot", remove=True), "ETH: expected a field 'spot'"),
        (changed("underlyings", "ETH", "mark", value=float("nan")), "ETH mark: expected a finite number"),
        (changed("underlyings", "ETH", "mark", value="high"), "ETH mark: could not convert"),
        (changed("underlyings", "ETH", "mark", value=None), "ETH mark: float"),
        (changed("underlyings", "ETH", "spot", value=1e11), "spot: expected 0 <= value < "),
        (changed("underlyings", "ETH", "spot", value=-1.0), r"spot: expected 0 <= value < .* \(uint96\), got -1"),
        (changed("underlyings", "ETH", "confidence", value=7.0), r"confidence: .* \(uint16\)"),
        (changed("underlyings", "ETH", "expiries", 0, "svi", value=None), "ETH 2000: expected an SVI slice"),
        (changed("underlyings", "ETH", "expiries", 0, "svi", remove=True), "ETH 2000: expected a field 'svi'"),
        (changed("underlyings", "ETH", "expiries", 0, "svi", "ref_tau", remove=True), "ETH 2000: expected a field 'ref_tau'"),
        (changed("underlyings", "ETH", "expiries", 0, "svi", "a", value=9.3), r"a: expected .* \(int64\)"),
        (changed("underlyings", "ETH", "expiries", 0, "svi", "b", value=-0.1), r"b: expected .* \(uint64\)"),
    ],
    ids=lambda item: None if isinstance(item, dict) else item[:40],
)
def test_says_what_cannot_be_signed(market: dict[str, Any], message: str) -> None:
    with pytest.raises(FeedError, match=message):
        market_updates(market, IDS, 1_500)


def test_signatures_are_in_signer_order_whatever_the_keys_order() -> None:
    keys = ["0x" + f"{number:02x}" * 32 for number in (1, 2, 3, 4, 5)]
    update = market_updates(MARKET, IDS, 1_500)[0]
    message = signable(update, 1, DOOR)
    for order in (keys, keys[::-1], keys[2:] + keys[:2]):
        recovered = [Account.recover_message(message, signature=signature) for signature in sign(update, order, 1, DOOR)]
        assert recovered == sorted((Account.from_key(key).address for key in keys), key=lambda address: int(address, 16))


def test_signatures_are_for_one_chain_and_one_door() -> None:
    update = market_updates(MARKET, IDS, 1_500)[0]
    key = ["0x" + "01" * 32]
    signatures = {sign(update, key, chain, door)[0] for chain in (1, 2) for door in (DOOR, "0x" + "22" * 20)}
    assert len(signatures) == 4
