"""SABR against published vols; its limits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keeper.errors import PricingError
from keeper.pricing import sabr

Rows = Callable[[str], list[dict[str, Any]]]
TERMS = {"forward": 100.0, "tau": 0.5, "alpha": 0.6, "beta": 1.0, "nu": 0.8, "rho": -0.3}


def test_published_vols(rows: Rows) -> None:
    for row in rows("sabr_hagan_lognormal_vol"):
        i = row["inputs"]
        vol = sabr.implied_vol(i["F"], i["K"], i["T"], i["alpha"], i["beta"], i["nu"], i["rho"])
        assert float(vol) == pytest.approx(row["outputs"]["vol"], abs=row["tolerance"], rel=0.0), row["id"]


def test_without_vol_of_vol_and_beta_one_it_is_black() -> None:
    vols = sabr.implied_vol(100.0, [50.0, 100.0, 200.0], 2.0, 0.6, 1.0, 0.0, 0.0)
    assert vols == pytest.approx(0.6, rel=1e-15)


def test_continuous_through_the_money() -> None:
    strikes = 100.0 * np.exp(np.array([-1e-5, -1e-6, -1e-8, 0.0, 1e-8, 1e-6, 1e-5]))
    vols = sabr.implied_vol(strike=strikes, **TERMS)
    assert np.ptp(vols) < 1e-5
    assert (np.diff(vols) < 0.0).all()  # rho < 0: the skew slopes down, without a jump where the series takes over


@pytest.mark.parametrize("change", [{"rho": 1.0}, {"alpha": 0.0}, {"beta": 1.1}, {"nu": -0.1}, {"forward": np.inf}, {"tau": -1.0}])
def test_bad_input_names_what_was_expected(change: dict[str, float]) -> None:
    with pytest.raises(PricingError, match=f"SABR {next(iter(change))}"):
        sabr.implied_vol(**{**TERMS, "strike": 100.0, **change})
