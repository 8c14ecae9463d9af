"""scripts/invariants: the campaign's figures from forge's results."""

from __future__ import annotations

from typing import Any

from scripts.invariants import summarise


def campaign(status: str = "Success", **handlers: tuple[int, int]) -> dict[str, Any]:
    metrics = {f"Books.{name}": {"calls": calls, "reverts": reverts, "discards": 0} for name, (calls, reverts) in handlers.items()}
    return {"status": status, "kind": {"Invariant": {"runs": 1, "metrics": metrics}}}


def results(**tests: dict[str, Any]) -> dict[str, Any]:
    return {"suite": {"test_results": tests}}


def test_counts_what_did_not_revert() -> None:
    found = results(
        books=campaign(trade=(100, 30), liquidate=(20, 15), deposit=(25, 0)), control={"status": "Success", "kind": {"Unit": {}}}
    )
    assert summarise(found, [{"drift": 3}, {"drift": 9}, {"drift": 0}]) == {
        "calls": 100,
        "reverted": 45,
        "liquidations": 5,
        "violations": 0,
        "max_drift_units": 9,
        "per_handler_min_share": 0.05,
    }


def test_a_broken_invariant_and_a_failed_control_are_violations() -> None:
    found = results(books=campaign("Failure", trade=(1, 0)), control={"status": "Failure", "kind": {"Unit": {}}})
    assert summarise(found, [])["violations"] == 2


def test_no_calls_are_no_campaign() -> None:
    assert summarise(results(books=campaign()), [])["per_handler_min_share"] == 0
    assert summarise(results(books=campaign(trade=(5, 5), deposit=(5, 0))), [])["per_handler_min_share"] == 0
