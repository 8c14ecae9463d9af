"""The complete DPRE-1 cases, and a market with many accounts of all kinds in it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keeper.margin import Book, MarginResult, margin
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

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "dpre1_portfolios.json").read_text())
INDEX = {"BTC": 0, "ETH": 1, "SOL": 2}
NAME = {index: name for name, index in INDEX.items()}

DAY = 86_400
NOW = 1_780_000_000


def instrument_of(position: dict[str, Any]) -> Instrument:
    underlying = INDEX[position["underlying"]]
    match position["kind"]:
        case "perp":
            return Instrument.perp(underlying)
        case "future":
            return Instrument.future(underlying, position["expiry"])
        case "call":
            return Instrument.call(underlying, position["expiry"], position["strike"])
        case "put":
            return Instrument.put(underlying, position["expiry"], position["strike"])
    raise AssertionError(position["kind"])


@dataclass(frozen=True)
class Case:
    """One published case; `inputs` may be a changed copy of its market and book, `outputs` are as published."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @property
    def parameters(self) -> Parameters:
        return DPRE_1.with_collateral(
            *(
                Collateral(c["token"], c["haircut_initial"], c["haircut_maintenance"], INDEX.get(c["underlying"]))
                for c in self.inputs["book"]["collateral"]
            )
        )

    @property
    def market(self) -> Market:
        market = self.inputs["market"]
        underlyings = {
            INDEX[name]: UnderlyingMarket(
                u["spot"],
                u["mark"],
                u["confidence"],
                u["spot_scale"],
                tuple(ExpiryMarket(e["expiry"], e["forward"], e["rate"], SviSlice(**e["svi"])) for e in u["expiries"]),
            )
            for name, u in market["underlyings"].items()
        }
        groups = tuple(CorrelationGroup(tuple(INDEX[n] for n in g["members"]), g["kappa"]) for g in market["groups"])
        prices = {c["token"]: c["price"] for c in self.inputs["book"]["collateral"]}
        return Market(market["time"], underlyings, groups, prices)

    @property
    def account(self) -> Account:
        book = self.inputs["book"]
        return Account(
            1,
            "0x01",
            MarginMode.PORTFOLIO,
            Wad.from_float(book["cash"]),
            {c["token"]: Wad.from_float(c["quantity"]) for c in book["collateral"]},
            {instrument_of(p): Position(Wad.from_float(p["size"]), Wad.from_float(p["cost"])) for p in book["positions"]},
        )

    def result(self, mode: MarginMode) -> MarginResult:
        book = Book.from_accounts([self.account], self.parameters)
        return margin(book.in_mode(mode), self.market, self.parameters)

    def errors(self) -> Iterator[tuple[str, float]]:
        """Every published figure with the error of ours, in units of gross notional."""
        published, cross = self.outputs["portfolio"], self.outputs["cross"]
        unit = max(published["gross_notional"], 1.0)

        def error(ours: float, theirs: float) -> float:
            return abs(float(ours) - theirs) / unit

        ours = self.result(MarginMode.PORTFOLIO)
        yield "R", error(ours.stress_requirement[0], published["R"])
        for name in ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance", "gross_notional"):
            yield name, error(getattr(ours, name)[0], published[name])

        segments = np.flatnonzero(ours.stress.held)
        names = [NAME[int(ours.book.segment_underlying[g])] for g in segments]
        assert sorted(names) == sorted(published["underlyings"])
        for g, name in zip(segments, names, strict=True):
            theirs = published["underlyings"][name]
            assert len(theirs["pnl"]) == ours.stress.pnl.shape[1]
            for s, pnl in enumerate(theirs["pnl"]):
                yield f"{name} pnl {s}", error(ours.stress.pnl[g, s], pnl)
            at_worst = theirs["pnl"][ours.stress.worst_index[g]]
            yield f"{name} pnl at worst", error(at_worst, theirs["pnl"][theirs["worst_index"]])
            yield f"{name} W", error(ours.stress.loss[g], theirs["W"])
            for charge, value in theirs["charges"].items():
                yield f"{name} charge {charge}", error(getattr(ours.charges, charge)[g], value)
            for greek, value in theirs["greeks"].items():
                yield f"{name} greek {greek}", error(getattr(ours.greeks, greek)[g], value)

        held = np.flatnonzero(ours.groups.held[0])
        assert len(held) == len(published["groups"])
        for n, theirs in zip(held, published["groups"], strict=True):
            yield "group sum W", error(ours.groups.sum_loss[0, n], theirs["sum_W"])
            yield "group J", error(ours.groups.joint[0, n], theirs["J"])

        standard = self.result(MarginMode.CROSS)
        for name in ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance"):
            yield f"cross {name}", error(getattr(standard, name)[0], cross[name])
        row = {standard.book.table.instruments[i]: p for p, i in enumerate(standard.book.instrument.tolist())}
        assert len(row) == len(cross["positions"])
        for position, theirs in zip(self.inputs["book"]["positions"], cross["positions"], strict=True):
            p = row[instrument_of(position)]
            yield "cross position initial", error(standard.standard.initial[p], theirs["initial"])
            yield "cross position maintenance", error(standard.standard.maintenance[p], theirs["maintenance"])


def case_of(raw: dict[str, Any]) -> Case:
    inputs = {"market": raw["market"], "book": raw["book"]}
    return Case(raw["id"], inputs, {"portfolio": raw["portfolio"], "cross": raw["cross"]})


@pytest.fixture(params=CASES, ids=lambda raw: raw["id"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the 80 cases."""
    return case_of(request.param)


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """All of them by id."""
    return {raw["id"]: case_of(raw) for raw in CASES}


def expiry_market(days: float, forward: float, vol: float) -> ExpiryMarket:
    years = max(days, 0.1) / 365
    w = vol * vol * years
    slice_ = SviSlice(a=0.4 * w, b=0.9 * w, rho=-0.25, m=0.02, sigma=0.5, ref_forward=forward, ref_tau=years)
    return ExpiryMarket(NOW + round(days * DAY), forward, 0.03, slice_)


@pytest.fixture(scope="session")
def market() -> Market:
    """BTC and ETH in a group, SOL alone with a doubtful price; expiries from one that has passed to half a year."""

    def underlying(spot: float, mark: float, vol: float, **more: float) -> UnderlyingMarket:
        expiries = tuple(expiry_market(d, spot * (1 + 0.03 * d / 365), vol) for d in (-1, 0.5, 2, 7, 30, 180))
        return UnderlyingMarket(spot, mark, expiries=expiries, **more)

    return Market(
        NOW,
        {
            0: underlying(80_000.0, 80_050.0, 0.55, spot_scale=1.2),
            1: underlying(3_000.0, 2_995.0, 0.75),
            2: underlying(150.0, 150.4, 1.1, confidence=0.8),
        },
        (CorrelationGroup((0, 1), 0.4),),
        {"WETH": 3_001.0, "USDT": 0.999},
    )


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    return DPRE_1.with_collateral(Collateral("USDT", 0.05, 0.03), Collateral("WETH", 0.20, 0.15, underlying=1))


@pytest.fixture(scope="session")
def accounts(market: Market) -> tuple[Account, ...]:
    """300 seeded accounts in all modes: some empty, some with collateral only, up to 20 positions."""
    rng = np.random.default_rng(300)
    everything = []
    for index, quote in market.underlyings.items():
        everything.append(Instrument.perp(index))
        for e in quote.expiries:
            everything.append(Instrument.future(index, e.expiry))
            for moneyness in (0.7, 0.9, 1.0, 1.1, 1.5):
                strike = float(f"{quote.spot * moneyness:.3g}")
                everything += [Instrument.call(index, e.expiry, strike), Instrument.put(index, e.expiry, strike)]
    made = []
    for number in range(300):
        chosen = rng.choice(len(everything), size=int(rng.choice([0, 1, 3, 8, 20])), replace=False)
        positions = {}
        for i in chosen.tolist():
            spot = market.underlying(everything[i].underlying).spot
            size = round(float(rng.normal(0.0, 2e5)) / spot, 6)
            positions[everything[i]] = Position(Wad.from_float(size), Wad.from_float(round(size * spot * 0.05, 2)))
        collateral = {"WETH": Wad.whole(int(rng.integers(0, 50)))} if rng.random() < 0.3 else {}
        if rng.random() < 0.2:
            collateral["USDT"] = Wad.whole(int(rng.integers(1, 100_000)))
        cash = Wad.from_float(round(float(rng.uniform(-1e4, 1e6)), 2))
        made.append(Account(1000 + number, "0x01", MarginMode(number % 3), cash, collateral, positions))
    return tuple(made)


@pytest.fixture(scope="session")
def book(accounts: tuple[Account, ...], parameters: Parameters) -> Book:
    return Book.from_accounts(accounts, parameters)


@pytest.fixture(scope="session")
def result(book: Book, market: Market, parameters: Parameters) -> MarginResult:
    return margin(book, market, parameters)
