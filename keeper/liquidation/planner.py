"""Which legs, how much: the least turnover that brings an account to its target health, inside the contract's limits.

Candidates are sets of legs that a hedged book may lose without being left naked: each leg alone, all legs of an expiry, of
an underlying, of the account, and the sets that a greedy choice by health gained per turnover builds. Each candidate is
scaled to the smallest share that reaches the target (found for all candidates at once); the cheapest wins. Closing
everything in proportion keeps every hedge but that of collateral, which stays: sets in one underlying leave it alone.

These are float64 estimates. The contract is asked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.liquidation.conversions import Conversions
from keeper.liquidation.plan import Conversion, Flag, Liquidation, Plan, PlannedLeg, parts
from keeper.liquidation.room import OWN_SCALES, Room
from keeper.liquidation.trials import Trials, Verdicts
from keeper.margin import Witness, witness
from keeper.model import Account, Wad
from keeper.monitoring import Assessment, Finding, Tier
from keeper.portfolio import Rules

__all__ = ["Costs", "Planner"]

Floats = NDArray[np.float64]

_BELOW_TARGET = 0.005
"""How far below the target health a plan aims: room for the price to move until inclusion."""
_SPARE = 0.01
"""Share of the close factor kept free, for the same reason."""
_LEAST_RELEASE = 1e-4
"""Share of the requirement below which legs are not worth a transaction."""
_STEPS = np.linspace(1.0 / 16.0, 1.0, 16)
_REFINEMENTS = 3
"""Rounds of 16 steps: the share is found to 1 in 4,096."""
_GREEDY_STEPS = 6
_BRINK = 0.5
"""Health below which an account may be bankrupt one price later."""


@dataclass(frozen=True, slots=True)
class Costs:
    """unwind_rate: share of notional that working inventory down costs (spread and fees); gas: USD per liquidation;
    minimum_profit: USD, None where solvency comes first whatever it costs."""

    unwind_rate: float
    gas: float
    minimum_profit: float | None


class Planner:
    """Plans of one round: what earlier plans of the round add to the keeper's own book counts against later ones.

    own_account: who takes the legs; None plans for anybody, whose margin and cash are not asked. conversion_discount: as
    `Conversions` takes it.
    """

    def __init__(
        self,
        assessment: Assessment,
        own_account: int | None,
        costs: Costs,
        conversion_discount: Callable[[int], float] | None = None,
    ) -> None:
        self._assessment = assessment
        self._room = None if own_account is None else Room(assessment, own_account)
        self._costs = costs
        self._conversions = Conversions(assessment, self._room, conversion_discount)

    def plan(self, finding: Finding, discount: float) -> Plan | None:
        """discount: share of the release that the contract pays now.

        None where nothing can be done now: the keeper's own margin is used up, or a debt without collateral stands behind
        open positions.
        """
        account = self._assessment.state.accounts[finding.account]
        if finding.tier is Tier.DEFICIT:
            return None  # keeper.deleveraging
        if finding.tier in (Tier.DEBT, Tier.RESIDUE):
            return self._conversions.plan(account)
        alone = self._assessment.alone(finding.account)
        trials = Trials(self._assessment, alone)
        proof = witness(alone, 0)
        rules = self._assessment.rules
        if finding.tier is Tier.BANKRUPT or trials.maintenance < rules.small_account:
            chosen: Floats | None = np.ones(len(trials.sizes))
        else:
            chosen = _cheapest(trials, finding.tier, discount, rules)
        fitted = None if chosen is None else self._fit(trials, chosen, account)
        if fitted is None:
            return self._instead(finding, account, proof)
        legs, fractions = fitted
        verdict = trials.close(fractions[None, :], discount, rules)
        turnover = float(verdict.turnover[0])
        payment = float(verdict.payment[0])
        if finding.tier is Tier.BANKRUPT:
            payment = _bankrupt_payment(verdict, rules)
        profit = payment - self._costs.unwind_rate * turnover - self._costs.gas
        if self._costs.minimum_profit is not None and profit < self._costs.minimum_profit:
            return None
        plan = Liquidation(account.id, finding.tier, legs, proof, payment, float(verdict.health[0]), turnover, profit)
        further = self._further(finding, legs, account)
        if not further:
            return plan
        whole = trials.close(np.ones((1, len(trials.sizes))), 0.0, rules)
        return replace(plan, further=further, through_payment=_bankrupt_payment(whole, rules))

    def _further(self, finding: Finding, legs: Sequence[PlannedLeg], account: Account) -> tuple[PlannedLeg, ...]:
        """What `legs` leave of a book on the brink, if the keeper can take all of it; others are told of the legs alone."""
        if self._room is None or finding.tier is not Tier.FULL or finding.health >= _BRINK:
            return ()
        taken = {leg.instrument: leg.size.raw for leg in legs}
        left = {instrument: position.size.raw - taken.get(instrument, 0) for instrument, position in account.positions.items()}
        further = tuple(PlannedLeg(instrument, Wad(size)) for instrument, size in left.items() if size)
        whole = [PlannedLeg(instrument, position.size) for instrument, position in account.positions.items()]
        return further if self._room.bears([leg.leg for leg in whole]) else ()

    def _instead(self, finding: Finding, account: Account, proof: Witness) -> Plan | None:
        """Where no legs help or fit: collateral out of a debt (a covered call whose spot is the risk), or the clock."""
        if account.cash.to_float() < -self._assessment.rules.debt_cap:
            conversion = self._conversions.plan(account)
            if conversion is not None:
                return conversion
        return Flag(account.id, proof) if finding.tier is not Tier.PARTIAL and self._needs_flag(account.id) else None

    def accept(self, plan: Plan) -> None:
        """The plan was sent: its legs are the keeper's from now on, as far as later plans are concerned."""
        if self._room is None:
            return
        if isinstance(plan, Liquidation):
            self._room.take([leg.leg for leg in plan.legs], plan.payment)
        elif isinstance(plan, Conversion):
            self._room.take([leg.leg for leg in plan.legs], -plan.limit.to_float())

    # --- liquidations ---

    def _needs_flag(self, account: int) -> bool:
        started = self._assessment.state.clocks.get(account)
        return started is None or self._assessment.block.time - started > self._assessment.rules.clock_expiry

    def _fit(self, trials: Trials, fractions: Floats, account: Account) -> tuple[tuple[PlannedLeg, ...], Floats] | None:
        """The largest share of `fractions` that the keeper's own account can take on, as exact legs."""
        for share in OWN_SCALES:
            scaled = fractions * share
            legs = parts(account, trials.instruments, scaled.tolist())
            if legs and (self._room is None or self._room.bears([leg.leg for leg in legs])):
                return legs, scaled
        return None


def _bankrupt_payment(verdict: Verdicts, rules: Rules) -> float:
    """Of the first closing, in tier BANKRUPT, USD."""
    return min(rules.bankrupt_reward * float(verdict.turnover[0]), rules.liquidation_fee * float(verdict.release[0]))


def _cheapest(trials: Trials, tier: Tier, discount: float, rules: Rules) -> Floats | None:
    """Fractions [n] of the best candidate; None where no legs improve the account (its risk is its collateral)."""
    aim = rules.target_health - _BELOW_TARGET
    least = (trials.maintenance - trials.long_options) * (1.0 - rules.close_factor * (1.0 - _SPARE)) if tier is Tier.PARTIAL else 0.0

    def allowed(verdicts: Verdicts) -> NDArray[np.bool_]:
        """Within the contract's limits: something is released, neither too much nor dust is left."""
        healthy = np.where(verdicts.nothing_else, verdicts.free <= rules.small_reward, verdicts.health <= aim)
        stays = (verdicts.binding >= least) & (verdicts.maintenance >= 2.0 * rules.small_reward)
        return np.asarray((verdicts.release > 0.0) & healthy & stays)

    candidates = _candidates(trials, discount, rules)
    count, rows = len(candidates), np.arange(len(candidates))
    low, width = np.zeros(count), 1.0
    for _ in range(_REFINEMENTS):
        # Health rises with the share, up to where the limits bite: the last share allowed in a row from the start, then
        # the same again inside the step that follows it.
        shares = low[:, None] + width * _STEPS[None, :]
        grid = (shares[:, :, None] * candidates[:, None, :]).reshape(-1, len(trials.sizes))
        ok = allowed(trials.close(grid, discount, rules)).reshape(shares.shape) & (shares <= 1.0)
        streak = np.argmin(np.concatenate([ok, np.zeros((count, 1), dtype=np.bool_)], axis=1), axis=1)
        low = np.where(streak > 0, shares[rows, np.maximum(streak - 1, 0)], low)
        width *= float(_STEPS[0])
    final = trials.close(low[:, None] * candidates, discount, rules)
    usable = allowed(final) & (final.release > _LEAST_RELEASE * trials.maintenance)
    if not usable.any():
        return None
    # Reached: as healthy as the limits allow (the aim, or the close factor used up).
    goal = min(aim, float(final.health[usable].max())) - 0.01
    reached = usable & (final.health >= goal)
    best = int(np.flatnonzero(reached)[np.argmin(final.turnover[reached])])
    return np.asarray(low[best] * candidates[best])


def _candidates(trials: Trials, discount: float, rules: Rules) -> Floats:
    """Distinct 0/1 rows [K, n]."""
    count = len(trials.sizes)
    rows = [np.ones(count), *np.eye(count)]
    underlyings = np.array([instrument.underlying for instrument in trials.instruments])
    expiries = np.array([instrument.expiry for instrument in trials.instruments])
    rows += [(underlyings == u).astype(float) for u in np.unique(underlyings)]
    rows += [((underlyings == u) & (expiries == e)).astype(float) for u in np.unique(underlyings) for e in np.unique(expiries)]
    chosen = np.zeros(count)
    for _ in range(min(_GREEDY_STEPS, count - 1)):
        # One leg more: which one gains the most health-relevant surplus per turnover?
        open_legs = np.flatnonzero(chosen == 0.0)
        trial = np.repeat(chosen[None, :], len(open_legs), axis=0)
        trial[np.arange(len(open_legs)), open_legs] = 1.0
        verdicts = trials.close(trial, discount, rules)
        gain = np.where(np.isfinite(verdicts.health), verdicts.release - verdicts.payment - verdicts.fee, 0.0)
        chosen = trial[int(np.argmax(gain / np.maximum(verdicts.turnover, 1e-9)))]
        rows.append(chosen)
    kept = np.unique(np.array(rows), axis=0)
    return np.asarray(kept[kept.any(axis=1)])
