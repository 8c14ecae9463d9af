"""The verifier stands on its own: what it imports, and its mathematics on published numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mpmath import exp, log, mp, mpf, ncdf, sqrt

from scripts.anvil import ROOT
from scripts.verify_evidence import WAD, Event, EvidenceError, Ledger, _black76, _require_exact_deleveraging

CODE = """
import sys
import scripts.verify_evidence
own = [name for name in sys.modules if name.partition(".")[0] in ("keeper", "scripts", "brownie", "web3")]
print(*sorted(own))
"""


def test_imports_neither_keeper_nor_demo() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["scripts", "scripts.verify_evidence"]


def test_without_evidence_it_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.verify_evidence", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "run `make demo` first" in run.stderr


@pytest.mark.parametrize(("forward", "strike", "tenor", "rate", "vol"), [(19.0, 19.0, 0.75, 0.10, 0.28), (17.0, 19.0, 0.5, 0.0, 1.5)])
@pytest.mark.parametrize("call", [True, False])
def test_black76_by_50_digits(forward: float, strike: float, tenor: float, rate: float, vol: float, call: bool) -> None:
    with mp.workdps(50):
        F, K, T, r, v = map(mpf, (forward, strike, tenor, rate, vol))
        d1 = (log(F / K) + v * v * T / 2) / (v * sqrt(T))
        value = exp(-r * T) * (F * ncdf(d1) - K * ncdf(d1 - v * sqrt(T)))
        expected = float(value if call else value - exp(-r * T) * (F - K))
    assert _black76(forward, strike, tenor, rate, vol, call=call) == pytest.approx(expected, rel=1e-12)


def test_black76_at_a_published_number() -> None:
    """Haug, The Complete Guide to Option Pricing Formulas, 2nd ed., section 1.1.4: 1.7011 for call and put."""
    for call in (True, False):
        assert _black76(19.0, 19.0, 0.75, 0.10, 0.28, call=call) == pytest.approx(1.7011, abs=5e-5)


def test_an_event_that_does_not_follow_is_refused() -> None:
    ledger = Ledger()
    ledger.apply(Event(1, 0, "0x1", "CashChanged", "Ledger", (3, 0), (100, 100)))
    with pytest.raises(EvidenceError, match="says 151, the events before it 150"):
        ledger.apply(Event(2, 0, "0x2", "CashChanged", "Ledger", (3, 0), (50, 151)))


# --- deleveraging ---

OWED = 1_000
MINUS_OWED = 2**256 - OWED


def execution(haircuts: tuple[int, ...] = (600, 401), shared: int = 0, fund: int = 0, told: int = 1_001) -> list[Event]:
    """Account 3 owes 1,000 units; two counterparties are closed for it, one contract each, and the deficit ends."""
    where = (5, 0, "0x5")
    closes = [Event(*where, "Deleveraged", "Deleverager", (3, 7 + i, 0), (WAD, 1, 1, haircut)) for i, haircut in enumerate(haircuts)]
    losses = [Event(*where, "LossShared", "Ledger", (3, 0), (0, shared, 9, 0))] if shared else []
    executed = Event(*where, "Executed", "Deleverager", (3,), (MINUS_OWED, fund, told, shared, len(haircuts)))
    return [*closes, *losses, executed, Event(*where, "DeficitClosed", "Deleverager", (3,), (0, 0))]


@pytest.mark.parametrize(
    "events",
    [execution(), execution((600,), shared=200, fund=200, told=600), execution((501, 503), told=1_004)],
    ids=["one over", "three pay", "four over"],
)
def test_what_is_missing_and_a_unit_per_contract_and_close_may_be_taken(events: list[Event]) -> None:
    _require_exact_deleveraging(events)


@pytest.mark.parametrize(
    "events",
    [execution((501, 504), told=1_005), execution((500, 499), told=999), execution(told=1_000), execution(told=1_001)[1:]],
    ids=["too much", "too little", "not the sum", "a close is missing"],
)
def test_whatever_else_is_taken_is_found(events: list[Event]) -> None:
    with pytest.raises(EvidenceError, match="account 3"):
        _require_exact_deleveraging(events)
