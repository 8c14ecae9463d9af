"""PM2 against the venue's published portfolios: a small table of our own always, all 68 where the shared file is present."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keeper.errors import BookError, ParameterError
from keeper.methods import presets
from keeper.methods.derive_pm2 import Pm2Collateral, Pm2Parameters, Pm2Portfolio, portfolio_margin
from keeper.methods.grid import OptionPositions
from tests.keeper.methods import derive_pm2_cases as published

LIMIT = 1e-6
PRESET = Pm2Parameters.preset()


@pytest.fixture(scope="module")
def sample(vectors: Callable[[str], Any]) -> dict[str, Any]:
    return vectors("derive_pm2_sample.json")


def of_sample(sample: dict[str, Any], name: str) -> tuple[Pm2Portfolio, dict[str, float]]:
    case = sample["cases"][name]
    columns = dict(zip(sample["option_columns"], zip(*case["options"], strict=True), strict=False))
    confidence = np.array(columns.pop("confidence", ()), dtype=np.float64)
    collateral = tuple(Pm2Collateral(**c) for c in case["collateral"])
    account = Pm2Portfolio(**case["account"], options=OptionPositions.of(**columns), option_confidence=confidence, collateral=collateral)
    return account, case["published"]


@pytest.mark.parametrize(
    "name",
    [
        "risk_cancelling_eth_call_with_btc_collat",
        "risk_cancelling_general_covered_call",
        "structures_OTM_call_spread",
        "structures_basic_put",
        "structures_risk_reversal_dn",
        "perps_basic_perp_low_confidence_2",
        "perps_perp_hedging",
        "perps_general_perp_hedging",
        "v20_remnants_v20_test_2_long_call",
        "misc_post_expiry",
    ],
)
def test_the_preset_gives_the_published_balances(sample: dict[str, Any], name: str) -> None:
    account, expected = of_sample(sample, name)
    margin = portfolio_margin(account, PRESET)
    for figure in ("initial", "maintenance", "basis", "oracle"):
        assert getattr(margin, figure) == pytest.approx(expected[figure], rel=1e-9, abs=1e-6), figure
    regular = margin.scenario_pnl[:23]  # the moves inside the price range come first
    assert min(0.0, float(regular.min())) == pytest.approx(expected["worst_regular"], rel=1e-9, abs=1e-6)


def test_the_sample_is_all_used(sample: dict[str, Any]) -> None:
    assert len(sample["cases"]) == 10
    assert "v2-core" in sample["source"]


def test_all_68_portfolios_and_each_of_their_scenarios(shared_file: Callable[[str], Path]) -> None:
    """Initial, maintenance, basis, oracle and the P&L of every scenario, each to 1e-6: no case is left out."""
    cases = json.loads(shared_file("vectors/derive_pm2_portfolios.json").read_text())
    assert len(cases) == 68
    wrong = []
    for case in cases:
        margin = portfolio_margin(published.portfolio(case["scenario"]), published.parameters(case["parameters"]))
        result = case["result"]
        ours = [margin.initial, margin.maintenance, margin.basis, margin.oracle, *margin.scenario_pnl.tolist()]
        theirs = [result["IM"], result["MM"], result["ForwardContingency"], result["OracleCont"]]
        theirs += published.published_scenarios(result)
        if not np.allclose(ours, theirs, rtol=LIMIT, atol=LIMIT):
            wrong.append(case["id"])
    assert wrong == []


def test_the_preset_is_the_parameters_of_the_published_cases(shared_file: Callable[[str], Path]) -> None:
    """Most cases use one set; the others change one parameter each."""
    cases = json.loads(shared_file("vectors/derive_pm2_portfolios.json").read_text())
    tables = [json.dumps(case["parameters"], sort_keys=True) for case in cases]
    common = published.parameters(json.loads(max(tables, key=tables.count)))
    for item in fields(Pm2Parameters):
        ours, theirs = getattr(PRESET, item.name), getattr(common, item.name)
        if item.name == "scenarios":
            assert ours.spot.tolist() == pytest.approx(theirs.spot.tolist(), abs=1e-12)
            assert (ours.vol.tolist(), ours.weight.tolist()) == (theirs.vol.tolist(), theirs.weight.tolist())
        elif item.name != "vol" and not isinstance(ours, tuple):
            assert ours == pytest.approx(theirs, rel=1e-12), item.name
        else:
            assert ours == theirs, item.name


@pytest.mark.parametrize(
    "name", [item.name for item in fields(Pm2Parameters) if item.type == "float" and item.name not in ("peg_threshold", "min_k_star")]
)
def test_every_number_of_the_preset_is_read(sample: dict[str, Any], name: str) -> None:
    """Another number changes a balance or a scenario of some case (k* has a floor no case reaches; the peg holds in all)."""
    factor = {"tenor_floor": 40.0, "confidence_threshold": 0.1}.get(name, 0.5)
    changed = replace(PRESET, **{name: getattr(PRESET, name) * factor})

    def figures(parameters: Pm2Parameters) -> list[float]:
        found = []
        for case in sample["cases"]:
            account, _ = of_sample(sample, case)
            if name == "peg_factor":
                account = replace(account, stable_price=0.9)
            margin = portfolio_margin(account, parameters)
            found += [margin.initial, margin.maintenance, margin.basis, *margin.scenario_pnl.tolist()]
        return found

    assert not np.allclose(figures(PRESET), figures(changed), rtol=1e-9, atol=1e-9)


def test_below_the_peg_the_initial_loss_counts_more(sample: dict[str, Any]) -> None:
    account, _ = of_sample(sample, "structures_basic_put")
    pegged = portfolio_margin(account, PRESET)
    broken = portfolio_margin(replace(account, stable_price=0.93), PRESET)
    assert broken.maintenance == pytest.approx(pegged.maintenance)  # no collateral: nothing else uses the stable price
    assert broken.initial - pegged.initial == pytest.approx(pegged.worst * (0.98 - 0.93) * 2.0)


def test_in_the_last_half_hour_the_settlement_average_is_part_fixed() -> None:
    """A short call at the money, a day, 15 minutes and a second before expiry: the part that is averaged cannot move."""
    losses = []
    for seconds in (86_400.0, 900.0, 1.0):
        options = OptionPositions.of(
            seconds=[seconds], forward=[2000.0], strike=[2000.0], vol=[1e-6], rate=[0.0], is_call=[True], size=[-1.0]
        )
        margin = portfolio_margin(Pm2Portfolio(cash=0.0, spot=2000.0, options=options, option_confidence=np.ones(1)), PRESET)
        losses.append(float(margin.scenario_pnl[:23].min()))
    tau = 900.0 / 31_536_000
    assert losses[1] == pytest.approx(-0.18 * 2000.0 / 2 * min(1.0, 1.04 * np.exp(0.08 * tau)), rel=1e-3)
    assert losses[0] < 1.9 * losses[1]
    assert losses[2] > -0.3


def test_bad_input_names_what_was_expected() -> None:
    with pytest.raises(ParameterError, match="expected one of"):
        presets.load("derive-pm2-1999", "derive-pm2")
    with pytest.raises(ParameterError, match="expected one of the method"):
        presets.load("derive-pm2-2025-02-19", "other")
    with pytest.raises(ParameterError, match="expected a table of the preset's shape"):
        Pm2Parameters.from_table({"vol": {}})
    with pytest.raises(BookError, match="option_confidence"):
        Pm2Portfolio(cash=0.0, spot=1.0, option_confidence=np.ones(1))
    with pytest.raises(BookError, match="spot: expected a finite price > 0"):
        Pm2Portfolio(cash=0.0, spot=0.0)
    with pytest.raises(BookError, match="vectors of one length"):
        OptionPositions.of(seconds=[1.0])
