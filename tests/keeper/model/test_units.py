"""Units: exact where integers are, loud where units mix."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.errors import KeeperError, UnitError
from keeper.model import WAD, TokenAmount, Wad, to_floats

raws = st.integers(-(2**127), 2**127)


@given(raws)
def test_wad_to_float_is_the_nearest_double(raw: int) -> None:
    value = Wad(raw).to_float()
    exact = Fraction(raw, WAD)
    error = abs(Fraction(value) - exact)
    assert error <= abs(Fraction(np.nextafter(value, np.inf)) - exact)
    assert error <= abs(Fraction(np.nextafter(value, -np.inf)) - exact)


@given(st.floats(-1e18, 1e18))
def test_float_survives_the_way_to_wad_and_back_within_half_a_unit(value: float) -> None:
    assert abs(Fraction(Wad.from_float(value).raw, WAD) - Fraction(value)) <= Fraction(1, 2 * WAD)


@given(raws, raws)
def test_sums_are_exact_and_order_is_that_of_the_amounts(a: int, b: int) -> None:
    assert (Wad(a) + Wad(b)).raw == a + b
    assert (Wad(a) - Wad(b)).raw == a - b
    assert (Wad(a) < Wad(b)) == (a < b)


@given(raws, raws, raws.filter(bool))
def test_mul_div_brackets_the_exact_quotient(a: int, n: int, d: int) -> None:
    exact = Fraction(a * n, d)
    down, up = Wad(a).mul_div_down(Wad(n), Wad(d)).raw, Wad(a).mul_div_up(Wad(n), Wad(d)).raw
    assert exact - 1 < down <= exact <= up < exact + 1


@given(st.integers(-(2**100), 2**100), st.integers(0, 18))
def test_token_amounts_round_to_the_named_side(raw: int, decimals: int) -> None:
    exact = Fraction(raw * 10**decimals, WAD)
    assert exact - 1 < TokenAmount.from_wad_down(Wad(raw), decimals).raw <= exact
    assert exact <= TokenAmount.from_wad_up(Wad(raw), decimals).raw < exact + 1
    amount = TokenAmount(decimals, raw)
    assert TokenAmount.from_wad_down(amount.to_wad(), decimals) == amount


def test_parse_is_exact_or_refuses() -> None:
    assert Wad.parse("278208.46").raw == 278208460000000000000000
    assert Wad.whole(3) == Wad.parse("3")
    for text in ("1e-19", "nan", "inf", "twelve"):
        with pytest.raises(UnitError, match="expects"):
            Wad.parse(text)


def test_units_refuse_to_mix() -> None:
    one, usdc, weth = Wad.whole(1), TokenAmount(6, 1_000_000), TokenAmount(18, 10**18)
    for mixed in (
        lambda: one + 1,  # type: ignore[operator]
        lambda: one - 1.0,  # type: ignore[operator]
        lambda: one + usdc,  # type: ignore[operator]
        lambda: usdc + weth,
        lambda: usdc + one,  # type: ignore[operator]
        lambda: Wad(1.0),  # type: ignore[arg-type]
        lambda: Wad(True),
        lambda: Wad.from_float(float("nan")),
        lambda: one.mul_div_down(one, Wad(0)),
        lambda: TokenAmount(19, 1).to_wad(),
    ):
        with pytest.raises(UnitError):
            mixed()
    assert issubclass(UnitError, KeeperError)


def test_to_floats_keeps_order() -> None:
    assert to_floats([Wad.parse("0.1"), Wad(-1), Wad.whole(7)]).tolist() == [0.1, -1e-18, 7.0]
