"""SPAN's scan risk against a printed risk array."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keeper.errors import BookError
from keeper.methods import span
from keeper.methods.grid import OptionPositions

Rows = Callable[[str], list[dict[str, Any]]]


def test_scan_risk_of_printed_arrays(rows: Rows) -> None:
    for row in rows("span_scan_risk"):
        future, call = (row["inputs"][name] for name in ("long_future", "long_dec410_call"))
        assert span.scan_risk([call], [1]) == row["outputs"]["scan_risk_long_call"]
        assert span.scan_risk([future, call], [1, -1]) == row["outputs"]["scan_risk_covered_write"]


def test_the_table_gives_the_printed_array_of_a_future(rows: Rows) -> None:
    """A range of 10,000 in all; the print rounds thirds to ten."""
    for row in rows("span_scan_risk"):
        ours = span.linear_risk_array([100_000.0], price_scan=0.1)[0]
        assert ours.tolist() == pytest.approx(row["inputs"]["long_future"], abs=5.0)


def test_option_array() -> None:
    """Signs, the two extremes without a vol move, and the call's array less the put's is the future's."""
    two = OptionPositions.of(
        seconds=[30 * 86_400.0] * 2,
        forward=[100.0] * 2,
        strike=[105.0] * 2,
        vol=[0.4] * 2,
        rate=[0.0] * 2,
        is_call=[True, False],
        size=[1.0, 1.0],
    )
    call, put = span.option_risk_array(two, price_scan=0.12, vol_scan=0.05)
    assert call - put == pytest.approx(span.linear_risk_array([100.0], 0.12)[0], abs=1e-12)
    assert call[0] > 0.0 > call[1]  # price unchanged: vol up, vol down
    assert (call[10], call[13]) == (call.max(), call.min())  # full move up with vol up, down with vol down
    assert 0.0 < call[14] < call[10]  # the extreme counts 35 %


def test_vols_do_not_fall_below_zero() -> None:
    quiet = OptionPositions.of(seconds=[86_400.0], forward=[100.0], strike=[100.0], vol=[0.03], rate=[0.0], is_call=[True], size=[1.0])
    assert np.isfinite(span.option_risk_array(quiet, 0.1, vol_scan=0.05)).all()


def test_bad_input_names_what_was_expected() -> None:
    with pytest.raises(BookError, match="risk arrays"):
        span.scan_risk([[1.0, 2.0]], [1.0, 2.0])
