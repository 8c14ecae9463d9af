"""The rows of models.json that the engine's mathematics covers, through the contract, within the accuracy of margin.md section 8.

Outside of the contract's domain, and therefore not here: `b76-lyra-limit-zero-fwd` (a forward of 0 is a missing price),
`deribit-sm-5` (Deribit asks IM >= MM of a short put, we ask 1.10 MM), `fp-sqrt-7` (the engine has no decimal square root), exotics,
SABR, SPAN and statistics.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from web3.contract import Contract

from tests.contracts.margin.conftest import GAS
from tests.contracts.margin.test_prices import CALL, PUT, TIME, YEAR, flat_slice, position
from tests.contracts.margin.words import UNDERLYINGS_AT, wad

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "models.json").read_text())
CROSS = 1


def rows(*models: str, without: tuple[str, ...] = ()) -> Any:
    chosen = [r for r in ROWS if r["model"] in models and r["id"] not in without]
    assert chosen
    return pytest.mark.parametrize("row", chosen, ids=[r["id"] for r in chosen])


def slice_words(row: dict[str, Any]) -> tuple[list[int], int]:
    """The row's SVI slice, with its own tau for both the tenor and the reference, and the seconds of it."""
    i = row["inputs"]
    tau = i.get("tau", 1.0)
    forward = wad(i.get("F", 1_000.0))
    quote = forward << 160 | wad(tau) << 32 | TIME
    smile = wad(i["a"]) % 2**64 << 192 | wad(i["b"]) << 128 | wad(i["rho"]) % 2**64 << 64 | wad(i["m"]) % 2**64
    return [quote, smile, wad(i["sigma"]) << 192 | forward << 96], round(tau * YEAR)


def vol_of(margin_math: Contract, words: list[int], seconds: int, strike: float) -> float:
    units = round(strike * 10**8)
    _, deviations = margin_math.functions.price(words, TIME + seconds, TIME, [position(CALL, units, TIME + seconds)]).call(GAS)
    return float(deviations[0] / 2**35 / math.sqrt(seconds / YEAR))


@rows("black76")
def test_black76(margin_math: Contract, row: dict[str, Any]) -> None:
    i = row["inputs"]
    seconds = i.get("seconds_to_expiry") or round(i["T"] * YEAR)
    words = flat_slice(i["F"], i["vol"], seconds, rate=i.get("r", 0.0))
    for name, kind in (("call", CALL), ("put", PUT)):
        if name in row["outputs"]:
            marks, _ = margin_math.functions.price(words, TIME + seconds, TIME, [position(kind, i["K"] * 10**8, TIME + seconds)]).call(GAS)
            printed = row["tolerance"] if isinstance(row["tolerance"], float) else row["tolerance"]["abs"]
            assert abs(marks[0] / 1e18 - row["outputs"][name]) <= max(printed, 4e-10 * i["F"])


@rows("svi_raw_vol", "svi_raw_vol_clamped")
def test_svi_vol(margin_math: Contract, row: dict[str, Any]) -> None:
    words, seconds = slice_words(row)
    tolerance = max(row["tolerance"], 1e-9)  # v sqrt T counts in 2**-35; tau in whole seconds
    assert abs(vol_of(margin_math, words, seconds, row["inputs"]["K"]) - row["outputs"]["vol"]) <= tolerance


@rows("svi_raw_total_variance")
def test_svi_total_variance(margin_math: Contract, row: dict[str, Any]) -> None:
    words, seconds = slice_words(row)
    vol = vol_of(margin_math, words, seconds, 1_000.0 * math.exp(row["inputs"]["m"]))  # k = m, to 8 decimals of the strike
    assert abs(vol * vol - row["outputs"]["w"]) <= 1e-9


@rows("wad_ln")
def test_logarithm(margin_math: Contract, row: dict[str, Any]) -> None:
    exact = Fraction(int(row["outputs"]["y_wad"]), 10**18) * 2**42
    assert margin_math.functions.ln(int(row["inputs"]["x_wad"])).call() == round(exact)


@rows("wad_exp")
def test_exponential(margin_math: Contract, row: dict[str, Any]) -> None:
    found = margin_math.functions.exp(int(row["inputs"]["x_wad"])).call()
    assert abs(found - int(row["outputs"]["y_wad"])) <= row["tolerance"]["abs_wei"]


@rows("wad_ncdf")
def test_normal(margin_math: Contract, row: dict[str, Any]) -> None:
    d = int(row["inputs"]["x_wad"]) * 2**35 // 10**18
    (found,) = margin_math.functions.centred([d]).call()
    assert abs(found / 2**41 + 0.5 - int(row["outputs"]["y_wad"]) / 1e18) <= 2.5e-11


@rows("vol_shock_multiplier", "vol_shock_relative")
def test_vol_shocks(margin_math: Contract, default_table: list[int], row: dict[str, Any]) -> None:
    i, expected = row["inputs"], row["outputs"]
    table = list(default_table)
    table[0], table[2], table[3] = wad(i["range_up"]), wad(i["short_power"]), wad(i["long_power"])
    table[1] = wad(i.get("range_down", 0.275))
    seconds = i.get("seconds_to_expiry") or i["dte"] * 86_400
    up, _, down, _ = margin_math.functions.shocks(table, seconds).call()
    assert abs(up / 2**60 - expected.get("up", 1 + expected.get("relative_up", 0))) <= max(row["tolerance"], 1e-15)
    if "down" in expected:
        assert abs(down / 2**60 - expected["down"]) <= row["tolerance"]


@rows("deribit_standard_margin_short_inverse_option", without=("deribit-sm-5",))
def test_standard_margin_of_a_short_option(margin_model: Contract, default_table: list[int], row: dict[str, Any]) -> None:
    """Same rule, in USD: the vol is the one that gives the row's mark."""
    i, seconds = row["inputs"], 30 * 86_400
    spot, strike, mark, sign = i["underlying"], i["K"], i["mark_coin"] * i["underlying"], 1 if i["type"] == "call" else -1

    def surplus(s: float) -> float:
        d1 = math.log(spot / strike) / s + s / 2
        return float(sign * (spot * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - s))) - mark)

    words = flat_slice(spot, brentq(surplus, 1e-3, 5, xtol=1e-15) / math.sqrt(seconds / YEAR), seconds)
    expiry = TIME + seconds
    market = (TIME, [(0, wad(spot) << 160 | wad(spot) << 64 | 10_000 << 48 | TIME, [(expiry, *words)])])
    table = list(default_table)
    table[UNDERLYINGS_AT] = wad(1) << 32 | 1 << 8
    short = position(CALL if sign > 0 else PUT, strike * 10**8, expiry) % 2**160 | (-(10**18)) % 2**96 << 160
    found = margin_model.functions.compute(table, market, (CROSS, 0, [], [short])).call(GAS)
    assert abs(found[0] / 1e18 - row["outputs"]["im"] * spot) <= 1e-9 * spot
    assert abs(found[1] / 1e18 - row["outputs"]["mm"] * spot) <= 1e-9 * spot
