"""All 80 independent cases, every published figure, and proof that the comparison can fail."""

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from keeper.model import Parameters

LIMIT = 1e-9  # of gross notional


def test_every_figure_of_the_case(case: Any) -> None:
    errors = dict(case.errors())
    assert len(errors) >= 7 + 5
    wrong = {name: error for name, error in errors.items() if not error <= LIMIT}
    assert not wrong


def test_no_parameter_is_forgotten() -> None:
    elsewhere = {"vol_floor_down", "max_basis", "scenarios", "collateral", "name"}
    assert {item.name for item in fields(Parameters)} == set(PARAMETERS) | elsewhere


def test_the_cases_are_all_there(cases: dict[str, Any]) -> None:
    assert len(cases) == 80
    assert sum("directed" in name for name in cases) == 20


def set_market(key: str, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(inputs: dict[str, Any]) -> None:
        for u in inputs["market"]["underlyings"].values():
            u[key] *= factor

    return change


def set_expiries(change_of: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def change(inputs: dict[str, Any]) -> None:
        for u in inputs["market"]["underlyings"].values():
            for e in u["expiries"]:
                change_of(e)

    return change


def first_option(inputs: dict[str, Any]) -> dict[str, Any]:
    return next(p for p in inputs["book"]["positions"] if "strike" in p)


CASE = "dpre1-20260701-00"  # three underlyings, a group, a scaled underlying, joined collateral, all kinds
CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "spot": set_market("spot", 1 + 1e-6),
    "mark": set_market("mark", 1 + 1e-6),
    "spot_scale": set_market("spot_scale", 1 + 1e-6),
    "time": lambda i: i["market"].update(time=i["market"]["time"] - 60),
    "kappa": lambda i: i["market"]["groups"][0].update(kappa=0.4999),
    "group dissolved": lambda i: i["market"]["groups"][0].update(members=["BTC"]),
    "forward": set_expiries(lambda e: e.update(forward=e["forward"] * (1 + 1e-6))),
    "rate": set_expiries(lambda e: e.update(rate=e["rate"] + 1e-6)),
    "svi level": set_expiries(lambda e: e["svi"].update(a=e["svi"]["a"] + 1e-6)),
    "svi tenor": set_expiries(lambda e: e["svi"].update(ref_tau=e["svi"]["ref_tau"] * (1 + 1e-6))),
    "svi forward": set_expiries(lambda e: e["svi"].update(ref_forward=e["svi"]["ref_forward"] * (1 + 1e-5))),
    "cash": lambda i: i["book"].update(cash=i["book"]["cash"] + 1.0),
    "size": lambda i: i["book"]["positions"][0].update(size=i["book"]["positions"][0]["size"] * (1 + 1e-6)),
    "cost": lambda i: i["book"]["positions"][0].update(cost=i["book"]["positions"][0]["cost"] + 1.0),
    "strike": lambda i: first_option(i).update(strike=first_option(i)["strike"] + 0.01),
    "call for put": lambda i: first_option(i).update(kind={"call": "put", "put": "call"}[first_option(i)["kind"]]),
    "token price": lambda i: i["book"]["collateral"][0].update(price=i["book"]["collateral"][0]["price"] + 1.0),
    "token quantity": lambda i: i["book"]["collateral"][0].update(quantity=0.15),
    "haircut": lambda i: i["book"]["collateral"][0].update(haircut_maintenance=0.06),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_input_is_noticed(cases: dict[str, Any], name: str) -> None:
    untouched = cases[CASE]
    changed = replace(untouched, inputs=copy.deepcopy(untouched.inputs))
    CHANGES[name](changed.inputs)
    assert changed.inputs != untouched.inputs
    assert max(error for _, error in changed.errors()) > LIMIT


# No case reaches the down floor of vols or the clamp of the mark: tests/keeper/pricing/test_scenarios.py does.
PARAMETERS = {
    "rate_charge": CASE,
    "roll_min": CASE,
    "roll_slope": CASE,
    "short_option_rate": CASE,
    "spot_contingency": CASE,
    "maintenance_factor": CASE,
    "vol_range_up": CASE,
    "vol_range_down": CASE,
    "vol_power_short": CASE,
    "vol_power_long": CASE,
    "vol_tenor_pivot": CASE,
    "svi_clamp": CASE,
    "short_option_initial": CASE,
    "short_option_initial_min": CASE,
    "short_option_maintenance": CASE,
    "tier_1_initial": CASE,
    "tier_1_maintenance": CASE,
    "vol_tenor_floor": "dpre1-20260701-16",
    "vol_floor_up": "dpre1-20260701-10",
    "gamma_tenor": "dpre1-directed-expiry-48h-boundary",
    "gamma_step": "dpre1-directed-expiry-48h-boundary",
    "delta_free": "dpre1-directed-delta-charge-slope",
    "delta_slope": "dpre1-directed-delta-charge-slope",
    "delta_cap": "dpre1-directed-delta-charge-cap-and-tiers",
    "vega_rate": "dpre1-directed-vega-charge",
    "vega_free": "dpre1-directed-vega-charge",
    "confidence_threshold": "dpre1-directed-confidence-below",
    "notional_floor": "dpre1-directed-box",
    "short_initial_over_maintenance": "dpre1-directed-short-put-im-equals-mm",
    "tier_1_limit": "dpre1-directed-tiers-middle",
    "tier_2_initial": "dpre1-directed-tiers-middle",
    "tier_2_maintenance": "dpre1-directed-tiers-middle",
    "tier_2_limit": "dpre1-directed-delta-charge-cap-and-tiers",
    "tier_3_initial": "dpre1-directed-delta-charge-cap-and-tiers",
    "tier_3_maintenance": "dpre1-directed-delta-charge-cap-and-tiers",
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_read(cases: dict[str, Any], name: str) -> None:
    """A parameter off by a tenth (the threshold: by half) shows in a case that reaches its rule."""
    case = cases[PARAMETERS[name]]
    assert max(error for _, error in case.errors()) <= LIMIT
    proper = case.parameters
    changed = replace(proper, **{name: getattr(proper, name) * (0.5 if name == "confidence_threshold" else 0.9)})
    off = type("Off", (type(case),), {"parameters": changed})(case.id, case.inputs, case.outputs)
    assert max(error for _, error in off.errors()) > LIMIT
