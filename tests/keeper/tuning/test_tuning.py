"""Forecasts against series whose parameters are known, and scales against figures made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.errors import SimulationError
from keeper.model import DPRE_1, WAD
from keeper.tuning import Garch, Returns, ScaleRules, ewma, fit_garch, hourly_returns, propose

HOUR = 3_600


def series(count: int, omega: float, alpha: float, beta: float, seed: int = 7) -> Returns:
    random, h, values = np.random.default_rng(seed), omega / (1.0 - alpha - beta), []
    for _ in range(count):
        values.append(math.sqrt(h) * random.standard_normal())
        h = omega + alpha * values[-1] ** 2 + beta * h
    return Returns(np.array(values), np.ones(count))


def test_ewma_of_moves_of_one_size_is_that_size() -> None:
    signs = np.where(np.arange(100) % 2, 1.0, -1.0)
    assert ewma(Returns(0.01 * signs, np.ones(100))) == pytest.approx(0.01 * math.sqrt(24.0))


def test_ewma_forgets_half_in_eleven_days() -> None:
    """0.94 a day: ln 0.5 / ln 0.94 = 11.2 days."""
    days = 11.2
    calm = np.full(24 * 60, 0.001)
    after = np.concatenate([np.full(24 * 400, 0.01), np.full(round(24 * days), 0.0)])
    assert ewma(Returns(after, np.ones(len(after)))) ** 2 == pytest.approx(0.5 * 24.0 * 0.01**2, rel=0.01)
    assert ewma(Returns(calm, np.ones(len(calm)))) == pytest.approx(0.001 * math.sqrt(24.0))


def test_garch_finds_what_made_the_series() -> None:
    found = fit_garch(series(4_000, 2e-6, 0.08, 0.88))
    assert found.alpha == pytest.approx(0.08, abs=0.03)
    assert found.persistence == pytest.approx(0.96, abs=0.03)
    assert found.long_run == pytest.approx(5e-5, rel=0.35)


def test_garch_fits_better_than_a_constant_where_vol_clusters() -> None:
    returns = series(2_000, 2e-6, 0.10, 0.86)
    variance = float((returns.values**2).mean())
    constant = -0.5 * len(returns.values) * (math.log(2.0 * math.pi * variance) + 1.0)
    assert fit_garch(returns).likelihood > constant + 20.0


def test_a_forecast_is_the_sum_of_expected_variances() -> None:
    model = Garch(omega=2e-6, alpha=0.08, beta=0.88, variance=4e-4, likelihood=0.0)
    h, total = model.variance, 0.0
    for _ in range(24):
        total += h
        h = model.omega + model.persistence * h
    assert model.forecast(1.0) == pytest.approx(math.sqrt(total))
    assert model.forecast(365.0) / math.sqrt(365.0 * 24.0) == pytest.approx(math.sqrt(model.long_run), rel=0.01)


def test_hours_are_formed_from_what_was_signed() -> None:
    times = [0, 1_800, 3_599, 3_600, 7_300, 7_200 + 10 * HOUR]
    returns = hourly_returns(times, [100.0, 101.0, 102.0, 103.0, 104.0, 200.0])
    assert returns.values == pytest.approx([math.log(103 / 102), math.log(104 / 103)]), "the last of the hour, none over the gap"
    gap = hourly_returns([0, 2 * HOUR], [100.0, 110.0])
    assert gap.per_hour == pytest.approx([math.log(1.1) / math.sqrt(2.0)])
    with pytest.raises(SimulationError, match="ascending"):
        hourly_returns([2, 1], [1.0, 1.0])
    with pytest.raises(SimulationError, match="prices > 0"):
        hourly_returns([1, 2], [1.0, -1.0])


def test_too_little_is_said() -> None:
    with pytest.raises(SimulationError, match="at least 48"):
        ewma(Returns(np.zeros(47), np.ones(47)))
    with pytest.raises(SimulationError, match="move"):
        fit_garch(Returns(np.zeros(100), np.ones(100)))


def test_a_scale_spans_the_deviations() -> None:
    """The core spans 18 %: four deviations of 6.75 % are 27 %, which is 1.5 times it."""
    [proposal] = propose({0: 0.0675}, {0: 1.2}, DPRE_1)
    assert proposal.wanted == pytest.approx(1.5)
    assert proposal.proposed == pytest.approx(1.5)
    assert proposal.word == 3 * WAD // 2
    assert "6.75%" in proposal.why


def test_scales_rise_fast_and_fall_slowly() -> None:
    [rise] = propose({0: 0.2}, {0: 1.0}, DPRE_1)
    assert rise.proposed == 1.5
    [fall] = propose({0: 0.001}, {0: 2.0}, DPRE_1)
    assert fall.proposed == pytest.approx(1.9)
    assert fall.wanted == 1.0


def test_bounds_hold_whatever_the_forecast() -> None:
    [proposal] = propose({0: 50.0}, {0: 2.3}, DPRE_1)
    assert proposal.proposed == ScaleRules().ceiling
    wide = ScaleRules(ceiling=5.0, up=9.0)
    [proposal] = propose({0: 50.0}, {0: 1.0}, DPRE_1, wide)
    assert proposal.proposed == 5.0
    assert 0.18 * proposal.proposed < 0.99, "no core shock takes more than the price, which the contract would refuse"


def test_small_changes_are_not_proposed() -> None:
    assert propose({0: 0.0675}, {0: 1.47}, DPRE_1) == []
    assert propose({0: 0.001}, {0: 1.0}, DPRE_1) == []


def test_words_round_towards_more_margin() -> None:
    [proposal] = propose({0: 0.0675 * 1.001}, {0: 1.2}, DPRE_1)
    assert proposal.word == 151 * WAD // 100
    assert proposal.word >= proposal.proposed * WAD


@pytest.mark.parametrize("vol", [0.0, -1.0, math.nan, math.inf])
def test_vols_that_are_none_are_refused(vol: float) -> None:
    with pytest.raises(SimulationError, match="expected > 0"):
        propose({0: vol}, {}, DPRE_1)
