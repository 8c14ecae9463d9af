"""Exotic closed forms against published values, and the identities that tie them to plain options."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from keeper.errors import PricingError
from keeper.pricing import black76, exotics

Rows = Callable[[str], list[dict[str, Any]]]


def agree(row: dict[str, Any], **ours: Any) -> None:
    for name, expected in row["outputs"].items():
        assert float(ours[name]) == pytest.approx(expected, abs=row["tolerance"], rel=0.0), (row["id"], name)


def spot_terms(i: dict[str, Any]) -> dict[str, Any]:
    return {name: i[name] for name in ("S", "T", "r", "q", "vol")}


def test_digitals(rows: Rows) -> None:
    for row in rows("cash_or_nothing"):
        i = row["inputs"]
        agree(row, price=exotics.cash_or_nothing(**spot_terms(i), K=i["K"], is_call=i["type"] == "call", cash=i["cash"]))
    for row in rows("asset_or_nothing"):
        i = row["inputs"]
        agree(row, price=exotics.asset_or_nothing(**spot_terms(i), K=i["K"], is_call=i["type"] == "call"))


def test_touches(rows: Rows) -> None:
    for row in rows("one_touch_cash_at_hit"):
        i = row["inputs"]
        agree(row, price=exotics.one_touch_at_hit(**spot_terms(i), H=i["H"], cash=i["cash"]))
    for row in rows("one_touch_cash_at_expiry"):
        i = row["inputs"]
        agree(row, price=exotics.one_touch_at_expiry(**spot_terms(i), H=i["H"], cash=i["cash"]))
    for row in rows("no_touch_cash"):
        i = row["inputs"]
        agree(row, price=exotics.no_touch(**spot_terms(i), H=i["H"], cash=i["cash"]))


def test_barriers(rows: Rows) -> None:
    for row in rows("single_barrier_rebate3"):
        i = row["inputs"]
        is_call = i["type"] == "call"
        agree(row, price=exotics.barrier(i["kind"], **spot_terms(i), K=i["K"], H=i["H"], is_call=is_call, rebate=i["rebate"]))
    for row in rows("double_barrier_knockout_call"):
        i = row["inputs"]
        agree(row, price=exotics.double_knock_out_call(**spot_terms(i), K=i["K"], L=i["L"], U=i["U"]))


def test_two_assets(rows: Rows) -> None:
    for row in rows("exchange_option"):
        i = {name: value for name, value in row["inputs"].items() if name != "r"}
        option = exotics.exchange(**i)
        agree(row, **{name: getattr(option, name) for name in row["outputs"]})
    for row in rows("spread_option_kirk"):
        agree(row, price=exotics.spread_kirk(**row["inputs"]))
    for row in rows("rainbow_two_asset"):
        i = dict(row["inputs"])
        kind, is_call = i.pop("kind"), i.pop("type") == "call"
        agree(row, price=exotics.rainbow(kind, **i, is_call=is_call))
    for row in rows("two_asset_correlation_call"):
        agree(row, price=exotics.two_asset_correlation_call(**row["inputs"]))


def test_asians(rows: Rows) -> None:
    for row in rows("asian_geometric_continuous"):
        i = row["inputs"]
        agree(row, price=exotics.asian_geometric_continuous(**spot_terms(i), K=i["K"], is_call=i["type"] == "call"))
    for row in rows("asian_geometric_discrete"):
        i = row["inputs"]
        price = exotics.asian_geometric_discrete(**spot_terms(i), K=i["K"], is_call=i["type"] == "call", fixings=i["fixings"])
        agree(row, price=price)
    for row in rows("asian_arithmetic_continuous_levy"):
        i = row["inputs"]
        assert i["type"] == "call"
        left, total = (i["days_total"] - i["days_elapsed"]) / i["year"], i["days_total"] / i["year"]
        terms = {**spot_terms({**i, "T": left}), "average": i["avg_so_far"], "K": i["K"], "total": total}
        agree(row, price=exotics.asian_arithmetic_continuous(**terms))
    for row in rows("asian_arithmetic_discrete_TW_flatvol"):
        i = row["inputs"]
        times = np.linspace(i["first_fixing"], i["T"], i["fixings"])
        price = exotics.asian_arithmetic_discrete(
            S=i["S"], K=i["K"], times=times, r=i["r"], q=i["r"] - i["b"], vol=i["vol"], is_call=i["type"] == "call"
        )
        agree(row, price=price)


def test_lookbacks_and_forward_starts(rows: Rows) -> None:
    for row in rows("lookback_floating_call"):
        i = row["inputs"]
        agree(row, price=exotics.lookback_floating_call(**spot_terms(i), lowest=i["running_min"]))
    for row in rows("lookback_fixed_call"):
        i = row["inputs"]
        agree(row, price=exotics.lookback_fixed_call(**spot_terms(i), K=i["K"], highest=i["running_max"]))
    for row in rows("forward_start"):
        i = row["inputs"]
        agree(row, price=exotics.forward_start(**spot_terms(i), alpha=i["alpha"], start=i["start"], is_call=i["type"] == "call"))


TERMS = {"T": 0.4, "r": 0.03, "q": 0.01, "vol": 0.55}


def plain(S: float, K: float, is_call: bool, **terms: float) -> float:
    t = {**TERMS, **terms}
    return float(black76.price(S * np.exp((t["r"] - t["q"]) * t["T"]), K, t["T"], t["vol"], t["r"], is_call))


def test_digitals_make_up_the_plain_option() -> None:
    for is_call, sign in ((True, 1.0), (False, -1.0)):
        asset = exotics.asset_or_nothing(S=100.0, K=90.0, **TERMS, is_call=is_call)
        cash = exotics.cash_or_nothing(S=100.0, K=90.0, **TERMS, is_call=is_call, cash=90.0)
        assert sign * float(asset - cash) == pytest.approx(plain(100.0, 90.0, is_call), rel=1e-12)


@pytest.mark.parametrize(("down", "H"), [("d", 85.0), ("u", 120.0)])
def test_knock_in_and_knock_out_make_up_the_plain_option(down: str, H: float) -> None:
    """Also that all eight branches are positive and continuous where the strike crosses the barrier."""
    for K, is_call in itertools.product((70.0, H * (1 - 1e-9), H * (1 + 1e-9), 100.0, 140.0), (True, False)):
        knocked = {k: float(exotics.barrier(down + k, S=100.0, K=K, H=H, **TERMS, is_call=is_call)) for k in "io"}  # type: ignore[arg-type]
        assert sum(knocked.values()) == pytest.approx(plain(100.0, K, is_call), rel=1e-12)
        assert min(knocked.values()) > -1e-12
    for k, is_call in itertools.product("io", (True, False)):
        low, high = (float(exotics.barrier(down + k, S=100.0, K=H * f, H=H, **TERMS, is_call=is_call)) for f in (1 - 1e-9, 1 + 1e-9))  # type: ignore[arg-type]
        assert low == pytest.approx(high, abs=1e-5)


def test_a_barrier_far_away_changes_nothing() -> None:
    assert float(exotics.barrier("do", S=100.0, K=90.0, H=1.0, **TERMS, is_call=True)) == pytest.approx(plain(100.0, 90.0, True), rel=1e-12)
    wide = exotics.double_knock_out_call(S=100.0, K=90.0, L=1.0, U=1e4, **TERMS)
    assert float(wide) == pytest.approx(plain(100.0, 90.0, True), rel=1e-9)


def test_one_barrier_of_two_is_the_single_barrier() -> None:
    single = exotics.barrier("uo", S=100.0, K=90.0, H=130.0, **TERMS, is_call=True)
    assert float(exotics.double_knock_out_call(S=100.0, K=90.0, L=1.0, U=130.0, **TERMS)) == pytest.approx(float(single), rel=1e-9)


def test_paid_at_hit_is_worth_more_than_paid_at_expiry() -> None:
    at = {"S": 100.0, "H": [80.0, 120.0], **TERMS, "cash": 1.0}
    assert (exotics.one_touch_at_hit(**at) > exotics.one_touch_at_expiry(**at)).all()
    free = {**at, "r": 0.0, "q": -0.02}
    assert exotics.one_touch_at_hit(**free) == pytest.approx(exotics.one_touch_at_expiry(**free), rel=1e-12)


def test_rainbow_of_one_asset_twice_and_parity_of_min_and_max() -> None:
    two = {"S1": 100.0, "S2": 110.0, "K": 95.0, "T": 0.4, "r": 0.03, "q1": 0.01, "q2": 0.02, "vol1": 0.5, "vol2": 0.7, "rho": 0.4}
    legs = plain(100.0, 95.0, True, vol=0.5) + plain(110.0, 95.0, True, vol=0.7, q=0.02)
    both = exotics.rainbow("min", **two, is_call=True) + exotics.rainbow("max", **two, is_call=True)
    assert float(both) == pytest.approx(legs, rel=1e-12)
    nearly_one = {**two, "S2": 100.0, "q2": 0.01, "vol2": 0.5, "rho": 1 - 1e-10}
    for kind, is_call in itertools.product(("min", "max"), (True, False)):
        ours = float(exotics.rainbow(kind, **nearly_one, is_call=is_call))  # type: ignore[arg-type]
        assert ours == pytest.approx(plain(100.0, 95.0, is_call, vol=0.5), abs=1e-3)


def test_averages_of_one_fixing_are_plain_options() -> None:
    assert float(exotics.asian_geometric_discrete(S=100.0, K=90.0, **TERMS, is_call=True, fixings=1)) == pytest.approx(
        plain(100.0, 90.0, True), rel=1e-12
    )
    one = {name: value for name, value in TERMS.items() if name != "T"}
    arithmetic = exotics.asian_arithmetic_discrete(S=100.0, K=90.0, times=[0.4], **one, is_call=False)
    assert float(arithmetic) == pytest.approx(plain(100.0, 90.0, False), rel=1e-12)
    many = exotics.asian_arithmetic_discrete(S=100.0, K=90.0, times=np.linspace(0.4 / 4000, 0.4, 4000), **one, is_call=True)
    continuous = exotics.asian_arithmetic_continuous(S=100.0, average=100.0, K=90.0, total=0.4, **TERMS)
    assert float(many) == pytest.approx(float(continuous), rel=1e-3)


def test_lookbacks_without_carry_are_the_limit() -> None:
    terms = {"T": 0.4, "r": 0.03, "vol": 0.55}
    for function, extra in (
        (exotics.lookback_floating_call, {"lowest": 90.0}),
        (exotics.lookback_fixed_call, {"K": 95.0, "highest": 105.0}),
    ):
        without = float(function(S=100.0, **extra, **terms, q=0.03))
        nearly = float(function(S=100.0, **extra, **terms, q=0.03 - 1e-6))
        assert without == pytest.approx(nearly, rel=1e-4)


def test_bivariate_normal_cdf_against_quadrature() -> None:
    points = [(-1.2, 0.7), (0.0, 0.0), (0.0, 1.1), (-0.4, 0.0), (2.0, 3.0), (-3.0, -1.0), (0.0, -0.5)]
    for (x, y), rho in itertools.product(points, (-0.95, -0.3, 0.0, 0.6, 0.99)):
        exact = multivariate_normal.cdf([x, y], cov=[[1.0, rho], [rho, 1.0]], abseps=1e-12, releps=1e-12)
        assert float(exotics.bivariate_normal_cdf(x, y, rho)) == pytest.approx(float(exact), abs=1e-9)


def test_shapes_broadcast() -> None:
    prices = exotics.barrier("do", S=100.0, K=np.array([80.0, 100.0, 120.0]), H=np.array([[70.0], [90.0]]), **TERMS, is_call=True)
    assert prices.shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exotics.barrier("do", S=80.0, K=90.0, H=85.0, **TERMS, is_call=True), "expected spots above"),
        (lambda: exotics.cash_or_nothing(S=-1.0, K=90.0, **TERMS, is_call=True, cash=1.0), "S: expected > 0"),
        (lambda: exotics.no_touch(S=np.nan, H=90.0, **TERMS, cash=1.0), "S: expected finite"),
        (lambda: exotics.double_knock_out_call(S=100.0, K=90.0, L=110.0, U=120.0, **TERMS), "spot and strike between"),
        (lambda: exotics.lookback_floating_call(S=100.0, lowest=101.0, **TERMS), "lowest: expected at most"),
        (lambda: exotics.lookback_fixed_call(S=100.0, K=90.0, highest=99.0, **TERMS), "highest: expected at least"),
        (lambda: exotics.asian_geometric_discrete(S=1.0, K=1.0, **TERMS, is_call=True, fixings=0), "fixings"),
        (lambda: exotics.bivariate_normal_cdf(0.0, 0.0, 1.0), "rho"),
        (lambda: exotics.forward_start(S=1.0, alpha=1.0, start=[0.1, 0.2], **{**TERMS, "T": [1.0, 1.0, 1.0]}, is_call=True), "broadcast"),
    ],
)
def test_bad_input_names_what_was_expected(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(PricingError, match=message):
        call()
