"""What every preset reprices with: option positions as arrays, a table of scenarios, and Black-76 over both.

The vol rule is the engine's own (`shocked_vol`, margin.md section 2), fed with the preset's ranges, powers and floors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import BookError, ParameterError
from keeper.model import SECONDS_PER_YEAR, VolDirection
from keeper.pricing import black76

__all__ = ["OptionPositions", "ScenarioTable", "current_values", "shocked_values"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OptionPositions:
    """N option positions on one underlying, all [N]: seconds to expiry >= 0; forward, strike: USD; vol per sqrt(year);
    rate per year; is_call; size: signed contracts. Build with `of`; the constructor does not check."""

    seconds: Floats
    forward: Floats
    strike: Floats
    vol: Floats
    rate: Floats
    is_call: NDArray[np.bool_]
    size: Floats

    @classmethod
    def of(
        cls,
        *,
        seconds: ArrayLike = (),
        forward: ArrayLike = (),
        strike: ArrayLike = (),
        vol: ArrayLike = (),
        rate: ArrayLike = (),
        is_call: ArrayLike = (),
        size: ArrayLike = (),
    ) -> Self:
        """From anything array-like of one length. Raises BookError for other shapes; prices and vols are checked where
        they are used."""
        columns = {"seconds": seconds, "forward": forward, "strike": strike, "vol": vol, "rate": rate, "size": size}
        arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
        call = np.asarray(is_call, dtype=np.bool_)
        if call.ndim != 1 or any(array.shape != call.shape for array in arrays.values()):
            shapes = {name: array.shape for name, array in arrays.items()} | {"is_call": call.shape}
            raise BookError(f"option positions: expected vectors of one length, got {shapes}")
        return cls(is_call=call, **arrays)

    def __len__(self) -> int:
        return len(self.size)

    @property
    def tau(self) -> Floats:
        """[N] years of 365 days."""
        return np.asarray(self.seconds / SECONDS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class ScenarioTable:
    """S scenarios, all [S]: spot: relative move > -1; vol: VolDirection; weight: factor on the P&L, >= 0 (some venues
    use factors above 1); tail: beyond the price range."""

    spot: Floats
    vol: NDArray[np.int64]
    weight: Floats
    tail: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: list[tuple[float, VolDirection, float, bool]]) -> Self:
        """From (spot move, direction, weight, tail). Raises ParameterError for moves of -100 % and negative weights."""
        for move, _, weight, _ in rows:
            if not (np.isfinite(move) and move > -1.0 and np.isfinite(weight) and weight >= 0.0):
                raise ParameterError(f"scenario: expected a move > -1 and a weight >= 0, got {move!r} and {weight!r}")
        return cls(
            np.array([move for move, _, _, _ in rows], dtype=np.float64),
            np.array([direction for _, direction, _, _ in rows], dtype=np.int64),
            np.array([weight for _, _, weight, _ in rows], dtype=np.float64),
            np.array([tail for _, _, _, tail in rows], dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.spot)


def current_values(options: OptionPositions) -> Floats:
    """[N] USD per contract at the current forward and vol."""
    o = options
    return black76.price(o.forward, o.strike, o.tau, o.vol, o.rate, o.is_call)


def shocked_values(options: OptionPositions, table: ScenarioTable, vols: Floats, moving_share: ArrayLike = 1.0) -> Floats:
    """[N, S] USD per contract, before any weight: forwards times (1 + moving_share x move).

    vols: [N, 3] by VolDirection, as `shocked_vol` gives them; moving_share: [N] or a number, the share of the forward that
    still moves (near expiry: the part of the settlement average that is not fixed yet).
    """
    o = options
    share = np.broadcast_to(np.asarray(moving_share, dtype=np.float64), (len(o),))
    forward = o.forward[:, None] * (1.0 + np.multiply.outer(share, table.spot))
    return black76.price(forward, o.strike[:, None], o.tau[:, None], vols[:, table.vol], o.rate[:, None], o.is_call[:, None])
