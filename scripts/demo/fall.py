"""The scripted fall: BTC and ETH lose 25 % in ten steps, five minutes apart, vols rise, the perps trade below spot.

Each trader is there for one thing that the waterfall must get right; `moral` says which.
"""

from __future__ import annotations

from keeper.model.account import MarginMode
from keeper.model.instrument import Instrument
from scripts.demo.story import Leg, Story, Trader
from scripts.market_path import CALM_VOL, OPENING_SPOTS, market_at

__all__ = ["fall"]

GENESIS = 1_735_689_600  # 2025-01-01 00:00 UTC
HOUR, DAY = 3_600, 86_400
OPENING = GENESIS + HOUR  # after set-up; blocks are a second apart until then
STEP = 300  # seconds between two markets
ETH, BTC = 0, 1

# Spot against the opening, short-end vol, perp basis; the gap at step 5 is what bankrupts.
STEPS = (
    (-0.015, 0.60, -0.001),
    (-0.035, 0.66, -0.001),
    (-0.060, 0.75, -0.002),
    (-0.080, 0.82, -0.002),
    (-0.130, 1.05, -0.006),
    (-0.155, 1.15, -0.005),
    (-0.175, 1.20, -0.004),
    (-0.200, 1.28, -0.004),
    (-0.225, 1.35, -0.003),
    (-0.250, 1.40, -0.003),
)


def fall() -> Story:
    """The story, with expiries about a week, a month and a quarter after its genesis."""
    expiries = tuple(GENESIS + days * DAY + 8 * HOUR for days in (7, 30, 90))
    markets = tuple(
        market_at(
            OPENING + (i + 1) * STEP,
            expiries,
            {symbol: spot * (1.0 + change) for symbol, spot in OPENING_SPOTS.items()},
            vol=vol,
            basis=basis,
        )
        for i, (change, vol, basis) in enumerate(STEPS)
    )
    return Story(
        name="fall",
        title="a fall of 25 % in ten steps",
        genesis=GENESIS,
        expiries=expiries,
        opening=market_at(GENESIS, expiries, OPENING_SPOTS, vol=CALM_VOL),
        markets=markets,
        traders=_traders(*expiries),
        fund_usdc=1_000_000,
        keeper_usdc=3_000_000,
        maker_usdc=30_000_000,
    )


def _traders(week: int, month: int, quarter: int) -> tuple[Trader, ...]:
    isolated, cross, portfolio = MarginMode
    eth, btc = Instrument.perp(ETH), Instrument.perp(BTC)
    married_put = (Leg(eth, 100), Leg(Instrument.put(ETH, month, 3_300), 100))
    strangle = (Leg(Instrument.call(ETH, month, 4_000), -150), Leg(Instrument.put(ETH, month, 2_900), -150))
    return (
        Trader("Ada", cross, 34_000, (Leg(eth, 100),), "ten times long: cut back before the gap, bankrupt behind it"),
        Trader("Ben", isolated, 62_000, (Leg(btc, 12),), "eighteen times long in one position: the first to go"),
        Trader("Cleo", isolated, 232_000, (Leg(btc, 21.5),), "healthy before the gap, bankrupt behind it: the fund pays"),
        Trader("Dan", cross, 82_000, (Leg(eth, 120), Leg(btc, 3.2)), "two perps, one cash balance: the gap takes both at once"),
        Trader("Eve", portfolio, 100_000, strangle, "short volatility: loses by vol and by spot, taken in parts"),
        Trader("Finn", portfolio, 20_000, (Leg(Instrument.call(ETH, month, 3_600), -80),), "covered calls: WETH joins the legs", weth=80),
        Trader("Gus", portfolio, 70_000, married_put, "long perp and long put: the hedge counts, he survives"),
        Trader("Gwen", cross, 70_000, married_put, "the same book and cash in CROSS: the put supports nothing, its value is sold"),
        Trader("Hana", portfolio, 12_000, (Leg(Instrument.future(ETH, quarter), 60), Leg(eth, -60)), "basis trade: survives"),
        Trader("Ivan", cross, 60_000, (Leg(btc, -5),), "short: gains"),
        Trader("Jun", isolated, 70_000, (Leg(Instrument.put(BTC, month, 90_000), -4),), "naked short put"),
        Trader(
            "Kim",
            portfolio,
            140_000,
            (Leg(Instrument.call(BTC, month, 105_000), 6), Leg(Instrument.put(BTC, month, 85_000), -6)),
            "risk reversal: partial liquidations as the put comes into the money",
        ),
        Trader("Leo", cross, 12_000, (Leg(Instrument.future(BTC, quarter), 2),), "long a future on WETH: collateral falls too", weth=10),
        Trader(
            "Mia",
            portfolio,
            51_000,
            (Leg(Instrument.put(ETH, month, 3_200), -250), Leg(Instrument.put(ETH, month, 2_900), 250)),
            "put spread: the loss is limited, a call and no more",
        ),
        Trader("Noa", isolated, 12_000, (Leg(Instrument.call(ETH, week, 3_600), 40),), "a paid-up long option cannot be liquidated"),
        Trader("Omar", portfolio, 150_000, (Leg(btc, 6), Leg(eth, -165)), "long BTC against ETH: half of the offset counts"),
    )
