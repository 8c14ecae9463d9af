"""Deribit's portfolio margin sample, its conventions on real chains, and the rules one by one."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from keeper.errors import BookError, ParameterError
from keeper.methods.deribit import DeribitParameters, DeribitPortfolio, portfolio_margin, printed_figures
from keeper.methods.grid import OptionPositions
from keeper.model import SECONDS_PER_DAY, VolDirection, tail_weight

Rows = Callable[[str], list[dict[str, Any]]]

PRESET = DeribitParameters.preset()
TABLE = Path(__file__).parents[2] / "vectors" / "deribit_marks.csv"
CHAINS = ("20251230T173115Z", "20260115T035850Z", "20260205T155132Z", "20260206T043012Z")


def futures(*positions: tuple[float, float], **others: Any) -> DeribitPortfolio:
    """(coins, seconds to expiry) each."""
    size, seconds = np.array(positions).T
    return DeribitPortfolio(index=70_000.0, future_size=size, future_seconds=seconds, **others)


def option(size: float, *, strike: float = 60_000.0, days: float = 20.0, is_call: bool = True, vol: float = 0.6) -> OptionPositions:
    return OptionPositions.of(
        seconds=[days * SECONDS_PER_DAY], forward=[60_000.0], strike=[strike], vol=[vol], rate=[0.0], is_call=[is_call], size=[size]
    )


def test_published_scenarios_of_an_inverse_future(rows: Rows) -> None:
    for row in rows("inverse_future_scenario_pnl_coin"):
        i = row["inputs"]
        margin = portfolio_margin(futures((i["position_coin"], 0.0)), PRESET)
        unchanged = (PRESET.scenarios.vol == VolDirection.NONE) & ~PRESET.scenarios.tail
        assert PRESET.scenarios.spot[unchanged].tolist() == pytest.approx(i["buckets"], abs=1e-15)
        ours = margin.future_pnl[0, unchanged]
        assert ours.tolist() == pytest.approx(list(row["outputs"].values()), abs=row["tolerance"], rel=0.0)


def test_published_margin(rows: Rows) -> None:
    for row in rows("deribit_segregated_pm_margin"):
        i = row["inputs"]
        perpetual, dated = i["positions"].values()
        book = futures((perpetual, 0.0), (dated, 40.0 * SECONDS_PER_DAY), mmp=i["mmp_margin"], open_orders=i["open_orders_margin"])
        assert (PRESET.price_range, PRESET.maintenance_factor) == (i["price_range"], i["mm_factor"])
        assert (PRESET.roll_min, PRESET.roll_annual) == (i["min_annualised_move"], i["annualised_move_risk"])
        margin = portfolio_margin(book, PRESET)
        ours = {
            "worst_case": margin.worst_case,
            "roll_shock": margin.roll_shock,
            "delta_shock": 0.0,  # below the threshold, or portfolio_margin would have refused
            "risk_matrix_margin": margin.risk_matrix,
            "maintenance_margin": margin.maintenance,
            "initial_margin": margin.initial,
        }
        assert ours == pytest.approx(row["outputs"], abs=row["tolerance"], rel=0.0)


def test_a_deep_call_is_a_coin_less_an_inverse_future() -> None:
    """Worth 1 - K/F coins, it moves as a long future of K/F coins: short the one and long the other, nothing is left."""
    book = DeribitPortfolio(
        index=60_000.0,
        options=option(-1.0, strike=600.0, vol=1e-4, days=90.0),
        future_size=np.array([600.0 / 60_000.0]),
        future_seconds=np.array([90.0 * SECONDS_PER_DAY]),
    )
    margin = portfolio_margin(book, PRESET)
    core = ~PRESET.scenarios.tail
    assert (margin.future_pnl + margin.option_pnl)[0, core] == pytest.approx(0.0, abs=1e-12)
    assert margin.roll_shock == pytest.approx(0.0, abs=1e-12)


def test_tails_count_options_by_their_weight_and_futures_at_the_edge() -> None:
    book = replace(futures((1.0, 0.0)), options=option(-2.0, days=1.0))
    margin = portfolio_margin(book, PRESET)
    row = int(np.flatnonzero(PRESET.scenarios.spot == 1.0)[0])
    assert PRESET.scenarios.tail[row]
    assert margin.future_pnl[0, row] == pytest.approx(0.16 / 1.16)
    # At twice the forward a one-day call at the money is worth its intrinsic value: half a coin.
    before = printed_figures(60_000.0, 60_000.0, 1.0 / 365.0, 0.6, True).mark
    assert margin.option_pnl[0, row] == pytest.approx(-2.0 * 0.16 * (0.5 - float(before)), rel=1e-6)


def test_published_tail_weights(rows: Rows) -> None:
    """Paradex documents the weight; Deribit calls it a fraction of the P&L. One rule, and the preset's tails use it."""
    of_preset = dict(zip(PRESET.scenarios.spot.tolist(), PRESET.scenarios.weight.tolist(), strict=True))
    for row in rows("extended_scenario_weight"):
        i = row["inputs"]
        weight = tail_weight(i["move"], i["price_range"])
        assert weight == pytest.approx(row["outputs"]["weight"], abs=row["tolerance"], rel=0.0)
        assert of_preset[i["move"]] == weight


def test_vols_up_are_at_least_half() -> None:
    quiet = portfolio_margin(DeribitPortfolio(index=60_000.0, options=option(-1.0, vol=0.2)), PRESET)
    row = int(np.flatnonzero((PRESET.scenarios.spot == 0.0) & (PRESET.scenarios.vol == VolDirection.UP))[0])
    rise = [float(printed_figures(60_000.0, 60_000.0, 20.0 / 365.0, v, True).mark) for v in (0.5, 0.2)]
    assert quiet.option_pnl[0, row] == pytest.approx(rise[1] - rise[0], rel=1e-12)


def test_roll_shock_nets_inside_an_expiry_and_grows_with_it() -> None:
    year = 365.0 * SECONDS_PER_DAY
    assert portfolio_margin(futures((1.0, year), (-1.0, year)), PRESET).roll_shock == 0.0
    assert portfolio_margin(futures((1.0, year), (-1.0, 2 * year)), PRESET).roll_shock == pytest.approx(0.075 + 0.15)
    assert portfolio_margin(futures((1.0, 0.0), (-1.0, 864.0)), PRESET).roll_shock == pytest.approx(0.02)


def test_a_delta_shock_is_refused_not_guessed() -> None:
    assert portfolio_margin(futures((285.0, 0.0)), PRESET).worst_case > 0.0
    with pytest.raises(BookError, match="net delta"):
        portfolio_margin(futures((286.0, 0.0)), PRESET)


def test_bad_input_names_what_was_expected() -> None:
    with pytest.raises(ParameterError, match="preset's shape"):
        DeribitParameters.from_table({"price_range": 0.1})
    with pytest.raises(BookError, match="index"):
        DeribitPortfolio(index=0.0)
    with pytest.raises(BookError, match="futures"):
        DeribitPortfolio(index=1.0, future_size=np.ones(2), future_seconds=np.ones(3))


def chain(path: Path) -> pd.DataFrame:
    """A snapshot with T in years of 365 days to the second."""
    frame = pd.read_csv(path)
    left = pd.to_datetime(frame["expiry_datetime"]) - pd.to_datetime(frame["timestamp"])
    return frame.assign(tau=left.dt.total_seconds() / 31_536_000.0)


def medians(frame: pd.DataFrame) -> dict[str, float]:
    """Median absolute differences to what Deribit prints: mark in coin; delta; vega relative where it is above 1 USD."""
    ours = printed_figures(frame["underlying"], frame["strike"], frame["tau"], frame["implied_volatility"], frame["option_type"] == "call")
    matters = frame["vega"].to_numpy() > 1.0
    return {
        "mark": float(np.median(np.abs(ours.mark - frame["mark_price"]))),
        "delta": float(np.median(np.abs(ours.delta - frame["delta"]))),
        "net delta": float(np.median(np.abs(ours.delta - ours.mark - frame["delta"]))),
        "vega": float(np.median(np.abs(ours.vega[matters] / frame["vega"].to_numpy()[matters] - 1.0))),
    }


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_whole_chains(shared_file: Callable[[str], Path], name: str, currency: str) -> None:
    """Every option of four snapshots. IVs are rounded to 0.01 % and prices are seconds apart, which shows on 5 and 6
    February 2026, when the market moved by percents within a minute: hence medians, and wider ones for the Greeks then."""
    frame = chain(shared_file(f"data/deribit/deribit_options_snapshot_{name}.csv.gz"))
    seen = medians(frame[frame["currency"] == currency])
    assert seen["mark"] <= 5e-5
    fast = name.startswith("202602")
    assert seen["delta"] <= (1.1e-3 if fast else 1.5e-4)
    assert seen["vega"] <= (1e-2 if fast else 1.5e-3)
    assert seen["net delta"] > 10.0 * seen["delta"]  # the premium-adjusted delta is not what is printed


def test_own_rows() -> None:
    """Seven options of each snapshot and coin, so that the conventions are tested without the whole files."""
    frame = pd.read_csv(TABLE, comment="#")
    ours = printed_figures(frame["forward"], frame["strike"], frame["seconds"] / 31_536_000.0, frame["vol"], frame["is_call"])
    assert len(frame) == 7 * len(CHAINS) * 2
    assert np.median(np.abs(ours.mark - frame["mark"])) <= 5e-5
    assert np.median(np.abs(ours.delta - frame["delta"])) <= 5e-4
    assert np.median(np.abs(ours.vega / frame["vega"] - 1.0)) <= 5e-3
    assert np.abs(ours.mark - frame["mark"]).max() <= 2e-3


def test_own_rows_name_their_source() -> None:
    with TABLE.open() as file:
        assert next(csv.reader(file))[0].startswith("# Deribit")
