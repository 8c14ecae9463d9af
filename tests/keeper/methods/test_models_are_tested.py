"""Every row of models.json is used by a test of the keeper, or named here with the reason why not."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]

NOT_PRICING = "statistics of back-tests: neither pricing, Greeks nor margin"
NOT_FORECASTING = "volatility forecasting: neither pricing, Greeks nor margin"
FIXED_POINT = "fixed-point functions of 1e18, which exist on the chain only; the keeper counts in float64"
UNUSED = {
    "wad_ln": FIXED_POINT,
    "wad_exp": FIXED_POINT,
    "wad_sqrt": FIXED_POINT,
    "garch11_update": NOT_FORECASTING,
    "garch11_filter": NOT_FORECASTING,
    "leland_adjusted_vol": "cost of hedging an option: neither a price nor a margin",
    "chi2_critical_1df": NOT_PRICING,
    "chi2_critical_2df": NOT_PRICING,
    "kupiec_pof": NOT_PRICING,
    "kupiec_nonrejection_region_95": NOT_PRICING,
    "basel_traffic_light_cumprob_T250_p1pct": NOT_PRICING,
    "normal_var_es": NOT_PRICING,
}


def constants(path: Path) -> set[str]:
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_row_is_tested_or_named_with_a_reason(vectors: Callable[[str], Any]) -> None:
    rows = vectors("models.json")
    assert len(rows) == 145
    used = set().union(*(constants(path) for path in FOLDER.rglob("test_*.py") if path != Path(__file__)))
    models = {row["model"] for row in rows}
    assert sorted(models - used - UNUSED.keys()) == [], "neither tested nor named with a reason"
    assert sorted(UNUSED.keys() & used) == [], "tested by now: the reason has gone"
    assert sorted(UNUSED.keys() - models) == [], "no row of that model"
