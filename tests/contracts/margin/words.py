"""Markets and books of the vectors (floats, names) as the packed words the engine takes (contracts/types)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

__all__ = [
    "COLLATERALS_AT",
    "FIRST_TOKEN",
    "GROUPS_AT",
    "UNDERLYINGS_AT",
    "UNDERLYING_IDS",
    "case_of",
    "market_words",
    "position_word",
    "wad",
]

WAD = 10**18
KINDS = {"perp": 0, "future": 1, "call": 2, "put": 3}
UNDERLYING_IDS = {"ETH": 0, "BTC": 1, "SOL": 2}
FIRST_TOKEN = 3  # collateral tokens that are no underlying get ids of their own, from here
COLLATERALS_AT, UNDERLYINGS_AT, GROUPS_AT, SCENARIO_COUNT_AT = 64, 72, 104, 112

Case = tuple[list[int], tuple[Any, ...], tuple[Any, ...]]


def wad(value: float | int | str | Fraction) -> int:
    """The exact value of a double in 1e-18, rounded to nearest."""
    return round(Fraction(value) * WAD)


def _unsigned(value: int, bits: int) -> int:
    if not 0 <= value < 2**bits:
        raise ValueError(f"expected 0 <= value < 2^{bits}, got {value}")
    return value


def _signed(value: int, bits: int) -> int:
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"expected {bits} bits with sign, got {value}")
    return value % 2**bits


def position_word(position: Mapping[str, Any]) -> int:
    """types/Position.sol: kind, underlying (name), size, and expiry and strike where the kind has them."""
    kind, expiry = KINDS[position["kind"]], position.get("expiry") or 0
    strike = round(Fraction(position.get("strike") or 0) * 10**8)
    ln_strike = round(math.log(strike / 1e8) * 2**42) if strike else 0
    instrument = kind << 104 | UNDERLYING_IDS[position["underlying"]] << 96 | _unsigned(expiry, 32) << 64 | _unsigned(strike, 64)
    return _signed(wad(position["size"]), 96) << 160 | _signed(ln_strike, 48) << 112 | instrument


def _spot_word(spot: float, mark: float, confidence: float, time: int) -> int:
    return _unsigned(wad(spot), 96) << 160 | _unsigned(wad(mark), 96) << 64 | round(confidence * 10_000) << 48 | time


def _expiry_words(expiry: Mapping[str, Any], time: int) -> tuple[int, int, int, int]:
    svi = expiry["svi"]
    quote = _unsigned(wad(expiry["forward"]), 96) << 160 | _signed(wad(expiry["rate"]), 64) << 96 | _unsigned(wad(svi["ref_tau"]), 64) << 32
    smile = _signed(wad(svi["a"]), 64) << 192 | _unsigned(wad(svi["b"]), 64) << 128
    smile |= _signed(wad(svi["rho"]), 64) << 64 | _signed(wad(svi["m"]), 64)
    settlement = wad(expiry.get("settlement") or 0)
    wing = _unsigned(wad(svi["sigma"]), 64) << 192 | _unsigned(wad(svi["ref_forward"]), 96) << 96 | _unsigned(settlement, 96)
    return expiry["expiry"], quote | time, smile, wing


def market_words(market: Mapping[str, Any], tokens: Sequence[tuple[int, float]] = ()) -> tuple[Any, ...]:
    """A `Market`. tokens: (underlying id, price) of collateral that is no underlying."""
    time = market["time"]
    underlyings = [
        (
            UNDERLYING_IDS[name],
            _spot_word(quoted["spot"], quoted["mark"], quoted["confidence"], time),
            [_expiry_words(expiry, time) for expiry in quoted["expiries"]],
        )
        for name, quoted in market["underlyings"].items()
    ]
    return time, [*underlyings, *((token, _spot_word(price, price, 1, time), []) for token, price in tokens)]


def case_of(vector: Mapping[str, Any], defaults: Sequence[int], mode: int) -> Case:
    """(parameters, market, book) of one case of dpre1_portfolios.json. defaults: a table with DPRE-1 scalars and scenarios."""
    market, book = vector["market"], vector["book"]
    table = list(defaults)
    table[COLLATERALS_AT:SCENARIO_COUNT_AT] = [0] * (SCENARIO_COUNT_AT - COLLATERALS_AT)
    for name, quoted in market["underlyings"].items():
        group = next((i + 1 for i, g in enumerate(market["groups"]) if name in g["members"]), 0)
        table[UNDERLYINGS_AT + UNDERLYING_IDS[name]] = wad(quoted["spot_scale"]) << 32 | 1 << 8 | group
    for i, group in enumerate(market["groups"]):
        table[GROUPS_AT + i] = wad(group["kappa"])
    tokens = []
    for i, held in enumerate(book["collateral"]):
        joins = held["underlying"] is not None
        underlying = UNDERLYING_IDS[held["underlying"]] if joins else FIRST_TOKEN + i
        if not joins:
            tokens.append((underlying, held["price"]))
        haircuts = wad(held["haircut_initial"]) << 192 | wad(held["haircut_maintenance"]) << 128
        table[COLLATERALS_AT + i] = haircuts | 1 << 16 | int(joins) << 8 | underlying
    balance = wad(book["cash"]) - sum(wad(p["cost"]) for p in book["positions"])
    quantities = [wad(held["quantity"]) for held in book["collateral"]]
    return table, market_words(market, tokens), (mode, balance, quantities, [position_word(p) for p in book["positions"]])
