"""The 80 complete cases of tests/vectors/dpre1_portfolios.json as the keeper's accounts, markets and parameters."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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

__all__ = ["CASES", "INDEX", "Case", "case_of", "instrument_of"]

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "dpre1_portfolios.json").read_text())
INDEX = {"BTC": 0, "ETH": 1, "SOL": 2}
NAME = {index: name for name, index in INDEX.items()}


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
