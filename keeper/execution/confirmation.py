"""Contract truth decides: every plan is tried by eth_call before it is sent, and made smaller where the contract says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.chain import ChainPort, Deployment
from keeper.errors import RevertError
from keeper.execution.calls import Call, Outcome, call_of, outcome_of
from keeper.liquidation import Liquidation, Plan
from keeper.model import WAD
from keeper.monitoring import Finding, Tier
from keeper.portfolio import Rules

__all__ = ["Confirmation", "Confirmed", "Refusal", "Refused"]

_ATTEMPTS = 8


class Refusal(StrEnum):
    """What to do about it."""

    STALE = "stale prices"  # relay newer ones, then try again
    HEALTHY = "not liquidatable"  # nothing: float64 and contract differ by a hair, or it was done already
    CAPACITY = "own margin used up"  # work inventory down first
    OTHER = "refused"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The plan as the contract accepts it. outcome: of a liquidation, else None; gas: limit to send it with."""

    plan: Plan
    call: Call
    outcome: Outcome | None
    gas: int


@dataclass(frozen=True, slots=True)
class Refused:
    """error: the contract's, with its numbers."""

    plan: Plan
    refusal: Refusal
    error: RevertError


class Confirmation:
    """Asks as `sender` would send."""

    def __init__(self, port: ChainPort, deployment: Deployment, sender: str, own_account: int, gas_limit: int) -> None:
        self._port = port
        self._deployment = deployment
        self._sender = sender
        self._own_account = own_account
        self._gas_limit = gas_limit
        self._known_gas: dict[tuple[type[Plan], int], int] = {}

    def confirm(self, plan: Plan) -> Confirmed | Refused:
        """Raises ChainError where the node does not answer."""
        current: Plan = plan
        refused: Refused | None = None
        for _ in range(_ATTEMPTS):
            call = call_of(current, self._deployment, self._own_account)
            shape = (type(current), len(getattr(current, "legs", ())))
            gas = self._known_gas.get(shape)
            try:
                data = self._port.call(call.to, call.data, sender=self._sender, gas=gas or self._gas_limit)
                if gas is None:
                    # An estimate costs the node ten calls. What was enough for as many legs is tried first from now on.
                    gas = self._known_gas[shape] = self.gas_of(call)
            except RevertError as error:
                if gas is not None and not error.name:
                    del self._known_gas[shape]  # no reason given: out of gas, most likely
                    continue
                refused = Refused(current, _REFUSALS.get(error.name, Refusal.OTHER), error)
                smaller = _smaller(current, error)
                if smaller is None:
                    return refused
                current = smaller
                continue
            outcome = outcome_of(self._deployment, data) if isinstance(current, Liquidation) else None
            if outcome is not None:
                # Half of what was simulated protects against a trap, and lets a moving price pass.
                call = call_of(current, self._deployment, self._own_account, outcome.payment // 2)
            return Confirmed(current, call, outcome, gas)
        if refused is None:
            raise AssertionError("the loop ends by a return or a refusal")
        return refused

    def discount_of(self, finding: Finding, rules: Rules) -> float:
        """Share of the release that liquidating the account would be paid now; a Dutch clock's is the contract's to tell."""
        if finding.tier is not Tier.FULL:
            return rules.partial_discount if finding.tier is Tier.PARTIAL else 0.0
        liquidator = self._deployment.contract("Liquidator")
        data = self._port.call(liquidator.address, liquidator.encode("discountNow", finding.account))
        return int(liquidator.decode("discountNow", data)) / WAD

    def gas_of(self, call: Call) -> int:
        """A limit with room to spare: what is included before it makes the keeper's own book larger, and that costs gas to
        margin. Raises RevertError."""
        return min(self._gas_limit, 2 * self._port.estimate_gas(call.to, call.data, self._sender))


_REFUSALS = {
    "StalePrice": Refusal.STALE,
    "MissingPrice": Refusal.STALE,
    "NotLiquidatable": Refusal.HEALTHY,
    "HealthNotBelow": Refusal.HEALTHY,
    "NoDebt": Refusal.HEALTHY,
    "NoDeficit": Refusal.HEALTHY,
    "LiquidatorUnderMargined": Refusal.CAPACITY,
    "BuyerInDebt": Refusal.CAPACITY,
}

# How much smaller after which error: a price that moved asks for little, missing margin for much.
_SHARES = {"TooMuch": 0.9, "LiquidatorUnderMargined": 0.5, "DeficitExceedsFund": 0.5}


def _smaller(plan: Plan, error: RevertError) -> Plan | None:
    share = _SHARES.get(error.name)
    if share is None or not isinstance(plan, Liquidation):
        return None
    if error.name == "DeficitExceedsFund" and not error.arguments.get("available"):
        return None
    return plan.scaled(share)
