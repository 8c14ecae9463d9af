"""The demo's last line and its promises, from the evidence and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scripts.demo.evidence import Evidence, Step

__all__ = [
    "BANKRUPT",
    "FULL_THRESHOLD",
    "INT256_MAX",
    "MARGIN_CALL",
    "PARTIAL_THRESHOLD",
    "failures",
    "first_liquidations",
    "latencies",
    "ledger_operations",
    "margin_calls",
    "percentile",
    "summarise",
]

WAD = 10**18
MARGIN_CALL = 125 * WAD // 100
PARTIAL_THRESHOLD = 105 * WAD // 100
FULL_THRESHOLD = WAD
BANKRUPT = 3  # ILiquidator.Tier
INT256_MAX = 2**255 - 1


def summarise(evidence: Evidence) -> dict[str, Any]:
    """The demo's last line. Money in USD, `ledger_drift_units` in 1e-18 USD, latencies in milliseconds of wall time.

    margin_calls: accounts whose health passed below 1.25 at a step; undermargined_left: accounts with health < 1.00 at the last block;
    unallocated_deficit: negative equity of all accounts then; detect_to_inclusion: from the block with the price update that brought an
    account below 1.05, where liquidation may begin, to the block of its first liquidation, both as the observer saw them.
    """
    final = evidence.risks[evidence.last_block]
    liquidations = evidence.of("Liquidated")
    waits = sorted(latencies(evidence).values())
    return {
        "accounts": len(evidence.of("AccountOpened")),
        "liquidated": len({r["args"]["account"] for r in liquidations}),
        "margin_calls": len(margin_calls(evidence)),
        "bankrupt": len({r["args"]["account"] for r in liquidations if r["args"]["tier"] == BANKRUPT}),
        "insurance_paid": round(sum(r["args"]["amount"] for r in evidence.of("Drawn", "InsuranceFund")) / WAD, 6),
        "unallocated_deficit": round(sum(max(0, -risk.equity) for risk in final) / WAD, 6),
        "ledger_drift_units": evidence.totals["drift"],
        "undermargined_left": sum(risk.health < FULL_THRESHOLD or not risk.ok for risk in final),
        "detect_to_inclusion_ms_p50": percentile(waits, 0.50),
        "detect_to_inclusion_ms_p99": percentile(waits, 0.99),
    }


def failures(evidence: Evidence) -> list[str]:
    """Why the demo must not exit with 0; empty when every promise was kept."""
    summary = summarise(evidence)
    found = []
    if summary["undermargined_left"]:
        found.append(f"{summary['undermargined_left']} accounts are left with health below 1.00")
    if deficit := sum(max(0, -risk.equity) for risk in evidence.risks[evidence.last_block]):
        found.append(f"a deficit of {deficit / WAD:,.2f} USD is not allocated")
    drift, operations = evidence.totals["drift"], ledger_operations(evidence)
    if not 0 <= drift <= operations:
        found.append(f"INV-LEDGER: the drift is {drift}, expected 0 to {operations} (operations)")
    if evidence.totals["collateral"] != evidence.totals["collateral_recorded"]:
        found.append(f"INV-COLLATERAL: balances {evidence.totals['collateral']}, recorded {evidence.totals['collateral_recorded']}")
    return found


def ledger_operations(evidence: Evidence) -> int:
    """Roundings that INV-LEDGER allows, one each: changes of cash and positions."""
    return len(evidence.of("CashChanged", "Ledger")) + len(evidence.of("PositionChanged", "Ledger"))


def margin_calls(evidence: Evidence) -> dict[int, Step]:
    """Account -> the first step at which its health passed below 1.25."""
    calls: dict[int, Step] = {}
    for step in evidence.steps:
        for after in evidence.risks[step.block]:
            before = evidence.risk(after.account, step.before)
            if before is not None and before.health >= MARGIN_CALL > after.health:
                calls.setdefault(after.account, step)
    return calls


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank of ascending values, to 0.1; None of nothing."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else None


def latencies(evidence: Evidence) -> dict[int, float]:
    """Account -> milliseconds from the price that made it liquidatable to its first liquidation."""
    price_blocks = sorted({r["block"] for r in evidence.of("MarketUpdated")})
    found: dict[int, float] = {}
    for account, liquidated in first_liquidations(evidence).items():
        trigger = None
        for block in reversed([b for b in price_blocks if b < liquidated]):
            risk = evidence.reading(account, block)
            if risk is None or risk.health >= PARTIAL_THRESHOLD:
                break
            trigger = block
        if trigger is not None:
            found[account] = (evidence.seen[liquidated] - evidence.seen[trigger]) / 1e6
    return found


def first_liquidations(evidence: Evidence) -> dict[int, int]:
    """Account -> block of its first liquidation."""
    first: dict[int, int] = {}
    for record in evidence.of("Liquidated"):
        first.setdefault(record["args"]["account"], record["block"])
    return first
