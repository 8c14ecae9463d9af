"""scripts/invariants: the campaign's figures from forge's results and the runs' own lines."""

from __future__ import annotations

from typing import Any

from scripts.invariants import handlers, summarise


def job(**tests: str) -> dict[str, Any]:
    return {"suite": {"test_results": {name: {"status": status} for name, status in tests.items()}}}


def run(drift: int, **played: list[int]) -> dict[str, Any]:
    return {"drift": drift, "drifting": 100, **played}


def test_counts_what_did_not_revert_over_all_runs_and_jobs() -> None:
    runs = [run(3, trade=[40, 10], liquidate=[2, 15], deposit=[25, 0]), run(9, trade=[30, 20], liquidate=[3, 0], deposit=[0, 0])]
    assert summarise([job(books="Success", control="Success"), job(books="Success")], runs) == {
        "calls": 100,
        "reverted": 45,
        "liquidations": 5,
        "violations": 0,
        "max_drift_units": 9,
        "per_handler_min_share": 0.05,
    }
    assert handlers(runs) == {"trade": (70, 30), "liquidate": (5, 15), "deposit": (25, 0)}


def test_a_broken_invariant_and_a_failed_control_are_violations() -> None:
    assert summarise([job(books="Failure", control="Success"), job(control="Failure")], [run(0, trade=[1, 0])])["violations"] == 2


def test_no_calls_are_no_campaign() -> None:
    assert summarise([job(books="Success")], [])["per_handler_min_share"] == 0
    assert summarise([job(books="Success")], [run(0, trade=[0, 5], deposit=[5, 0])])["per_handler_min_share"] == 0
