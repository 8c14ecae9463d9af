"""Black-76 against published numbers and 50-digit arithmetic."""

import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from keeper.errors import PricingError
from keeper.pricing import black76

Rows = Callable[[str], list[dict[str, Any]]]
Oracle = Callable[..., dict[str, tuple[mp.mpf, mp.mpf]]]

YEAR = 31_536_000
PRICE_LIMIT = 2e-15
GREEK_LIMIT = 5e-14


def within(tolerance: float | dict[str, float]) -> dict[str, float]:
    return {"abs": tolerance, "rel": 0.0} if isinstance(tolerance, float) else tolerance


def spot_model(inputs: dict[str, Any]) -> tuple[float, black76.OptionGreeks]:
    """Generalised Black-Scholes reduced to Black-76: F = S exp((r - q) T)."""
    S, K, T, r, q = (float(inputs[name]) for name in ("S", "K", "T", "r", "q"))
    F = S * math.exp((r - q) * T)
    return F, black76.greeks(F, K, T, inputs["vol"], r, inputs["type"] == "call")


def test_published_prices(rows: Rows) -> None:
    for row in rows("gbsm_price"):
        for output, expected in row["outputs"].items():
            i = {"type": "call", **row["inputs"]}
            if output in ("call", "put"):
                i["type"] = output
            _, result = spot_model(i)
            value = float(result.price)
            if output in ("d1", "d2"):  # from the call's delta, D N(d1)
                value = float(ndtri(result.delta * math.exp(i["r"] * i["T"])))
                value -= i["vol"] * math.sqrt(i["T"]) if output == "d2" else 0.0
            assert value == pytest.approx(expected, **within(row["tolerance"])), (row["id"], output)


def test_published_greeks(rows: Rows) -> None:
    """Spot Greeks by the chain rule from those on the forward: rho and theta there hold the spot, not the forward."""
    for row in rows("gbsm_greek"):
        i = row["inputs"]
        F, g = spot_model(i)
        per_spot = F / i["S"]
        spot = {
            "delta": g.delta * per_spot,
            "gamma": g.gamma * per_spot**2,
            "vega": g.vega,
            "theta": 365.0 * g.theta - g.delta * F * (i["r"] - i["q"]),
            "rho": g.rho + g.delta * F * i["T"],
            "div_rho": -g.delta * F * i["T"],
        }
        for name, expected in row["outputs"].items():
            assert float(spot[name]) == pytest.approx(expected, **within(row["tolerance"])), (row["id"], name)


def test_published_black76(rows: Rows) -> None:
    for row in rows("black76") + rows("black76_edge"):
        i = row["inputs"]
        T = i["T"] if "T" in i else i["seconds_to_expiry"] / YEAR
        r = i["r"] if "r" in i else -math.log(i["discount"]) / T
        for side in ("call", "put"):
            if side in row["outputs"]:
                value = float(black76.price(i["F"], i["K"], T, i["vol"], r, side == "call"))
                assert value == pytest.approx(row["outputs"][side], **within(row["tolerance"])), row["id"]
        if "fwd_delta" in row["outputs"]:
            delta = float(black76.greeks(i["F"], i["K"], T, i["vol"], r, True).delta)
            assert delta == pytest.approx(row["outputs"]["fwd_delta"], **within(row["tolerance"]))


def test_published_delta_conventions(rows: Rows) -> None:
    for row in rows("delta_conventions"):
        i = row["inputs"]
        F = i["spot"] * i["df_for"] / i["df_dom"]
        g = black76.greeks(F, i["K"], 1.0, i["stdev"], 0.0, i["type"] == "call")
        delta = {
            "fwd": g.delta,
            "spot": g.delta * i["df_for"],
            "premium_adj_spot": (g.delta - g.price / F) * i["df_for"],
        }[i["convention"]]
        assert float(delta) == pytest.approx(row["outputs"]["delta"], **within(row["tolerance"])), row["id"]


def test_marks_of_a_real_venue(rows: Rows) -> None:
    for row in rows("black76_inverse_mark"):
        i = row["inputs"]
        g = black76.greeks(i["F"], i["K"], i["T"], i["iv"], 0.0, i["type"] == "call")
        ours = {"mark_coin": g.price / i["F"], "delta": g.delta, "vega_per_1pct": g.vega / 100.0}
        for name, expected in row["outputs"].items():
            assert float(ours[name]) == pytest.approx(expected, **within(row["tolerance"])), (row["id"], name)


def test_the_normal_cdf_inside_delta(rows: Rows) -> None:
    """F = K = 1, T = 1, v = 2: d1 = 1, the call's delta is N(1) and the put's -N(-1)."""
    g = black76.greeks(1.0, 1.0, 1.0, 2.0, 0.0, [True, False])
    expected = {row["inputs"]["x_wad"]: int(row["outputs"]["y_wad"]) / 1e18 for row in rows("wad_ncdf")}
    assert g.delta[0] == pytest.approx(expected["1000000000000000000"], rel=1e-15)
    assert -g.delta[1] == pytest.approx(expected["-1000000000000000000"], rel=1e-15)


def worst_errors(oracle: Oracle, *arguments: np.ndarray) -> dict[str, float]:
    """Output -> largest scaled error."""
    result = black76.greeks(*arguments)
    worst = dict.fromkeys(("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga"), 0.0)
    for position, point in enumerate(zip(*(a.tolist() for a in arguments), strict=True)):
        for name, (exact, scale) in oracle(*point).items():
            error = abs(mp.mpf(float(getattr(result, name)[position])) - exact)
            worst[name] = max(worst[name], float(error / scale))
    return worst


def domain(count: int, near: float) -> tuple[np.ndarray, ...]:
    """Points of the accepted domain: moneyness e^-4..e^4 (the share `near` close to 1), vol 1 %..500 %, 1 minute..3 y."""
    rng = np.random.default_rng(76)
    F = np.exp(rng.uniform(math.log(1e-2), math.log(1e6), count))
    wide = np.exp(rng.uniform(-4.0, 4.0, count))
    close = 1.0 + rng.normal(0.0, 1.0, count) * 10.0 ** rng.uniform(-8.0, -1.5, count)
    K = F * np.where(rng.random(count) < near, close, wide)
    T = np.exp(rng.uniform(math.log(60 / YEAR), math.log(3.0), count))
    v = np.exp(rng.uniform(math.log(0.01), math.log(5.0), count))
    return F, K, T, v, rng.uniform(-0.1, 0.2, count), rng.random(count) < 0.5


def test_errors_over_the_accepted_domain(oracle: Oracle) -> None:
    worst = worst_errors(oracle, *domain(3000, near=0.4))
    assert worst.pop("price") <= PRICE_LIMIT
    assert max(worst.values()) <= GREEK_LIMIT, worst


def test_the_oracle_would_notice(oracle: Oracle) -> None:
    """A vol off by one part in 1e12 is far outside the limits: the comparison above can fail."""
    F, K, T, v, r, call = domain(200, near=1.0)
    off = black76.price(F, K, T, v * (1.0 + 1e-12), r, call)
    errors = [
        float(abs(mp.mpf(value) - oracle(*point)["price"][0]) / point[0])
        for value, point in zip(off.tolist(), zip(*(a.tolist() for a in (F, K, T, v, r, call)), strict=True), strict=True)
    ]
    assert max(errors) > 10 * PRICE_LIMIT


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-4.0, 4.0),
    st.floats(math.log(60 / YEAR), math.log(3.0)),
    st.floats(math.log(0.01), math.log(5.0)),
    st.booleans(),
)
@example(0.0, math.log(60 / YEAR), math.log(0.01), True)
@example(4.0, math.log(60 / YEAR), math.log(0.01), False)
@example(-4.0, math.log(3.0), math.log(5.0), True)
@example(4.0, math.log(3.0), math.log(5.0), True)
def test_price_error_wherever_hypothesis_looks(oracle: Oracle, moneyness: float, log_tau: float, log_vol: float, is_call: bool) -> None:
    K = 50_000.0 * math.exp(moneyness)
    point = [np.array([x]) for x in (50_000.0, K, math.exp(log_tau), math.exp(log_vol), 0.05)]
    worst = worst_errors(oracle, *point, np.array([is_call]))
    assert worst["price"] <= PRICE_LIMIT
    assert max(worst.values()) <= GREEK_LIMIT


@pytest.mark.parametrize(
    ("forward", "strike", "tau", "vol", "call", "put"),
    [
        pytest.param(110.0, 100.0, 0.0, 0.5, 10.0, 0.0, id="expired"),
        pytest.param(90.0, 100.0, 0.0, 0.5, 0.0, 10.0, id="expired, other side"),
        pytest.param(100.0, 100.0, 0.0, 0.5, 0.0, 0.0, id="expired at the strike"),
        pytest.param(110.0, 100.0, 1.0, 0.0, 10.0, 0.0, id="no vol"),
        pytest.param(110.0, 100.0, 1e-300, 1e-10, 10.0, 0.0, id="vol times root of time underflows"),
        pytest.param(0.0, 100.0, 1.0, 0.5, 0.0, 100.0, id="worthless forward"),
        pytest.param(100.0, 100.0, 1.0, 1e3, 100.0, 100.0, id="vol without bound"),
    ],
)
def test_edges(forward: float, strike: float, tau: float, vol: float, call: float, put: float) -> None:
    g = black76.greeks(forward, strike, tau, vol, 0.0, [True, False])
    assert g.price.tolist() == pytest.approx([call, put], rel=1e-15, abs=0.0)
    for name in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
        assert np.isfinite(getattr(g, name)).all(), name
    assert float(g.delta[0] - g.delta[1]) == pytest.approx(1.0, abs=1e-15)


def test_parity_is_exact_to_the_rounding() -> None:
    F, K, T, v, r, _ = domain(2000, near=0.3)
    gap = black76.price(F, K, T, v, r, True) - black76.price(F, K, T, v, r, False) - np.exp(-r * T) * (F - K)
    assert (np.abs(gap) <= 2.0**-51 * np.maximum(F, K) * np.exp(-r * T)).all()


def test_shapes_broadcast() -> None:
    assert black76.price(100.0, np.array([90.0, 110.0]), np.array([[0.1], [0.2], [0.3]]), 0.5, 0.0, True).shape == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vol": -0.1}, "vol: expected >= 0, got -0.1"),
        ({"tau": -1.0}, "tau: expected >= 0"),
        ({"forward": -1.0}, "forward: expected >= 0"),
        ({"strike": 0.0}, "strike: expected > 0"),
        ({"forward": float("nan")}, "forward: expected finite"),
        ({"rate": float("inf")}, "rate: expected finite"),
        ({"strike": [1.0, 2.0], "tau": [1.0, 2.0, 3.0]}, "broadcast"),
    ],
)
def test_bad_input_names_what_was_expected(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"forward": 1.0, "strike": 1.0, "tau": 1.0, "vol": 1.0, "rate": 0.0, "is_call": True}
    with pytest.raises(PricingError, match=message):
        black76.price(**{**good, **change})
