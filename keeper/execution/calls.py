"""Plans as contract calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keeper.chain import Deployment
from keeper.liquidation import Conversion, Cover, Flag, Liquidation, Plan

__all__ = ["Call", "Outcome", "call_of", "outcome_of"]


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


def call_of(plan: Plan, deployment: Deployment, own_account: int, minimum_payment: int = 0) -> Call:
    """minimum_payment: the liquidation reverts where it would be paid less, USD 1e18."""
    liquidator = deployment.contract("Liquidator")
    if isinstance(plan, Liquidation):
        legs = [(leg.instrument.pack(), leg.size.raw) for leg in plan.legs]
        argument = (plan.account, own_account, legs, plan.witness.encode(), minimum_payment, b"")
        return Call(liquidator.address, liquidator.encode("liquidate", argument), "liquidate", plan.account)
    if isinstance(plan, Flag):
        return Call(liquidator.address, liquidator.encode("flag", plan.account, plan.witness.encode()), "flag", plan.account)
    if isinstance(plan, Conversion):
        arguments = (plan.account, own_account, plan.index, plan.quantity.raw, plan.limit.raw)
        return Call(liquidator.address, liquidator.encode("convertCollateral", *arguments), "convert", plan.account)
    if isinstance(plan, Cover):
        return Call(liquidator.address, liquidator.encode("coverDeficit", plan.account), "cover", plan.account)
    raise TypeError(f"expected a plan, got {type(plan).__name__}")


def outcome_of(deployment: Deployment, data: bytes) -> Outcome:
    """What `liquidate` returned."""
    values: tuple[Any, ...] = deployment.contract("Liquidator").decode("liquidate", data)
    return Outcome(*values)
