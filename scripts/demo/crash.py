"""A real crash as a story: the market's own path, and a crowd of traders drawn from a committed seed.

Every trader is an archetype with a cushion: it deposits that multiple of what its mode asks at the opening. Some archetypes come
as *twins*, the same book and the same cash once in PORTFOLIO and once in CROSS, so that the difference between the modes shows in
their fates and nowhere else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from keeper.errors import SimulationError
from keeper.margin import Book, margin
from keeper.model import (
    DPRE_1,
    Account,
    Collateral,
    CorrelationGroup,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    SviSlice,
    UnderlyingMarket,
    Wad,
)
from keeper.pricing import InstrumentTable, price_table
from keeper.simulation import PATH_CONVENTION, Replay, load_crash
from scripts.configure import COLLATERAL_HAIRCUTS, MAJORS
from scripts.demo.story import Leg, Story, Trader
from scripts.deploy import UNDERLYINGS

__all__ = ["EXPIRIES", "NOTES", "account_of", "crash", "market_of", "open_interest", "parameters"]

ETH, BTC = UNDERLYINGS["ETH"], UNDERLYINGS["BTC"]
SYMBOLS = {index: symbol for symbol, index in UNDERLYINGS.items()}
_T = TypeVar("_T")
SEED = 20200312
SET_UP_SECONDS = 3_600  # blocks are a second apart until the story opens
ISOLATED, CROSS, PORTFOLIO = MarginMode
EXPIRIES = {
    "covid-2020": ("2020-03-20", "2020-03-27", "2020-06-26"),
    "ftx-2022": ("2022-11-18", "2022-11-25", "2022-12-30"),
}
NOTES = (
    f"Prices: Binance's hourly spot candles against USDT; path {PATH_CONVENTION} (the order inside an hour is not known).",
    (
        "Vols: made, none are known here: level from the path (EWMA of Parkinson variance, half-life 12 h, no look-ahead), term structure "
        "reverting to 80 %, smile shape of Deribit's chains of 6 February 2026."
    ),
    "Perp basis: made, 5 % of the last hour's return, at most 1 %.",
)


def crash(name: str, seed: int = SEED) -> Story:
    """The story of `name` (keeper.simulation.CRASHES). The seed decides sizes, strikes, expiries and cushions. Raises SimulationError."""
    history = load_crash(name)
    days = EXPIRIES.get(name)
    if days is None:
        raise SimulationError(f"crash: expected one of {sorted(EXPIRIES)}, got {name!r}")
    expiries = tuple(int(datetime.fromisoformat(day).replace(hour=8, tzinfo=UTC).timestamp()) for day in days)
    opening, *markets = Replay(history, expiries).markets()
    traders = _Crowd(opening, expiries, random.Random(seed)).traders()
    return Story(
        name=name,
        title=history.title,
        genesis=history.start - SET_UP_SECONDS,
        expiries=expiries,
        opening=opening,
        markets=tuple(markets),
        traders=traders,
        fund_usdc=float(round(FUND_SHARE * open_interest(traders, market_of(opening)))),
        keeper_usdc=20_000_000,
        maker_usdc=200_000_000,
        seed=seed,
        notes=NOTES,
    )


FUND_SHARE = 0.015  # of the opening's open interest
LADDER = (5.5, 8.0, 10.5, 13.0, 15.5, 18.0, 20.5, 23.0, 28.0, 40.0)
"""Rungs of longs per underlying: money in percent of notional. Wherever a crash gaps, somebody stood just above it."""


def parameters() -> Parameters:
    """DPRE-1 with the collateral that `scripts.configure` lists."""
    initial, maintenance = (haircut / 1e18 for haircut in COLLATERAL_HAIRCUTS)
    return DPRE_1.with_collateral(Collateral("WETH", initial, maintenance, underlying=ETH))


def market_of(market: Mapping[str, Any]) -> Market:
    """The publisher's dict as the keeper's model, with the group and the token that `scripts.configure` sets."""
    underlyings = {
        UNDERLYINGS[symbol]: UnderlyingMarket(
            u["spot"],
            u["mark"],
            u["confidence"],
            1.0,
            tuple(ExpiryMarket(e["expiry"], e["forward"], e["rate"], SviSlice(**e["svi"])) for e in u["expiries"]),
        )
        for symbol, u in market["underlyings"].items()
    }
    group = CorrelationGroup((ETH, BTC), MAJORS[1] / 1e18)
    return Market(market["time"], underlyings, (group,), {"WETH": underlyings[ETH].spot})


def open_interest(traders: Iterable[Trader], market: Market) -> float:
    """USD at spot: per instrument the larger of what traders are long and short (their maker holds the difference)."""
    longs: Counter[Instrument] = Counter()
    shorts: Counter[Instrument] = Counter()
    for leg in (leg for trader in traders for leg in trader.legs):
        (longs if leg.size > 0 else shorts)[leg.instrument] += abs(leg.size)
    return sum(max(longs[i], shorts[i]) * market.underlying(i.underlying).spot for i in longs.keys() | shorts.keys())


def account_of(number: int, trader: Trader, market: Market, rules: Parameters) -> Account:
    """The trader's account right after it traded its legs at mark, fees left out."""
    instruments = [leg.instrument for leg in trader.legs]
    marks = price_table(InstrumentTable.of(instruments), market, rules).value if instruments else ()
    return Account(
        id=number,
        owner=trader.name,
        mode=trader.mode,
        cash=Wad.from_float(trader.usdc),
        collateral={"WETH": Wad.from_float(trader.weth)} if trader.weth else {},
        positions={
            leg.instrument: Position(Wad.from_float(leg.size), Wad.from_float(leg.size * float(mark)))
            for leg, mark in zip(trader.legs, marks, strict=True)
        },
    )


class _Crowd:
    """Draws the traders. All sizes in contracts, money in whole USDC."""

    def __init__(self, opening: Mapping[str, Any], expiries: tuple[int, ...], rng: random.Random) -> None:
        self._market = market_of(opening)
        self._rules = parameters()
        self._expiries = expiries
        self._rng = rng

    def traders(self) -> tuple[Trader, ...]:
        """74 of them: the ladder, singles, twins."""
        singles: tuple[tuple[int, str, Callable[[], tuple[MarginMode, tuple[Leg, ...]]], tuple[float, float], str], ...] = (
            (3, "deep", lambda: (CROSS, (self._perp(1),)), (8.0, 14.0), "long with a deep cushion"),
            (5, "short", lambda: (self._pick(ISOLATED, CROSS, PORTFOLIO), (self._perp(-1),)), (1.3, 3.0), "short: gains in the fall"),
            (5, "strangle", self._strangle, (1.1, 3.0), "short volatility"),
            (4, "put-writer", lambda: (self._pick(ISOLATED, CROSS), (self._put(0.8, 0.95, -1),)), (1.1, 4.0), "naked short put"),
            (4, "straddle", self._straddle, (1.5, 3.0), "long volatility: gains"),
            (3, "reversal", self._reversal, (1.1, 2.5), "short put, long call: long by another name"),
            (3, "calendar", self._calendar, (1.3, 3.0), "short near, long far"),
            (3, "pair", self._pair, (1.2, 3.0), "long one major against the other"),
            (2, "owner", lambda: (self._pick(ISOLATED, CROSS), (self._put(0.9, 1.0, 1),)), (1.2, 2.0), "paid-up long put"),
        )
        drawn = [self._rung(underlying, percent / 100) for underlying in (BTC, ETH) for percent in LADDER]
        drawn += [
            self._trader(f"{name}-{i + 1}", *draw(), self._rng.uniform(*cushion), moral)
            for count, name, draw, cushion, moral in singles
            for i in range(count)
        ]
        for i in range(4):
            drawn.append(self._covered(f"covered-{i + 1}"))
        twins: tuple[tuple[int, str, Callable[[], tuple[Leg, ...]], str], ...] = (
            (4, "married-put", self._married_put, "long perp, long put: the hedge counts"),
            (3, "basis", self._basis, "long future, short perp: the hedge counts"),
            (2, "collar", self._collar, "long perp between a long put and a short call"),
        )
        for count, name, draw_legs, moral in twins:
            for i in range(count):
                drawn += self._twins(f"{name}-{i + 1}", draw_legs(), moral)
        return tuple(drawn)

    # --- archetypes ---

    def _rung(self, underlying: int, margin_share: float) -> Trader:
        leg = self._perp_of(underlying, self._notional(60_000, 240_000))
        usdc = leg.size * self._spot(underlying) * margin_share + self._fees((leg,))
        name = f"long-{SYMBOLS[underlying].lower()}-{1 / margin_share:.1f}x"
        return Trader(name, self._pick(ISOLATED, CROSS), round(usdc, 2), (leg,), f"long at {1 / margin_share:.1f} times its money")

    def _strangle(self) -> tuple[MarginMode, tuple[Leg, ...]]:
        u, e, size = self._underlying(), self._expiry(), self._notional(200_000, 900_000)
        return PORTFOLIO, (self._option(u, e, False, 0.8, 0.92, -size), self._option(u, e, True, 1.08, 1.2, -size))

    def _straddle(self) -> tuple[MarginMode, tuple[Leg, ...]]:
        u, e, size = self._underlying(), self._expiry(), self._notional(100_000, 500_000)
        return self._pick(CROSS, PORTFOLIO), (self._option(u, e, False, 0.95, 1.0, size), self._option(u, e, True, 1.0, 1.05, size))

    def _reversal(self) -> tuple[MarginMode, tuple[Leg, ...]]:
        u, e, size = self._underlying(), self._expiry(), self._notional(200_000, 700_000)
        return PORTFOLIO, (self._option(u, e, False, 0.85, 0.95, -size), self._option(u, e, True, 1.05, 1.15, size))

    def _calendar(self) -> tuple[MarginMode, tuple[Leg, ...]]:
        u, size = self._underlying(), self._notional(200_000, 800_000)
        near, *_, far = self._expiries
        strike = self._rng.uniform(0.85, 1.0)
        return PORTFOLIO, (self._option(u, near, False, strike, strike, -size), self._option(u, far, False, strike, strike, size))

    def _pair(self) -> tuple[MarginMode, tuple[Leg, ...]]:
        long, short = self._rng.sample((ETH, BTC), 2)
        size = self._notional(300_000, 900_000)
        return PORTFOLIO, (self._perp_of(long, size), self._perp_of(short, -size))

    def _married_put(self) -> tuple[Leg, ...]:
        u, size = self._underlying(), self._notional(300_000, 900_000)
        return self._perp_of(u, size), self._option(u, self._expiries[-1], False, 0.92, 1.0, size)

    def _basis(self) -> tuple[Leg, ...]:
        u, size = self._underlying(), self._notional(400_000, 1_200_000)
        return Leg(Instrument.future(u, self._expiries[-1]), self._contracts(u, size)), self._perp_of(u, -size)

    def _collar(self) -> tuple[Leg, ...]:
        u, e, size = self._underlying(), self._expiries[1], self._notional(300_000, 900_000)
        return self._perp_of(u, size), self._option(u, e, False, 0.9, 0.97, size), self._option(u, e, True, 1.08, 1.15, -size)

    def _covered(self, name: str) -> Trader:
        weth = round(self._notional(150_000, 500_000) / self._spot(ETH), 3)
        legs = (Leg(self._listed(ETH, self._expiry(), True, 1.05, 1.2), -weth),)
        return self._trader(name, PORTFOLIO, legs, self._rng.uniform(0.05, 0.3), "covered calls: WETH joins the legs", weth=weth)

    # --- pieces ---

    def _twins(self, name: str, legs: tuple[Leg, ...], moral: str) -> list[Trader]:
        """Both get what CROSS asks and a little more: the most a fair comparison can give to CROSS."""
        usdc = self._asked(Trader(name, CROSS, 0.0, legs, moral)) * self._rng.uniform(1.1, 1.4) + self._fees(legs)
        return [
            Trader(f"{name}-portfolio", PORTFOLIO, round(usdc, 2), legs, f"{moral} (twin in PORTFOLIO)"),
            Trader(f"{name}-cross", CROSS, round(usdc, 2), legs, f"{moral} (the same book and cash in CROSS)"),
        ]

    def _trader(self, name: str, mode: MarginMode, legs: tuple[Leg, ...], cushion: float, moral: str, weth: float = 0.0) -> Trader:
        bare = Trader(name, mode, 0.0, legs, moral, weth=weth)
        usdc = self._asked(bare) * (cushion if not weth else 1.0 + cushion) + self._fees(legs)
        return Trader(name, mode, round(max(usdc, 0.0) + 1_000.0, 2), legs, moral, weth=weth)

    def _asked(self, trader: Trader) -> float:
        """Cash that the opening asks for: initial margin less what collateral and long options already give, USD."""
        result = margin(Book.from_accounts([account_of(1, trader, self._market, self._rules)], self._rules), self._market, self._rules)
        return float(result.initial[0] - result.margin_equity_initial[0])

    def _fees(self, legs: tuple[Leg, ...]) -> float:
        return sum(abs(leg.size) * self._spot(leg.instrument.underlying) for leg in legs) * 0.001

    def _perp(self, sign: int) -> Leg:
        return self._perp_of(self._underlying(), sign * self._notional(100_000, 1_000_000))

    def _perp_of(self, underlying: int, notional: float) -> Leg:
        return Leg(Instrument.perp(underlying), self._contracts(underlying, notional))

    def _put(self, lowest: float, highest: float, sign: int) -> Leg:
        return self._option(self._underlying(), self._expiry(), False, lowest, highest, sign * self._notional(100_000, 600_000))

    def _option(self, underlying: int, expiry: int, is_call: bool, lowest: float, highest: float, notional: float) -> Leg:
        return Leg(self._listed(underlying, expiry, is_call, lowest, highest), self._contracts(underlying, notional))

    def _listed(self, underlying: int, expiry: int, is_call: bool, lowest: float, highest: float) -> Instrument:
        """Moneyness between the bounds, on the exchange's grid of strikes."""
        step = 250.0 if underlying == BTC else 5.0
        strike = max(step, round(self._spot(underlying) * self._rng.uniform(lowest, highest) / step) * step)
        return (Instrument.call if is_call else Instrument.put)(underlying, expiry, strike)

    def _contracts(self, underlying: int, notional: float) -> float:
        return round(notional / self._spot(underlying), 3)

    def _spot(self, underlying: int) -> float:
        return self._market.underlying(underlying).spot

    def _underlying(self) -> int:
        return self._pick(ETH, BTC)

    def _expiry(self) -> int:
        return self._pick(*self._expiries)

    def _notional(self, lowest: float, highest: float) -> float:
        return self._rng.uniform(lowest, highest)

    def _pick(self, *choices: _T) -> _T:
        return self._rng.choice(choices)
