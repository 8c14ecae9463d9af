"""Random markets and books, in the shape of dpre1_portfolios.json, so that both sides read the same floats."""

from __future__ import annotations

import math
import random
from typing import Any

__all__ = ["random_book", "random_market"]

NOW = 1_790_000_000
YEAR = 365 * 86_400
SPOTS = {"ETH": (50.0, 20_000.0), "BTC": (3_000.0, 400_000.0), "SOL": (2.0, 900.0)}


def random_market(rng: random.Random) -> dict[str, Any]:
    """Two or three underlyings, one to four expiries each from ten minutes to three years, any confidence, one group or none."""
    names = rng.sample(sorted(SPOTS), rng.randint(2, 3))
    market = {"time": NOW, "underlyings": {name: _underlying(rng, name) for name in names}, "groups": []}
    if {"BTC", "ETH"} <= set(names) and rng.random() < 0.8:
        market["groups"] = [{"members": ["BTC", "ETH"], "kappa": rng.choice([0.0, 0.2, 0.35, 0.5])}]
    return market


def _underlying(rng: random.Random, name: str) -> dict[str, Any]:
    low, high = SPOTS[name]
    spot = math.exp(rng.uniform(math.log(low), math.log(high)))
    tenors = sorted({round(math.exp(rng.uniform(math.log(600), math.log(3 * YEAR)))) for _ in range(rng.randint(1, 4))})
    return {
        "spot": spot,
        "mark": spot * (1.0 + rng.uniform(-0.049, 0.049)),
        "confidence": rng.choice([1.0, 1.0, 0.95, 0.9, round(rng.uniform(0.3, 0.9), 4)]),
        "spot_scale": rng.choice([1.0, 1.0, 1.3, 2.5]),
        "expiries": [_expiry(rng, spot, tenor) for tenor in tenors],
    }


def _expiry(rng: random.Random, spot: float, tenor: int) -> dict[str, Any]:
    years, vol = tenor / YEAR, math.exp(rng.uniform(math.log(0.15), math.log(3.0)))
    total = min(vol * vol * years, 8.0)  # what a feed word holds: below 9.2
    root, rho = math.sqrt(total), rng.uniform(-0.7, 0.7)
    b, sigma = root * rng.uniform(0.05, 0.6), root * rng.uniform(0.2, 2.0)
    forward = spot * math.exp(rng.uniform(-0.05, 0.15) * years)
    return {
        "expiry": NOW + tenor,
        "forward": forward,
        "rate": rng.uniform(-0.02, 0.12),
        "svi": {
            "a": total - b * sigma * math.sqrt(1 - rho * rho) * rng.uniform(0.2, 0.9),
            "b": b,
            "rho": rho,
            "m": root * rng.uniform(-0.3, 0.3),
            "sigma": sigma,
            "ref_forward": forward * rng.uniform(0.97, 1.03),
            "ref_tau": years * rng.uniform(1.0, 1.05),
        },
    }


def random_book(rng: random.Random, market: dict[str, Any], legs: int) -> dict[str, Any]:
    """`legs` positions or fewer (one per instrument), cash, and WETH where ETH is quoted, sometimes."""
    positions: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(legs):
        name = rng.choice(sorted(market["underlyings"]))
        quoted = market["underlyings"][name]
        kind = rng.choice(["perp", "future", "call", "call", "put", "put"])
        position: dict[str, Any] = {"kind": kind, "underlying": name}
        if kind != "perp":
            expiry = rng.choice(quoted["expiries"])
            position["expiry"] = expiry["expiry"]
            if kind in ("call", "put"):
                spread = max(0.02, min(1.5, 2.5 * math.sqrt(expiry["svi"]["a"] + expiry["svi"]["b"] * expiry["svi"]["sigma"])))
                position["strike"] = float(f"{quoted['spot'] * math.exp(rng.uniform(-spread, spread)):.4g}")
        notional = rng.choice([-1, 1]) * math.exp(rng.uniform(math.log(100), math.log(5e7)))
        position["size"] = round(notional / quoted["spot"], 6) or 1e-6
        position["cost"] = round(position["size"] * quoted["spot"] * rng.uniform(0.0, 1.2), 6)
        positions[kind, name, position.get("expiry"), position.get("strike")] = position
    collateral = []
    if "ETH" in market["underlyings"] and rng.random() < 0.5:
        weth = {"token": "WETH", "quantity": round(math.exp(rng.uniform(-3, 9)), 6), "price": market["underlyings"]["ETH"]["spot"]}
        collateral.append(weth | {"haircut_initial": 0.15, "haircut_maintenance": 0.1, "underlying": "ETH"})
    return {"cash": round(rng.uniform(-1e6, 5e7), 2), "collateral": collateral, "positions": list(positions.values())}
