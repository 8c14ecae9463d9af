"""Historical crashes as paths of 15-minute points, from the project's own hourly tables.

The order of an hour's extremes is not known from a candle; the convention here is: open, the extreme nearer the open, the
other extreme, close, 15 minutes apart.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from keeper.errors import SimulationError

__all__ = ["CRASHES", "Candle", "Crash", "PathPoint", "load_crash"]

TABLES = Path(__file__).parent / "tables"
QUARTER = 900
HOUR = 3600
PATH_CONVENTION = "per hour: open, the extreme nearer the open, the other extreme, close, 15 minutes apart"


@dataclass(frozen=True, slots=True)
class Candle:
    """One hour. time: unix seconds of its opening; prices in USD, low <= open, close <= high."""

    time: int
    open: float
    high: float
    low: float
    close: float

    def __post_init__(self) -> None:
        if not 0.0 < self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise SimulationError(f"candle at {self.time}: expected 0 < low <= open, close <= high, got {self}")

    def quarters(self) -> tuple[float, float, float, float]:
        """Prices at 0, 15, 30 and 45 minutes (the convention of this module)."""
        low_first = self.open - self.low <= self.high - self.open
        first, second = (self.low, self.high) if low_first else (self.high, self.low)
        return self.open, first, second, self.close


@dataclass(frozen=True, slots=True)
class PathPoint:
    """time: unix seconds; spots: USD per underlying symbol."""

    time: int
    spots: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Crash:
    """name; start, end: unix seconds, [start, end); candles per symbol, from the warm-up hours to the last hour."""

    name: str
    title: str
    start: int
    end: int
    candles: Mapping[str, tuple[Candle, ...]]

    def path(self) -> tuple[PathPoint, ...]:
        """The replay's points, one per 15 minutes from `start`."""
        quarters = {
            symbol: [(c.time + i * QUARTER, p) for c in candles if c.time >= self.start for i, p in enumerate(c.quarters())]
            for symbol, candles in self.candles.items()
        }
        times = [time for time, _ in next(iter(quarters.values()))]
        return tuple(
            PathPoint(time, MappingProxyType({symbol: points[i][1] for symbol, points in quarters.items()})) for i, time in enumerate(times)
        )


CRASHES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "covid-2020": ("12-13 March 2020", "2020-03-12T00:00:00+00:00", "2020-03-14T00:00:00+00:00"),
        "ftx-2022": ("6-11 November 2022", "2022-11-06T00:00:00+00:00", "2022-11-12T00:00:00+00:00"),
    }
)
"""name -> title, first instant, end (excluded)."""


def load_crash(name: str) -> Crash:
    """Raises SimulationError for a name that is not in `CRASHES`, or a table with a missing hour."""
    if name not in CRASHES:
        raise SimulationError(f"crash: expected one of {sorted(CRASHES)}, got {name!r}")
    title, first, last = CRASHES[name]
    start, end = (int(datetime.fromisoformat(t).timestamp()) for t in (first, last))
    candles: dict[str, list[Candle]] = {"BTC": [], "ETH": []}
    with (TABLES / f"{name}.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            time = int(datetime.fromisoformat(row["time"]).timestamp())
            for symbol, hours in candles.items():
                prices = (float(row[f"{symbol.lower()}_{column}"]) for column in ("open", "high", "low", "close"))
                hours.append(Candle(time, *prices))
    for symbol, hours in candles.items():
        expected = list(range(hours[0].time, end, HOUR))
        if hours[0].time > start or [c.time for c in hours] != expected:
            raise SimulationError(f"{name}, {symbol}: expected every hour from before {first} to {last}")
    return Crash(name, title, start, end, MappingProxyType({s: tuple(h) for s, h in candles.items()}))
