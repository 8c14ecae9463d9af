"""What a demo plays: a sequence of markets and the traders who live through it. The driver knows no more than this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keeper.model.account import MarginMode
from keeper.model.instrument import Instrument

__all__ = ["Leg", "Story", "Trader"]


@dataclass(frozen=True, slots=True)
class Leg:
    """A trade at the opening, at mark, with the market maker on the other side. size: signed contracts."""

    instrument: Instrument
    size: float


@dataclass(frozen=True, slots=True)
class Trader:
    """One account: what it deposits (whole tokens) and trades. `moral` is what its fate shows, one line."""

    name: str
    mode: MarginMode
    usdc: float
    legs: tuple[Leg, ...]
    moral: str
    weth: float = 0.0


@dataclass(frozen=True, slots=True)
class Story:
    """title: one line; genesis: unix seconds of the first block; expiries: listed for every underlying; opening: the market in which all
    trade; markets: what follows, each with its "time", ascending and later than the opening's; money in whole USDC; seed: what the traders
    were drawn from, if they were; notes: how prices and vols were made, one line each."""

    name: str
    title: str
    genesis: int
    expiries: tuple[int, ...]
    opening: Mapping[str, Any]
    markets: tuple[Mapping[str, Any], ...]
    traders: tuple[Trader, ...]
    fund_usdc: float
    keeper_usdc: float
    maker_usdc: float
    seed: int | None = None
    notes: tuple[str, ...] = ()
