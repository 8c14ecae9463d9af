"""SVI slices against published numbers; what a slice may not be."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keeper.errors import PricingError
from keeper.pricing import svi

Rows = Callable[[str], list[dict[str, Any]]]


def vol_of(i: dict[str, Any]) -> float:
    return float(svi.implied_vol(i["K"], i["F"], i["tau"], i["a"], i["b"], i["rho"], i["m"], i["sigma"]))


def test_published_vols_and_clamps(rows: Rows) -> None:
    for row in rows("svi_raw_vol") + rows("svi_raw_vol_clamped"):
        assert vol_of(row["inputs"]) == pytest.approx(row["outputs"]["vol"], abs=row["tolerance"], rel=0.0), row["id"]


def test_published_total_variance(rows: Rows) -> None:
    for row in rows("svi_raw_total_variance"):
        i = row["inputs"]
        w = float(svi.total_variance(i["m"], i["a"], i["b"], i["rho"], i["m"], i["sigma"]))
        assert w == pytest.approx(row["outputs"]["w"], abs=row["tolerance"], rel=0.0)


def test_beyond_the_clamp_the_vol_is_flat_and_inside_it_is_not(rows: Rows) -> None:
    i = rows("svi_raw_vol_clamped")[0]["inputs"]
    edge = math.exp(4.0 * math.sqrt(i["a"] + i["b"] * i["sigma"]))
    at = {factor: vol_of({**i, "K": i["F"] * edge * factor}) for factor in (0.9, 1.0, 2.0, 1e4)}
    assert at[1.0] == pytest.approx(at[2.0], rel=1e-14)
    assert at[2.0] == at[1e4]
    assert at[0.9] < at[1.0]


def test_slices_that_are_not_acceptable() -> None:
    good = {"a": 0.01, "b": 0.1, "rho": -0.3, "sigma": 0.2}
    bad = [{"b": -0.1}, {"rho": 1.0}, {"rho": -1.0}, {"sigma": 0.0}, {"a": -0.1 * 0.2 * math.sqrt(0.91) - 1e-9}]
    assert svi.is_acceptable(**good)
    for change in [*bad, {"a": math.nan}]:
        slice_ = {**good, **change}
        assert not svi.is_acceptable(**slice_)
        with pytest.raises(PricingError, match="SVI: expected"):
            svi.implied_vol(100.0, 100.0, 0.1, m=0.0, **slice_)
    with pytest.raises(PricingError, match="strike: expected"):
        svi.implied_vol(np.nan, 100.0, 0.1, m=0.0, **good)
    least = -0.1 * 0.2 * math.sqrt(0.91)
    assert float(svi.implied_vol(100.0 * math.exp(0.2 * 0.3 / math.sqrt(0.91)), 100.0, 0.1, least, 0.1, -0.3, 0.0, 0.2)) < 1e-7
