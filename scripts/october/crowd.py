"""Who trades on the evening of 10 October 2025: a seeded crowd in two perpetuals, most of it long.

Longs run from no leverage to fifteen times; those above three times are what liquidators did not get to before the price fell through
their equity. Opposite them stand directional shorts and two kinds of hedgers: *carry* (short perpetual against the coin itself as
collateral) and *basis* (short perpetual against a long future).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from keeper.model import Instrument, MarginMode
from scripts.deploy import UNDERLYINGS
from scripts.market_path import OPENING_SPOTS

__all__ = ["Crowd", "Fill", "Trader", "crowd"]

SEED = 20251010
ETH, BTC = UNDERLYINGS["ETH"], UNDERLYINGS["BTC"]
SPOTS = {ETH: OPENING_SPOTS["ETH"], BTC: OPENING_SPOTS["BTC"]}
LOT = 10**12  # sizes are whole millionths of a contract
SHARES = {"long": 0.50, "carry": 0.12, "basis": 0.08}  # of all accounts; the others are directional shorts
DOOMED = 0.10  # of the longs: leverage at which a fall of 30 % takes more than the equity
STRAINED = 0.05  # of the longs: under-margined, not bankrupt
MEDIAN_NOTIONAL, SPREAD, SMALLEST, LARGEST = 12_000.0, 1.0, 1_000.0, 400_000.0


@dataclass
class Trader:
    """kind: long, short, carry or basis; usdc, weth: whole tokens to deposit."""

    kind: str
    underlying: int
    mode: MarginMode
    leverage: float
    usdc: float = 0.0
    weth: float = 0.0
    notional: float = 0.0


@dataclass(frozen=True, slots=True)
class Fill:
    """buyer, seller: places in the crowd; size: contracts 1e18."""

    buyer: int
    seller: int
    instrument: Instrument
    size: int


@dataclass
class Crowd:
    traders: list[Trader] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)


def crowd(accounts: int, quarter: int) -> Crowd:
    """accounts: at least 40; quarter: the expiry of the futures that basis traders hold."""
    if accounts < 40:
        raise ValueError(f"expected at least 40 accounts, got {accounts}")
    dice = random.Random(SEED)
    made = Crowd()
    for place in range(accounts):
        made.traders.append(_trader(dice, _kind(place, accounts)))
    longs = [place for place, trader in enumerate(made.traders) if trader.kind == "long"]
    sides = {
        underlying: [place for place, t in enumerate(made.traders) if t.kind != "long" and t.underlying == underlying]
        for underlying in (ETH, BTC)
    }
    weights = {underlying: [1.0 / (rank + 1) ** 0.7 for rank in range(len(side))] for underlying, side in sides.items()}
    turn = dict.fromkeys(sides, 0)
    for place in longs:
        trader = made.traders[place]
        underlying, notional = trader.underlying, min(max(dice.lognormvariate(math.log(MEDIAN_NOTIONAL), SPREAD), SMALLEST), LARGEST)
        # One half goes to whoever's turn it is, so that nobody is left out, the other to the large ones.
        side = sides[underlying]
        first, turn[underlying] = side[turn[underlying] % len(side)], turn[underlying] + 1
        for other in (first, dice.choices(side, weights[underlying])[0]):
            _fill(made, place, other, Instrument.perp(underlying), notional / 2)
    shorts = [place for place in sides[BTC] if made.traders[place].kind == "short"]
    for place in sides[BTC]:
        if made.traders[place].kind == "basis":
            _fill(made, place, dice.choice(shorts), Instrument.future(BTC, quarter), made.traders[place].notional)
    for trader in made.traders:
        _deposit(trader)
    return made


def _kind(place: int, accounts: int) -> str:
    share, total = place / accounts, 0.0
    for kind, part in SHARES.items():
        total += part
        if share < total:
            return kind
    return "short"


def _trader(dice: random.Random, kind: str) -> Trader:
    underlying = {"carry": ETH, "basis": BTC}.get(kind, ETH if dice.random() < 0.55 else BTC)
    mode = MarginMode.PORTFOLIO if kind in ("carry", "basis") else MarginMode.CROSS
    if kind == "long":
        chance = dice.random()
        if chance < DOOMED:
            leverage = min(3.5 + dice.expovariate(0.4), 15.0)
        elif chance < DOOMED + STRAINED:
            leverage = dice.uniform(2.85, 3.2)
        else:
            leverage = dice.uniform(0.8, 2.7)
    else:
        leverage = dice.uniform(1.0, 8.0)
    return Trader(kind, underlying, mode, leverage)


def _fill(made: Crowd, buyer: int, seller: int, instrument: Instrument, notional: float) -> None:
    size = max(1, round(notional / SPOTS[instrument.underlying] * 1e6)) * LOT
    made.fills.append(Fill(buyer, seller, instrument, size))
    for place in (buyer, seller):
        made.traders[place].notional += size / 1e18 * SPOTS[instrument.underlying]


def _deposit(trader: Trader) -> None:
    """Leverage is notional over what is deposited; hedgers hold what they hedge and a cushion for fees and scenarios."""
    if trader.kind == "carry":
        trader.weth = round(trader.notional / SPOTS[ETH], 6)
        trader.usdc = round(0.05 * trader.notional + 100.0, 2)
    elif trader.kind == "basis":
        trader.usdc = round(0.16 * trader.notional + 100.0, 2)  # the perpetual is sold before the future is bought
    else:
        trader.usdc = round(trader.notional / trader.leverage + 0.002 * trader.notional + 5.0, 2)
