"""Makes the small tables of `keeper/simulation/tables` from the full market-data files.

    DPRE_SHARED=<folder> python -m scripts.make_crash_tables

Needs `data/btcusdt_1h_*.csv.gz`, `data/ethusdt_1h_*.csv.gz` (hourly candles of Binance spot) and the Deribit option chain of
6 February 2026, 04:30 UTC, in that folder. The tables are committed; this file says how they came about and lets anyone
make them again.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

TABLES = Path(__file__).parents[1] / "keeper" / "simulation" / "tables"
CRASHES = {
    "covid-2020": (datetime(2020, 3, 12, tzinfo=UTC), datetime(2020, 3, 14, tzinfo=UTC)),
    "ftx-2022": (datetime(2022, 11, 6, tzinfo=UTC), datetime(2022, 11, 12, tzinfo=UTC)),
}
WARM_UP = timedelta(days=4)
"""Hours before the crash for the volatility's average: eight half-lives."""
SMILE_TENORS = (5 / 365, 1.0)
SMILE_MIN_DELTA = 0.02


def candles(data: Path, symbol: str, start: datetime, end: datetime) -> dict[str, list[str]]:
    """Rows of [start, end): timestamp -> open, high, low, close as printed in the source."""
    (path,) = data.glob(f"{symbol}usdt_1h_*.csv.gz")
    with gzip.open(path, "rt") as file:
        rows = {row["ts"]: [row[c] for c in ("open", "high", "low", "close")] for row in csv.DictReader(file)}
    hours = int((end - start) / timedelta(hours=1))
    stamps = [(start + timedelta(hours=h)).strftime("%Y-%m-%dT%H:%M:%SZ") for h in range(hours)]
    missing = [stamp for stamp in stamps if stamp not in rows]
    if missing:
        raise SystemExit(f"{path.name}: expected every hour of {start} to {end}, missing {missing}")
    return {stamp: rows[stamp] for stamp in stamps}


def write_crash(data: Path, name: str, start: datetime, end: datetime) -> None:
    btc, eth = (candles(data, symbol, start - WARM_UP, end) for symbol in ("btc", "eth"))
    with (TABLES / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", *(f"{u}_{c}" for u in ("btc", "eth") for c in ("open", "high", "low", "close"))])
        writer.writerows([stamp, *btc[stamp], *eth[stamp]] for stamp in btc)


def smile_points(data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per currency: standardised log-moneyness z = k / (atm vol sqrt T) and (vol / atm vol)^2 of out-of-the-money options."""
    (path,) = (data / "deribit").glob("deribit_options_snapshot_20260206T*.csv.gz")
    chains: dict[tuple[str, float], list[tuple[float, float]]] = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            tenor, vol = float(row["time_to_maturity"]), float(row["implied_volatility"] or 0)
            forward, strike = float(row["futures_price"]), float(row["strike"])
            out_of_the_money = (row["option_type"] == "call") == (strike >= forward)
            if out_of_the_money and vol > 0 and abs(float(row["delta"])) >= SMILE_MIN_DELTA:
                chains.setdefault((row["currency"], tenor), []).append((float(np.log(strike / forward)), vol))
    points: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for (currency, tenor), chain in sorted(chains.items()):
        if not SMILE_TENORS[0] < tenor < SMILE_TENORS[1]:
            continue
        k, vol = np.array(sorted(chain)).T
        atm = np.interp(0.0, k, vol)
        points.setdefault(currency, []).append((k / (atm * np.sqrt(tenor)), (vol / atm) ** 2))
    return {c: (np.concatenate([z for z, _ in p]), np.concatenate([g for _, g in p])) for c, p in points.items()}


def fit(z: np.ndarray, g: np.ndarray) -> dict[str, float]:
    """SVI numbers of g(z), scaled so that g(0) = 1; robust least squares, a >= -0.5 against a degenerate parabola."""

    def svi(p: np.ndarray, x: np.ndarray | float) -> np.ndarray:
        a, b, rho, m, sigma = p
        return a + b * (rho * (x - m) + np.sqrt((x - m) ** 2 + sigma * sigma))

    result = least_squares(
        lambda p: svi(p, z) - g,
        np.array([0.5, 0.3, -0.3, 0.0, 1.0]),
        bounds=([-0.5, 1e-3, -0.99, -2.0, 0.05], [3.0, 3.0, 0.99, 2.0, 5.0]),
        loss="soft_l1",
        f_scale=0.05,
    )
    level = float(svi(result.x, 0.0))
    a, b, rho, m, sigma = (float(x) for x in result.x)
    return {"a": round(a / level, 6), "b": round(b / level, 6), "rho": round(rho, 6), "m": round(m, 6), "sigma": round(sigma, 6)}


def main() -> None:
    data = Path(os.environ.get("DPRE_SHARED", "../shared")) / "data"
    if not data.is_dir():
        sys.exit(f"expected the market-data files in {data}; set DPRE_SHARED to the folder that holds data/")
    TABLES.mkdir(parents=True, exist_ok=True)
    for name, (start, end) in CRASHES.items():
        write_crash(data, name, start, end)
    smiles = {currency: fit(z, g) for currency, (z, g) in smile_points(data).items()}
    (TABLES / "smile-2026-02-06.json").write_text(json.dumps(smiles, indent=2) + "\n")


if __name__ == "__main__":
    main()
