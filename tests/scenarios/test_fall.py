"""From deposits to verified liquidations: the fall, played with every process running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.demo.evidence import Evidence
from scripts.demo.play import play
from scripts.demo.story import Story
from scripts.demo.summary import BANKRUPT, FULL_THRESHOLD, failures, ledger_operations, summarise
from scripts.demo.world import World

LINE = {
    "accounts",
    "liquidated",
    "margin_calls",
    "bankrupt",
    "insurance_paid",
    "unallocated_deficit",
    "ledger_drift_units",
    "undermargined_left",
    "detect_to_inclusion_ms_p50",
    "detect_to_inclusion_ms_p99",
}


@pytest.fixture(scope="module")
def evidence(short_fall: Story, folder: Path) -> Evidence:
    with World(short_fall, folder, with_keeper=True) as world:
        return play(world)


def liquidated(evidence: Evidence) -> set[str]:
    names = {account: name for name, account in evidence.accounts.items()}
    return {names[r["args"]["account"]] for r in evidence.of("Liquidated")}


def test_every_promise_is_kept(evidence: Evidence) -> None:
    assert failures(evidence) == []


def test_line_has_the_agreed_figures(evidence: Evidence) -> None:
    line = summarise(evidence)
    assert set(line) == LINE
    assert json.loads(json.dumps(line)) == line
    assert line["accounts"] == len(evidence.accounts) >= 14
    assert line["margin_calls"] >= 4
    assert line["liquidated"] >= 4
    assert line["bankrupt"] >= 1
    assert line["insurance_paid"] > 0
    assert 0 < line["detect_to_inclusion_ms_p50"] <= line["detect_to_inclusion_ms_p99"]


def test_hedged_book_survives_in_portfolio_and_falls_in_cross(evidence: Evidence) -> None:
    fallen = liquidated(evidence)
    assert "Gus" not in fallen
    assert "Gwen" in fallen


def test_only_who_was_below_the_threshold_is_liquidated(evidence: Evidence) -> None:
    """Health before each liquidation, as the contract proved it, is below 1.05; covered and unlevered books are left alone."""
    assert all(r["args"]["healthBefore"] < 105 * 10**16 for r in evidence.of("Liquidated"))
    assert liquidated(evidence).isdisjoint({"Finn", "Hana", "Ivan", "Noa", "Omar", "maker", "keeper"})


def test_fund_pays_only_for_the_bankrupt(evidence: Evidence) -> None:
    bankrupt = {r["args"]["account"] for r in evidence.of("Liquidated") if r["args"]["tier"] == BANKRUPT}
    assert {r["args"]["account"] for r in evidence.of("Drawn", "InsuranceFund")} <= bankrupt


def test_bankrupt_account_ends_with_nothing_owed(evidence: Evidence) -> None:
    for record in evidence.of("Liquidated"):
        if record["args"]["tier"] == BANKRUPT:
            risk = evidence.risk(record["args"]["account"], evidence.last_block)
            assert risk is not None
            assert risk.equity >= 0
            assert risk.health >= FULL_THRESHOLD


def test_ledger_adds_up_within_its_roundings(evidence: Evidence) -> None:
    assert 0 <= evidence.totals["drift"] <= ledger_operations(evidence)
    assert evidence.totals["collateral"] == evidence.totals["collateral_recorded"]


def test_positions_sum_to_zero(evidence: Evidence) -> None:
    """INV-ZERO-SUM from the events alone: the last size of every position."""
    sizes: dict[tuple[int, int], int] = {}
    for record in evidence.of("PositionChanged", "Ledger"):
        a: dict[str, Any] = record["args"]
        sizes[a["instrument"], a["account"]] = a["size"]
    for instrument in {key[0] for key in sizes}:
        assert sum(size for (held, _), size in sizes.items() if held == instrument) == 0
