"""The short form of `make chaos`: real processes, real nodes, a part of the faults; and the controls that must be caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.venue import Plan
from scripts.chaos.__main__ import play
from scripts.chaos.faults import FAULTS, kills, reorganisations

SHORT = ("rpc empty logs", "leader killed", "disk full", "database corrupted")


@pytest.fixture(scope="module")
def evidence(compiled: None, folder: Path) -> dict[str, Any]:
    faults = kills(2) + reorganisations([1, 7]) + [(name, fault) for name, fault in FAULTS if name in SHORT]
    return play(faults, folder / "chaos", Plan(96, 2, 48, 0))


def test_every_fault_is_survived(evidence: dict[str, Any]) -> None:
    summary = evidence["summary"]
    assert [row for row in evidence["rows"] if not row["recovered"]] == []
    assert summary["recovered"] == summary["faults"] == 2 + 2 + len(SHORT)
    assert (summary["lost"], summary["double_sent"]) == (0, 0)
    assert evidence["stale_sent"] == 0
    assert evidence["left"] == []


def test_the_other_keeper_takes_over_within_a_second(evidence: dict[str, Any]) -> None:
    assert 0.0 < evidence["summary"]["takeover_ms_max"] < 1000.0


def test_every_row_holds_what_it_claims(evidence: dict[str, Any]) -> None:
    for row in evidence["rows"]:
        assert row["chain_hash"] == row["keeper_hash"] != row["chain_hash_before"]
        assert row["nonce_after"] - row["nonce_before"] >= len(row["liquidated"]) > 0


def test_the_controls_are_caught(evidence: dict[str, Any]) -> None:
    assert evidence["controls_caught"] == {"no journal": True, "changed state": True, "no keeper": True}
