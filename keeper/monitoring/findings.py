"""What needs doing, most urgent first: under-margined accounts by tier, debts, residues, open deficits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from keeper.monitoring.health import Assessment
from keeper.portfolio import HOUSE

__all__ = ["Finding", "Tier", "find"]


class Tier(IntEnum):
    """PARTIAL to BANKRUPT are the contract's tiers; the others are no liquidations."""

    DEBT = 0
    """Cash below the debt cap (below zero without positions) while margin stands: collateral can be converted."""
    PARTIAL = 1
    FULL = 2
    BANKRUPT = 3
    RESIDUE = 4
    """Negative equity and no positions: collateral is converted, the rest covered by the fund."""
    DEFICIT = 5
    """More than the fund may pay: the deficit is open, counterparties bear it (auto-deleveraging)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """account: id; health, equity and shortfall (maintenance - margin equity) in USD;
    urgency: what the insurance fund stands to lose in the account's worst scenario if nobody acts, USD."""

    account: int
    tier: Tier
    health: float
    equity: float
    shortfall: float
    urgency: float


def find(assessment: Assessment, exclude: frozenset[int] = frozenset()) -> list[Finding]:
    """Findings of all accounts but the house and `exclude` (the keeper's own), by falling urgency."""
    figures, rules = assessment.figures, assessment.rules
    found = []
    # Without positions any debt may be converted; what is less than a millionth of a dollar no token unit can express.
    debt_cap = np.where(figures.gross_notional > 0.0, rules.debt_cap, 1e-6)
    exposed = (figures.health < rules.partial_threshold) | (figures.equity < -1e-6) | (figures.cash < -debt_cap)
    opened = assessment.state.deficits.open
    if opened:
        # Whatever became of it since: it is closed by an execution and by nothing else.
        exposed |= np.isin(figures.account_id, np.fromiter(opened, dtype=np.int64, count=len(opened)))
    shortfall = figures.shortfall
    for row in np.flatnonzero(exposed):
        account = int(figures.account_id[row])
        if account == HOUSE or account in exclude:
            continue
        health, equity, notional = float(figures.health[row]), float(figures.equity[row]), float(figures.gross_notional[row])
        tier = Tier.DEFICIT if account in opened else _tier(health, equity, notional, rules.full_threshold, rules.partial_threshold)
        found.append(
            Finding(
                account=account,
                tier=tier,
                health=health,
                equity=equity,
                shortfall=float(shortfall[row]),
                urgency=float(figures.initial[row]) - equity,
            )
        )
    return sorted(found, key=lambda finding: (-finding.urgency, finding.account))


def _tier(health: float, equity: float, notional: float, full: float, partial: float) -> Tier:
    if notional == 0.0:
        return Tier.RESIDUE if equity < 0.0 else Tier.DEBT
    if equity < 0.0:
        return Tier.BANKRUPT
    if health < full:
        return Tier.FULL
    return Tier.PARTIAL if health < partial else Tier.DEBT
