"""Present accounts in markets that may come: shocks and paths of prices and vols, with nobody acting in between.

What it tells is the size of a fall before it happens: who would be called, who liquidated, what the fund would stand to lose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.errors import SimulationError
from keeper.model import Market
from keeper.monitoring import Assessment, Finding, find
from keeper.portfolio import State

__all__ = ["ShockStep", "interpolated", "shocked_market", "simulate"]


@dataclass(frozen=True, slots=True)
class ShockStep:
    """factors: price over today's price by underlying; vol: vol over today's; tiers: accounts by liquidation tier; called: accounts below
    the health of a margin call, those included; shortfall: maintenance that is missing; deficit: negative equity; urgency: loss of the fund
    in worst scenarios from here, all USD; fallen: accounts that were fine a step before."""

    name: str
    factors: Mapping[int, float]
    vol: float
    called: int
    tiers: Mapping[str, int]
    shortfall: float
    deficit: float
    urgency: float
    fallen: tuple[int, ...]
    findings: tuple[Finding, ...]


def shocked_market(state: State, market: Market, factors: Mapping[int, float], vol: float = 1.0) -> Market:
    """`market` with prices times `factors` (tokens priced by an underlying move with it) and vols times `vol`. Raises SimulationError
    for underlyings that are not quoted and numbers that are not positive."""
    if not vol > 0.0:
        raise SimulationError(f"vol: expected a factor > 0, got {vol}")
    for underlying, factor in factors.items():
        if underlying not in market.underlyings or not factor > 0.0:
            raise SimulationError(f"shock: expected a factor > 0 of one of {sorted(market.underlyings)}, got {underlying}: {factor}")
        tokens = tuple(
            state.tokens.get(index, f"token {index}")
            for index in state.table.collateral_indices()
            if state.table.price_underlying(index) == underlying
        )
        market = market.moved(underlying, factor, tokens)
    if vol == 1.0:
        return market
    # Total variance is quadratic in vol, and linear in a and b.
    scaled = {
        index: replace(
            each,
            expiries=tuple(
                expiry if expiry.svi is None else replace(expiry, svi=replace(expiry.svi, a=expiry.svi.a * vol**2, b=expiry.svi.b * vol**2))
                for expiry in each.expiries
            ),
        )
        for index, each in market.underlyings.items()
    }
    return replace(market, underlyings=scaled)


def interpolated(factors: Mapping[int, float], vol: float, steps: int) -> Iterator[tuple[str, Mapping[int, float], float]]:
    """From today (excluded) to the shock in equal steps of the exponent."""
    if steps < 1:
        raise SimulationError(f"steps: expected at least 1, got {steps}")
    for step in range(1, steps + 1):
        share = step / steps
        yield f"{share:.0%}", {underlying: factor**share for underlying, factor in factors.items()}, vol**share


def simulate(
    assessment: Assessment,
    path: Iterable[tuple[str, Mapping[int, float], float]],
    call_health: float,
    exclude: frozenset[int] = frozenset(),
) -> Iterator[ShockStep]:
    """One step per (name, factors, vol) of `path`, each from today's prices. call_health: below which a margin call is raised;
    exclude: accounts that are nobody's to liquidate."""
    before = {finding.account for finding in find(assessment, exclude)}
    priced = {number: account for number, account in assessment.state.accounts.items() if number not in assessment.unpriced}
    state = replace(assessment.state, accounts=priced)
    for name, factors, vol in path:
        market = shocked_market(state, assessment.market, factors, vol)
        moved = Assessment.whole(assessment.block, state, market, assessment.parameters, assessment.rules)
        findings = find(moved, exclude)
        health = moved.health(below=call_health)
        yield ShockStep(
            name=name,
            factors=dict(factors),
            vol=vol,
            called=len({*health, *(finding.account for finding in findings)} - exclude - {0}),
            tiers=_tiers(findings),
            shortfall=sum(max(0.0, finding.shortfall) for finding in findings),
            deficit=sum(max(0.0, -finding.equity) for finding in findings),
            urgency=sum(max(0.0, finding.urgency) for finding in findings),
            fallen=tuple(finding.account for finding in findings if finding.account not in before),
            findings=tuple(findings),
        )
        before = {finding.account for finding in findings}


def _tiers(findings: Sequence[Finding]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.tier.name] = counts.get(finding.tier.name, 0) + 1
    return counts
