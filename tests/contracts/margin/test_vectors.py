"""All 80 cases of dpre1_portfolios.json through the deployed engine: every figure in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from web3.contract import Contract

from tests.contracts.margin.conftest import GAS
from tests.contracts.margin.words import UNDERLYING_IDS, case_of

CROSS, PORTFOLIO = 1, 2
CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "dpre1_portfolios.json").read_text())
CHARGES = ("rate", "roll", "short_options", "delta", "gamma", "vega", "oracle", "spot_contingency")
PRICE_ERROR = 4e-10
"""Of the shocked forward per option (margin.md section 8)."""


def scale_of(case: Mapping[str, Any]) -> float:
    """Gross notional with collateral that joins; a cash-only book has none."""
    joined = sum(c["quantity"] * c["price"] for c in case["book"]["collateral"])
    return float(max(case["portfolio"]["gross_notional"] + joined, 1.0))


def assert_near(found: int, expected: float, tolerance: float, what: str) -> None:
    assert abs(found / 1e18 - expected) <= tolerance + abs(expected) * 1e-15, f"{what}: {found / 1e18!r}, expected {expected!r}"


def assert_requirement(found: tuple[int, ...], expected: Mapping[str, Any], scale: float) -> None:
    names = ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance")
    for value, name in zip(found, names, strict=False):
        assert_near(value, expected[name], 1e-9 * scale, name)


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_cross(margin_model: Contract, default_table: list[int], case: dict[str, Any]) -> None:
    found = margin_model.functions.compute(*case_of(case, default_table, CROSS)).call(GAS)
    assert_requirement(found, case["cross"], scale_of(case))


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_portfolio(model_report: Contract, default_table: list[int], case: dict[str, Any]) -> None:
    expected, scale, spots = case["portfolio"], scale_of(case), case["market"]["underlyings"]
    found, underlyings, groups = model_report.functions.computeBreakdown(*case_of(case, default_table, PORTFOLIO)).call(GAS)
    assert_requirement(found, expected, scale)
    assert_near(found[6], expected["gross_notional"], 1e-12 * scale, "gross notional")

    names = sorted(expected["underlyings"], key=lambda name: UNDERLYING_IDS[name])
    assert [u[0] for u in underlyings] == [UNDERLYING_IDS[name] for name in names]
    for name, report in zip(names, underlyings, strict=True):
        assert_underlying(name, report, expected["underlyings"][name], spots[name]["spot"], scale, case)
    assert len(groups) == len(expected["groups"])
    for report, group in zip(groups, expected["groups"], strict=True):
        assert_near(report[1], group["sum_W"], 1e-9 * scale, "sum of W")
        assert_near(report[2], group["J"], 1e-9 * scale, "J")


def assert_underlying(
    name: str, report: tuple[Any, ...], expected: Mapping[str, Any], spot: float, scale: float, case: Mapping[str, Any]
) -> None:
    # Each option is priced twice per P&L; weights are at most 1.
    contracts = sum(abs(p["size"]) for p in case["book"]["positions"] if p["underlying"] == name)
    per_option = 2 * PRICE_ERROR * contracts * spot * 1.5
    for scenario, (pnl, wanted) in enumerate(zip(report[1], expected["pnl"], strict=True)):
        assert_near(pnl, wanted, per_option * (1 if scenario < 27 else 6) + 1e-12 * scale, f"{name} P&L {scenario}")
    assert expected["pnl"][report[2]] <= min(expected["pnl"]) + 2 * per_option + 1e-12 * scale, f"{name} worst scenario {report[2]}"
    assert_near(report[3], expected["W"], 1e-9 * scale, f"{name} W")
    for charge, value in zip(CHARGES, report[4:12], strict=True):
        assert_near(value, expected["charges"][charge], 1e-11 * scale, f"{name} {charge}")
    delta, gamma, vega = report[12:15]
    assert_near(delta, expected["greeks"]["delta"], 1e-9 * scale / spot, f"{name} delta")
    assert_near(gamma, expected["greeks"]["gamma"], 1e-8 * abs(expected["greeks"]["gamma"]) + 1e-9 * scale / spot**2, f"{name} gamma")
    assert_near(vega, expected["greeks"]["vega"], 1e-10 * scale, f"{name} vega")
