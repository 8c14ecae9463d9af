"""scripts/invariants: the campaign's figures from forge's results, the runs' own lines and the chunks played before."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import invariants
from scripts.invariants import next_seed, row_of, summarise


def run(drift: int, code: str = "0xaa", **played: list[int]) -> dict[str, Any]:
    return {"drift": drift, "drifting": 100, "code": code, "liquidations": played.get("liquidate", [0])[0], "handlers": played}


def test_a_row_counts_what_did_not_revert_over_all_runs() -> None:
    runs = [run(3, trade=[40, 10], liquidate=[2, 15], deposit=[25, 0]), run(9, trade=[30, 20], liquidate=[3, 0], deposit=[0, 0])]
    row = row_of(7, 0, runs)
    assert (row["code"], row["seed"], row["calls"], row["reverted"], row["liquidations"]) == ("0xaa", 7, 100, 45, 5)
    assert row["handlers"] == {"trade": [70, 30], "liquidate": [5, 15], "deposit": [25, 0]}
    assert (row["violations"], row["drift"]) == (0, 9)


def test_shares_come_from_the_sums_over_chunks() -> None:
    rows = [
        row_of(1, 0, [run(3, trade=[99, 10], liquidate=[1, 15])]),
        row_of(2, 0, [run(1, trade=[0, 10], liquidate=[100, 5])]),
    ]
    assert summarise(rows) == {
        "calls": 200,
        "reverted": 40,
        "liquidations": 101,
        "violations": 0,
        "max_drift_units": 3,
        "per_handler_min_share": 0.495,
    }


def test_a_broken_invariant_is_a_violation() -> None:
    rows = [row_of(1, 1, [run(0, trade=[1, 0])]), row_of(2, 0, [run(0, trade=[1, 0])])]
    assert summarise(rows)["violations"] == 1


def test_no_calls_are_no_campaign() -> None:
    assert summarise([])["per_handler_min_share"] == 0
    assert summarise([row_of(1, 0, [run(0, trade=[0, 5], deposit=[5, 0])])])["per_handler_min_share"] == 0


def test_a_campaign_goes_on_with_the_chunks_of_the_same_byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "campaign.jsonl"
    monkeypatch.setattr(invariants, "CAMPAIGN", log)
    assert invariants.played("0xaa") == []
    rows = [row_of(seed, 0, [run(0, code, trade=[10, 0])]) for seed, code in ((5, "0xaa"), (6, "0xbb"))]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"code": "0xaa", "calls": 9')  # the last one cut short
    assert invariants.played("0xaa") == rows[:1]
    assert next_seed(5, [row["seed"] for row in invariants.played("0xaa")]) == 6
    assert next_seed(5, [6, 7]) == 5


def test_a_violation_in_a_handler_ends_the_campaign_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control of the whole path: a ledger that loses cash, found inside a handler, through forge to the exit code."""
    reports = invariants.REPORTS / "control"
    monkeypatch.setattr(invariants, "REPORTS", reports)
    monkeypatch.setattr(invariants, "CAMPAIGN", reports / "campaign.jsonl")
    monkeypatch.setenv("CAMPAIGN_LEAK", "toll")
    monkeypatch.setattr(sys, "argv", ["invariants", "--calls", "100000", "--runs", "1", "--depth", "8", "--jobs", "1", "--fresh"])
    assert invariants.main() == 1
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["violations"] == 1
    assert "InvariantBroken" in err
