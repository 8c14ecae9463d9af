"""A historical crash as a sequence of markets, in the shape that the publisher signs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keeper.errors import SimulationError
from keeper.simulation.history import HOUR, QUARTER, Crash, PathPoint
from keeper.simulation.surface import SmileShape, Surface, load_smiles, parkinson_vol

__all__ = ["Replay"]

YEAR = 365 * 86_400
RATE = 0.0
BASIS_PER_HOURLY_RETURN = 0.05
BASIS_LIMIT = 0.01
"""The perp trades below spot in a fall: 5 % of the last hour's return, at most 1 %. Made, like the vols."""


@dataclass(frozen=True, slots=True)
class Replay:
    """crash: which; expiries: unix seconds, ascending, all after the crash ends."""

    crash: Crash
    expiries: tuple[int, ...]

    def __post_init__(self) -> None:
        if list(self.expiries) != sorted(set(self.expiries)) or not self.expiries or self.expiries[0] <= self.crash.end:
            raise SimulationError(f"expiries: expected ascending times after {self.crash.end}, got {self.expiries}")

    def markets(self) -> Iterator[dict[str, Any]]:
        """Market per point: {"time", "underlyings": {symbol: {"spot", "mark", "confidence", "expiries": [...]}}}."""
        shapes = load_smiles()
        path = self.crash.path()
        lag = HOUR // QUARTER
        for i, point in enumerate(path):
            yield self.market(point, path[max(0, i - lag)], shapes)

    def market(self, point: PathPoint, hour_ago: PathPoint, shapes: Mapping[str, SmileShape]) -> dict[str, Any]:
        """The market at `point`; `hour_ago` gives the return that drives the perp's basis."""
        underlyings = {}
        for symbol, spot in point.spots.items():
            change = spot / hour_ago.spots[symbol] - 1.0
            basis = min(max(BASIS_PER_HOURLY_RETURN * change, -BASIS_LIMIT), BASIS_LIMIT)
            surface = Surface(parkinson_vol(self.crash.candles[symbol], point.time), shapes[symbol])
            underlyings[symbol] = {
                "spot": spot,
                "mark": spot * (1.0 + basis),
                "confidence": 1.0,
                "expiries": [self.quote(spot, surface, expiry, point.time) for expiry in self.expiries],
            }
        return {"time": point.time, "underlyings": underlyings}

    def quote(self, spot: float, surface: Surface, expiry: int, time: int) -> dict[str, Any]:
        tenor = (expiry - time) / YEAR
        forward = spot * math.exp(RATE * tenor)
        return {"expiry": expiry, "forward": forward, "rate": RATE, "svi": asdict(surface.slice(forward, tenor))}

    def lows(self) -> Mapping[str, float]:
        """Lowest spot of the path per symbol."""
        path: Sequence[PathPoint] = self.crash.path()
        return {symbol: min(p.spots[symbol] for p in path) for symbol in self.crash.candles}
