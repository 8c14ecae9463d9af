"""Plans as contract calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.chain import Deployment
from keeper.deleveraging import Execute, Nominate, Open, Step
from keeper.execution.peers import SignedUpdate
from keeper.liquidation import Conversion, Cover, Flag, Liquidation, Plan, PlannedLeg

__all__ = [
    "BATCH",
    "EXECUTE",
    "NOMINATE",
    "OPEN",
    "SCOPE_TRADE",
    "Call",
    "Execution",
    "MemberResult",
    "Outcome",
    "batch_of",
    "call_of",
    "execution_of",
    "outcome_of",
    "results_of",
    "step_call",
]

LIQUIDATE = "liquidate"
OPEN, NOMINATE, EXECUTE = "open_deficit", "nominate", "deleverage"
"""Purposes of what is sent about deficits."""
BATCH = "LiquidationBatch"
SCOPE_TRADE = 1
"""Of an operator: ILedger.SCOPE_TRADE."""
_ANY_ROUND = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """purpose: what it is for, as the journal and the logs name it; account: whom it concerns, None where nobody; accounts: all of them
    where it concerns several."""

    to: str
    data: bytes
    purpose: str
    account: int | None
    accounts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """ILiquidator.Outcome, 1e18."""

    tier: int
    requirement_before: int
    requirement_after: int
    release: int
    discount: int
    payment: int
    fee: int
    fund_paid: int
    health_after: int


@dataclass(frozen=True, slots=True)
class Execution:
    """IDeleverager.Execution, 1e18; open: whether the deficit still is."""

    equity: int
    fund_paid: int
    haircut: int
    shared: int
    closes: int
    open: bool

    @property
    def is_idle(self) -> bool:
        """Nobody is closed and nothing paid: nobody holds anything that could bear the deficit, or another window opens first."""
        return self.open and not (self.closes or self.fund_paid or self.shared)


@dataclass(frozen=True, slots=True)
class MemberResult:
    """ILiquidationBatch.Result. outcome: None where the member was refused, for the `reason` (revert data)."""

    gas_used: int
    outcome: Outcome | None
    reason: bytes


def call_of(plan: Plan, deployment: Deployment, own_account: int, minimum_payment: int = 0) -> Call:
    """minimum_payment: the liquidation reverts where it would be paid less, USD 1e18."""
    liquidator = deployment.contract("Liquidator")
    if isinstance(plan, Liquidation):
        request = _request(plan, own_account, minimum_payment)
        if plan.further:
            data = liquidator.encode("liquidateThrough", request, _ANY_ROUND, _legs(plan.further))
        else:
            data = liquidator.encode("liquidate", request)
        return Call(liquidator.address, data, LIQUIDATE, plan.account)
    if isinstance(plan, Flag):
        return Call(liquidator.address, liquidator.encode("flag", plan.account, plan.witness.encode()), "flag", plan.account)
    if isinstance(plan, Conversion):
        arguments = (plan.account, own_account, plan.index, plan.quantity.raw, plan.limit.raw)
        if plan.legs:
            data = liquidator.encode("convertCollateralWithLegs", arguments, _legs(plan.legs))
        else:
            data = liquidator.encode("convertCollateral", *arguments)
        return Call(liquidator.address, data, "convert", plan.account)
    if isinstance(plan, Cover):
        return Call(liquidator.address, liquidator.encode("coverDeficit", plan.account), "cover", plan.account)
    raise TypeError(f"expected a plan, got {type(plan).__name__}")


def outcome_of(plan: Liquidation, deployment: Deployment, data: bytes) -> Outcome:
    """What the call of the plan returned: of its first liquidation, beside which there is a second only after a callback."""
    liquidator = deployment.contract("Liquidator")
    values: tuple[Any, ...] = liquidator.decode("liquidateThrough", data)[0] if plan.further else liquidator.decode("liquidate", data)
    return Outcome(*values)


def step_call(step: Step, deployment: Deployment) -> Call:
    """A nomination concerns the nominee: several for one deficit are under way at once."""
    deleverager, nominations = deployment.contract("Deleverager"), deployment.contract("Nominations")
    if isinstance(step, Open):
        return Call(deleverager.address, deleverager.encode("openDeficit", step.account), OPEN, step.account)
    if isinstance(step, Execute):
        return Call(deleverager.address, deleverager.encode("execute", step.account, step.closes), EXECUTE, step.account)
    if isinstance(step, Nominate):
        arguments = (step.instrument.pack(), step.account, step.witness.encode())
        return Call(nominations.address, nominations.encode("nominate", *arguments), NOMINATE, step.account)
    raise TypeError(f"expected a step, got {type(step).__name__}")


def execution_of(deployment: Deployment, data: bytes) -> Execution:
    """What `execute` returned."""
    values: tuple[Any, ...] = deployment.contract("Deleverager").decode("execute", data)
    return Execution(*values)


def batch_of(members: Sequence[tuple[Liquidation, int]], updates: Sequence[SignedUpdate], deployment: Deployment, own_account: int) -> Call:
    """Prices, if any, and liquidations in one transaction. members: each with its minimum payment, USD 1e18."""
    batch = deployment.contract(BATCH)
    requests = [_request(plan, own_account, minimum) for plan, minimum in members]
    data = batch.encode("liquidate", [item.update for item in updates], [list(item.signatures) for item in updates], requests)
    accounts = tuple(plan.account for plan, _ in members)
    return Call(batch.address, data, LIQUIDATE, accounts[0], accounts)


def results_of(deployment: Deployment, data: bytes) -> list[MemberResult]:
    """What a batch returned, by member."""
    listed: Sequence[tuple[Any, ...]] = deployment.contract(BATCH).decode("liquidate", data)
    return [MemberResult(gas, Outcome(*outcome) if done else None, reason) for done, gas, outcome, reason in listed]


def _request(plan: Liquidation, own_account: int, minimum_payment: int) -> tuple[Any, ...]:
    """ILiquidator.Liquidation"""
    return plan.account, own_account, _legs(plan.legs), plan.witness.encode(), minimum_payment, b""


def _legs(planned: Sequence[PlannedLeg]) -> list[tuple[int, int]]:
    """ILiquidator.LiquidationLeg[]"""
    return [(leg.instrument.pack(), leg.size.raw) for leg in planned]
