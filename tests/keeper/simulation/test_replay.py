"""Replays: the tables are the market's, the path follows its convention, the made surface is free of static arbitrage."""

import csv
import gzip
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from keeper.errors import SimulationError
from keeper.simulation import CRASHES, Candle, Replay, load_crash, load_smiles, parkinson_vol, term_vol

VECTORS = Path(__file__).parents[2] / "vectors"
EXPIRIES = {
    "covid-2020": ("2020-03-20", "2020-03-27", "2020-06-26"),
    "ftx-2022": ("2022-11-18", "2022-11-25", "2022-12-30"),
}


def replay(name: str) -> Replay:
    return Replay(load_crash(name), tuple(int(datetime.fromisoformat(d + "T08:00:00+00:00").timestamp()) for d in EXPIRIES[name]))


@pytest.mark.parametrize(
    ("name", "symbol", "low", "when"),
    [
        ("covid-2020", "BTC", 3782.13, "2020-03-13T02"),
        ("covid-2020", "ETH", 86.00, "2020-03-13T02"),
        ("ftx-2022", "BTC", 15588.00, "2022-11-09"),
        ("ftx-2022", "ETH", 1073.53, "2022-11-09"),
    ],
)
def test_published_lows(name: str, symbol: str, low: float, when: str) -> None:
    """The lows that everybody remembers, to the hour (checked against the exchanges' history, not our table)."""
    point = min(load_crash(name).path(), key=lambda p: p.spots[symbol])
    assert point.spots[symbol] == pytest.approx(low, abs=0.01)
    assert datetime.fromtimestamp(point.time, UTC).strftime("%Y-%m-%dT%H").startswith(when)


@pytest.mark.parametrize(("name", "points"), [("covid-2020", 2 * 96), ("ftx-2022", 6 * 96)])
def test_one_point_per_quarter_hour(name: str, points: int) -> None:
    times = [p.time for p in load_crash(name).path()]
    assert len(times) == points
    assert set(np.diff(times)) == {900}


@pytest.mark.parametrize(
    ("candle", "path"),
    [
        ((100.0, 130.0, 90.0, 120.0), (100.0, 90.0, 130.0, 120.0)),
        ((100.0, 105.0, 60.0, 70.0), (100.0, 105.0, 60.0, 70.0)),
    ],
)
def test_nearer_extreme_comes_first(candle: tuple[float, ...], path: tuple[float, ...]) -> None:
    assert Candle(0, *candle).quarters() == path


def test_impossible_candle_is_refused() -> None:
    with pytest.raises(SimulationError, match="low <= open"):
        Candle(0, 100.0, 99.0, 90.0, 95.0)


def test_parkinson_matches_the_independent_row() -> None:
    """One hour: the annualised vol is that of the row's Parkinson variance."""
    rows = json.loads((VECTORS / "models.json").read_text())
    (row,) = (r for r in rows if r["model"] == "range_volatility_estimators")
    i = row["inputs"]
    scale = 0.1
    high, low = i["open"] * (i["high"] / i["open"]) ** scale, i["open"] * (i["low"] / i["open"]) ** scale
    variance = row["outputs"]["parkinson_var"] * scale**2
    assert parkinson_vol([Candle(0, i["open"], high, low, i["open"])], 3600) == pytest.approx(math.sqrt(variance * 8760), rel=1e-9)


def test_volatility_does_not_look_ahead() -> None:
    quiet, wild = Candle(0, 100.0, 101.0, 99.0, 100.0), Candle(3600, 100.0, 200.0, 50.0, 100.0)
    assert parkinson_vol([quiet, wild], 7199) == parkinson_vol([quiet], 7199)
    assert parkinson_vol([quiet, wild], 7200) == 3.0
    with pytest.raises(SimulationError, match="closed hour"):
        parkinson_vol([quiet], 3599)


def test_term_structure_limits() -> None:
    assert term_vol(2.5, 1e-9) == pytest.approx(2.5, rel=1e-6)
    assert term_vol(2.5, 1e4) == pytest.approx(0.8, rel=1e-3)


@pytest.mark.parametrize("name", sorted(CRASHES))
def test_surface_is_free_of_static_arbitrage(name: str) -> None:
    """Gatheral and Jacquier (2014): the density factor g(k) >= 0 per slice, w increasing in T at every k."""
    k = np.linspace(-1.5, 1.5, 601)
    for market in replay(name).markets():
        for symbol, u in market["underlyings"].items():
            previous = np.zeros_like(k)
            for quote in u["expiries"]:
                s = quote["svi"]
                x = k - s["m"]
                root = np.sqrt(x * x + s["sigma"] ** 2)
                w = s["a"] + s["b"] * (s["rho"] * x + root)
                w1 = s["b"] * (s["rho"] + x / root)
                w2 = s["b"] * s["sigma"] ** 2 / root**3
                density = (1 - k * w1 / (2 * w)) ** 2 - w1 * w1 / 4 * (1 / w + 0.25) + w2 / 2
                assert density.min() >= 0.0, (symbol, market["time"], quote["expiry"])
                assert (w - previous).min() >= 0.0, (symbol, market["time"], quote["expiry"])
                previous = w


def test_at_the_money_vol_is_the_term_vol() -> None:
    shape = load_smiles()["ETH"]
    s = shape.slice(100.0, 1.3, 0.25)
    w = s.a + s.b * (s.rho * -s.m + math.sqrt(s.m**2 + s.sigma**2))
    assert math.sqrt(w / 0.25) == pytest.approx(1.3, rel=1e-4)


@pytest.mark.parametrize("name", sorted(CRASHES))
def test_tables_are_the_source_files(name: str) -> None:
    shared = Path(os.environ.get("DPRE_SHARED", "../shared"))
    (*_, source) = sorted((shared / "data").glob("ethusdt_1h_*.csv.gz")) or (None,)
    if source is None:
        pytest.skip(f"needs the full hourly history in {shared}/data (set DPRE_SHARED)")
    with gzip.open(source, "rt") as file:
        history = {r["ts"]: tuple(float(r[c]) for c in ("open", "high", "low", "close")) for r in csv.DictReader(file)}
    for candle in load_crash(name).candles["ETH"]:
        stamp = datetime.fromtimestamp(candle.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (candle.open, candle.high, candle.low, candle.close) == history[stamp]


def test_unknown_crash_and_early_expiry_are_refused() -> None:
    with pytest.raises(SimulationError, match="expected one of"):
        load_crash("luna-2022")
    crash = load_crash("covid-2020")
    with pytest.raises(SimulationError, match="ascending times after"):
        Replay(crash, (crash.end - 1,))
