"""Markets of our own making: spot as told, forwards from a rate, a vol surface in the shape of a real chain.

What a demo or a test calls a market is the dict that the publisher signs: {"time", "underlyings": {symbol: {...}}} in floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from keeper.simulation.surface import SmileShape, Surface, load_smiles

__all__ = ["CALM_VOL", "OPENING_SPOTS", "YEAR", "market_at"]

YEAR = 365 * 86_400
OPENING_SPOTS = {"ETH": 3_400.0, "BTC": 94_000.0}
CALM_VOL = 0.55  # per sqrt(year), short end
RATE = 0.04


def market_at(
    time: int, expiries: Sequence[int], spots: Mapping[str, float], *, vol: float = CALM_VOL, basis: float = 0.0, confidence: float = 1.0
) -> dict[str, Any]:
    """time: unix seconds, before every expiry; spots: symbol -> USD; vol: short-end at-the-money vol; basis: perp mark / spot - 1."""
    shapes = _shapes()
    return {
        "time": time,
        "underlyings": {
            symbol: {
                "spot": spot,
                "mark": spot * (1.0 + basis),
                "confidence": confidence,
                "expiries": [_quote(spot, Surface(vol, shapes[symbol]), expiry, time) for expiry in expiries],
            }
            for symbol, spot in spots.items()
        },
    }


def _quote(spot: float, surface: Surface, expiry: int, time: int) -> dict[str, Any]:
    tenor = (expiry - time) / YEAR
    forward = spot * math.exp(RATE * tenor)
    return {"expiry": expiry, "forward": forward, "rate": RATE, "svi": asdict(surface.slice(forward, tenor))}


@lru_cache(maxsize=1)
def _shapes() -> Mapping[str, SmileShape]:
    return load_smiles()
