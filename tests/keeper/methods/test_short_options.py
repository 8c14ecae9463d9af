"""Standard margins of other venues against their published or recomputed examples."""

from collections.abc import Callable
from typing import Any

import pytest

from keeper.errors import BookError, ParameterError
from keeper.margin import Book, margin
from keeper.methods.short_options import ShortOptionRule, largest_loss, short_option_margin
from keeper.model import (
    Account,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    Scenario,
    UnderlyingMarket,
    VolDirection,
    Wad,
)

Rows = Callable[[str], list[dict[str, Any]]]


def agree(row: dict[str, Any], **ours: float) -> None:
    assert ours == pytest.approx(row["outputs"], abs=row["tolerance"], rel=0.0), row["id"]


def test_deribit(rows: Rows) -> None:
    """In coin: the underlying is 1, the strike K / S."""
    rule = ShortOptionRule.preset("deribit")
    for row in rows("deribit_standard_margin_short_inverse_option"):
        i = row["inputs"]
        ours = short_option_margin(rule, 1.0, i["K"] / i["underlying"], i["mark_coin"], i["type"] == "call")
        agree(row, im=float(ours.initial), mm=float(ours.maintenance))


def test_bybit(rows: Rows) -> None:
    rule = ShortOptionRule.preset("bybit")
    for row in rows("bybit_cross_margin_short_put"):
        i = row["inputs"]
        numbers = (rule.maintenance_rate, rule.liquidation_fee, rule.initial_rate, rule.initial_floor)
        assert numbers == (i["mm_rate"], i["liq_fee"], i["im_max"], i["im_min"])
        ours = short_option_margin(rule, i["spot"], i["K"], i["mark"], False, i["order_price"])
        agree(row, im=float(ours.initial), mm=float(ours.maintenance))


def test_aevo(rows: Rows) -> None:
    for row in rows("aevo_standard_margin_short_option"):
        i = row["inputs"]
        ours = short_option_margin(ShortOptionRule.preset("aevo"), i["spot"], i["K"], i["mark"], i["type"] == "call")
        agree(row, im=float(ours.initial), mm=float(ours.maintenance))


def test_derive(rows: Rows) -> None:
    rule = ShortOptionRule.preset("derive")
    for row in rows("derive_standard_margin"):
        i, short = row["inputs"], row["inputs"]["short_calls"]
        assert (rule.maintenance_rate, rule.initial_rate, rule.initial_floor) == (i["mm"], i["im_max"], i["im_min"])
        one = short_option_margin(rule, i["spot"], short["K"], short["mark"], True)
        initial, maintenance = short["n"] * float(one.initial), short["n"] * float(one.maintenance)
        agree(row, option_im=-initial, option_mm=-maintenance, im=i["cash"] - initial, mm=i["cash"] - maintenance)


def test_derive_spread_is_capped_by_its_largest_loss(rows: Rows) -> None:
    rule = ShortOptionRule.preset("derive")
    for row in rows("derive_standard_margin_spread"):
        i, short, long = row["inputs"], row["inputs"]["short"], row["inputs"]["long"]
        one = short_option_margin(rule, i["spot"], short["K"], short["mark"], True)
        initial, maintenance = short["n"] * float(one.initial), short["n"] * float(one.maintenance)
        cap = largest_loss([short["K"], long["K"]], [True, True], [-short["n"], long["n"]])
        agree(
            row,
            default_im=-initial,
            default_mm=-maintenance,
            offset=-cap,
            im=i["cash"] - min(initial, cap),
            mm=i["cash"] - min(maintenance, cap),
        )


def test_future_contingency_and_shock_on_the_engine(rows: Rows) -> None:
    """Dederi's rule needs nothing new: +-15 % scenarios on the forward, and a share of the gross notional."""
    for row in rows("future_contingency_and_shock"):
        i = row["inputs"]
        expiry = i["days"] * 86_400
        forward = i["index"] * (1.0 + i["abr"] * i["days"] / 365.0)
        market = Market(
            time=0, underlyings={0: UnderlyingMarket(spot=i["index"], mark=i["index"], expiries=(ExpiryMarket(expiry, forward),))}
        )
        parameters = Parameters(scenarios=(Scenario(-0.15, VolDirection.NONE), Scenario(0.15, VolDirection.NONE)))
        position = Position(Wad.whole(i["position"]), Wad.whole(0))
        account = Account(1, "dederi", MarginMode.PORTFOLIO, Wad.whole(0), positions={Instrument.future(0, expiry): position})
        result = margin(Book.from_accounts([account], parameters), market, parameters)
        down, up = result.stress.pnl[0].tolist()
        ours = {
            "F0": float(result.priced.value[0]),
            "contingency": i["contingency_factor"] * float(result.gross_notional[0]),
            "pnl_m15": down,
            "pnl_p15": up,
        }
        assert ours == pytest.approx(row["outputs"], rel=0.0, abs=row["tolerance"]["abs"])


@pytest.mark.parametrize(
    ("strike", "is_call", "size", "expected"),
    [
        pytest.param([100.0, 120.0], [True, True], [-2, 2], 40.0, id="call spread"),
        pytest.param([100.0, 80.0], [False, False], [-1, 1], 20.0, id="put spread"),
        pytest.param([100.0], [False], [-1], 100.0, id="naked put"),
        pytest.param([100.0], [True], [-1], float("inf"), id="naked call"),
        pytest.param([100.0, 120.0], [True, True], [1, -1], 0.0, id="long spread"),
        pytest.param([90.0, 110.0, 90.0, 110.0], [True, True, False, False], [-1, 1, 1, -1], 20.0, id="short box"),
    ],
)
def test_largest_loss(strike: list[float], is_call: list[bool], size: list[int], expected: float) -> None:
    assert largest_loss(strike, is_call, size) == expected


def test_bad_input_names_what_was_expected() -> None:
    with pytest.raises(ParameterError, match="expected one of"):
        ShortOptionRule.preset("okx")
    with pytest.raises(BookError, match="mark: expected finite"):
        short_option_margin(ShortOptionRule.preset("aevo"), 1.0, 1.0, -1.0, True)
    with pytest.raises(BookError, match="vectors of one length"):
        largest_loss([1.0], [True, False], [1.0])
