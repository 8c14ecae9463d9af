"""The control: an insurance fund without money, and nothing behind it, cannot pay what the gap leaves, and the demo says so with its exit
code. With deleveraging behind it the same fall ends with nothing missing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.anvil import ROOT
from scripts.demo.evidence import write_evidence
from scripts.demo.play import play
from scripts.demo.story import Story
from scripts.demo.summary import failures, summarise
from scripts.demo.world import World
from scripts.verify_evidence import differences

PATIENCE_S = 3.0
WAD = 10**18
FEES_COLLECTED = 7  # ILedger.CashReason


@pytest.fixture
def story(short_fall: Story) -> Story:
    """To the gap and no further."""
    return replace(short_fall, markets=short_fall.markets[:3], fund_usdc=0.0)


def test_bankrupt_accounts_are_left_without_a_fund(story: Story, folder: Path) -> None:
    with World(story, folder, with_keeper=True, deleverage=False) as world:
        evidence = play(world, patience=PATIENCE_S)
    line = summarise(evidence)
    # Fees are all it ever had, and all it could pay from.
    collected = sum(-r["args"]["change"] for r in evidence.of("CashChanged", "Ledger") if r["args"]["reason"] == FEES_COLLECTED)
    paid = sum(r["args"]["amount"] for r in evidence.of("Drawn", "InsuranceFund"))
    assert evidence.fund["first"] == 0
    assert evidence.fund["last"] == collected - paid
    assert line["insurance_paid"] == pytest.approx(paid / WAD, abs=1e-6)
    assert line["unallocated_deficit"] > 0
    assert line["undermargined_left"] > 0
    assert len(failures(evidence)) == 2
    assert not evidence.of("DeficitOpened")


def test_winners_pay_where_the_keeper_deleverages(story: Story, folder: Path) -> None:
    with World(story, folder, with_keeper=True) as world:
        evidence = play(world)
    assert evidence.fund["first"] == 0
    assert failures(evidence) == []
    opened = {r["args"]["account"]: -r["args"]["equity"] for r in evidence.of("DeficitOpened")}
    assert opened
    assert {r["args"]["account"] for r in evidence.of("DeficitClosed")} == set(opened)
    closes = evidence.of("Deleveraged")
    assert {r["args"]["account"] for r in closes} == set(opened)
    # Prices stand still behind the gap: the winners bear what was missing when it was opened, options' seconds aside.
    borne = sum(r["args"]["haircut"] for r in closes) + sum(r["args"]["amount"] for r in evidence.of("LossShared"))
    paid = sum(r["args"]["amount"] for r in evidence.of("Drawn", "InsuranceFund"))
    assert borne + paid == pytest.approx(sum(opened.values()), rel=1e-3)
    write_evidence(evidence, summarise(evidence), world.deployment, folder)
    recomputed, found = differences(folder / "evidence")
    assert found == []
    assert recomputed["unallocated_deficit"] == 0.0


@pytest.mark.parametrize(("name", "value"), [("CRASH", "mtgox-2014"), ("FUND", "1000"), ("KEEPER", "maybe"), ("ADL", "2")])
def test_a_switch_that_does_not_exist_is_refused(name: str, value: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.demo", "--folder", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, name: value}, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert f"{name}: expected" in run.stderr
    assert value in run.stderr
    assert not list(tmp_path.iterdir())
