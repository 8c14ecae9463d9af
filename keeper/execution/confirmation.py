"""Contract truth decides: every plan is tried by eth_call before it is sent, and made smaller where the contract says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.chain import ChainPort, Deployment
from keeper.errors import RevertError
from keeper.execution.calls import Call, Outcome, batch_of, call_of, outcome_of, results_of
from keeper.execution.peers import SignedUpdate
from keeper.liquidation import Liquidation, Plan
from keeper.model import WAD
from keeper.monitoring import Finding, Tier
from keeper.portfolio import Rules

__all__ = ["Confirmation", "Confirmed", "ConfirmedBatch", "Refusal", "Refused"]

_ATTEMPTS = 8
_MEMBER_GAS = 1_000_000.0
"""Of one liquidation, until a simulation told."""
_BATCH_GAS = 150_000
_UPDATE_GAS = 600_000
"""Of one underlying's prices with its expiries, signatures included: none was ever dearer (snapshots/gas.json)."""
_SPARE_GAS = 1.25
"""What is included before may make the keeper's own book larger, and that costs gas to margin."""
_MOST_MEMBERS = 32
_SMOOTHING = 0.1
_GAS_PER_FURTHER_LEG = 300_000
"""Of legs that are not taken as long as the account is solvent, so that no simulation tells."""


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


@dataclass(frozen=True, slots=True)
class ConfirmedBatch:
    """members: with what each would do, in order; call: those alone; refused: the others; unasked: those for which the gas did
    not last."""

    members: tuple[tuple[Liquidation, Outcome], ...]
    call: Call | None
    gas: int
    refused: tuple[Refused, ...]
    unasked: tuple[Liquidation, ...]


class Confirmation:
    """Asks as `sender` would send."""

    def __init__(self, port: ChainPort, deployment: Deployment, sender: str, own_account: int, gas_limit: int) -> None:
        self._port = port
        self._deployment = deployment
        self._sender = sender
        self._own_account = own_account
        self._gas_limit = gas_limit
        self._known_gas: dict[tuple[type[Plan], int], int] = {}
        self._member_gas = _MEMBER_GAS

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
            if not isinstance(current, Liquidation):
                return Confirmed(current, call, None, gas)
            outcome = outcome_of(current, self._deployment, data)
            # Half of what was simulated protects against a trap, and lets a moving price pass.
            minimum = outcome.payment // 2
            if current.further:
                minimum = min(minimum, int(current.through_payment / 2.0 * WAD))
                gas = min(self._gas_limit, gas + _GAS_PER_FURTHER_LEG * len(current.further))
            return Confirmed(current, call_of(current, self._deployment, self._own_account, minimum), outcome, gas)
        if refused is None:
            raise AssertionError("the loop ends by a return or a refusal")
        return refused

    @property
    def members(self) -> int:
        """How many liquidations fit into one transaction, as far as those before tell."""
        return max(1, min(_MOST_MEMBERS, int(self._gas_limit / _SPARE_GAS / self._member_gas)))

    def confirm_batch(self, plans: Sequence[Liquidation], updates: Sequence[SignedUpdate]) -> ConfirmedBatch:
        """One simulation for all; what refuses one of them leaves the others. Raises ChainError, RevertError where the contract
        takes no batch of this sender's at all."""
        asked = batch_of([(plan, 0) for plan in plans], updates, self._deployment, self._own_account)
        results = results_of(self._deployment, self._port.call(asked.to, asked.data, sender=self._sender, gas=self._gas_limit))
        done: list[tuple[Liquidation, Outcome]] = []
        refused: list[Refused] = []
        unasked: list[Liquidation] = []
        gas = _BATCH_GAS + _UPDATE_GAS * len(updates)
        for place, (plan, result) in enumerate(zip(plans, results, strict=True)):
            if result.outcome is not None:
                self._member_gas += (result.gas_used - self._member_gas) * _SMOOTHING
                if _SPARE_GAS * (gas + result.gas_used) > self._gas_limit:
                    unasked.append(plan)
                    continue
                done.append((plan, result.outcome))
                gas += result.gas_used
            elif place > 0 and not result.reason:
                unasked.append(plan)  # the gas was used up by those before it, most likely
            else:
                error = self._deployment.contract("Liquidator").errors.explain(result.reason)
                refused.append(Refused(plan, _REFUSALS.get(error.name, Refusal.OTHER), error))
        call = None
        if done:
            minimums = [(plan, outcome.payment // 2) for plan, outcome in done]  # as for one alone
            call = batch_of(minimums, updates, self._deployment, self._own_account)
        return ConfirmedBatch(tuple(done), call, int(_SPARE_GAS * gas), tuple(refused), tuple(unasked))

    def discount_of(self, finding: Finding, rules: Rules, *, flagged: bool) -> float:
        """Share of the release that liquidating the account would be paid now. flagged: its Dutch clock was ever started, and
        what that says now is the contract's to tell."""
        if finding.tier is not Tier.FULL:
            return rules.partial_discount if finding.tier is Tier.PARTIAL else 0.0
        if not flagged:
            return rules.dutch_discount_start
        liquidator = self._deployment.contract("Liquidator")
        data = self._port.call(liquidator.address, liquidator.encode("discountNow", finding.account))
        return int(liquidator.decode("discountNow", data)) / WAD

    def conversion_discount(self, account: int) -> float:
        """Share of its price by which a conversion of the account's collateral would be cheaper now."""
        liquidator = self._deployment.contract("Liquidator")
        data = self._port.call(liquidator.address, liquidator.encode("conversionDiscountNow", account))
        return int(liquidator.decode("conversionDiscountNow", data)) / WAD

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
