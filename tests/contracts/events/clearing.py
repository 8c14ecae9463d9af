"""Orders, limits, the withdrawal queue, funding samples and settlement progress from events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.contracts.events.logs import Log
from tests.contracts.events.market import ALL, HALTED
from tests.contracts.events.part import MAX, WAD, Part, Roles, View

__all__ = ["Clearing", "Funding", "Limits", "Queue", "Settlement"]

SETTLEMENT_TOKEN = 255
NO_LIMITS = (0, 0, 0, 0)


class Clearing(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.filled: dict[bytes, int] = {}
        self.least_nonce: dict[int, int] = {}

    def order_filled(self, e: Log) -> None:
        self.filled[e["orderHash"]] = e["filled"]

    def order_cancelled(self, e: Log) -> None:
        self.filled[e["orderHash"]] = MAX

    def orders_cancelled(self, e: Log) -> None:
        self.least_nonce[e["account"]] = e["leastNonce"]

    def deposited(self, e: Log) -> None:
        self.whole.queue.inflow(e.time, e["token"], e["quantity"])

    def withdrawn(self, e: Log) -> None:
        self.whole.queue.outflow(e.time, e["token"], e["quantity"])

    def views(self) -> Iterator[View]:
        for order, filled in self.filled.items():
            yield "filled", (order,), (filled,)
        for account, nonce in self.least_nonce.items():
            yield "leastNonce", (account,), (nonce,)


class Limits(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.underlyings: dict[int, tuple[int, ...]] = {}
        self.instruments: dict[int, int] = {}
        self.tokens: dict[int, tuple[int, int]] = {}

    def underlying_limits_set(self, e: Log) -> None:
        self.underlyings[e["underlying"]] = e["limits"]

    def instrument_limit_set(self, e: Log) -> None:
        self.instruments[e["instrument"]] = e["openInterest"]

    def token_limits_set(self, e: Log) -> None:
        self.tokens[e["index"]] = e["limits"]

    def views(self) -> Iterator[View]:
        yield from super().views()
        for underlying in self.whole.registry.listed:
            yield "underlyingLimits", (underlying,), (self.underlyings.get(underlying, NO_LIMITS),)
        for instrument, limit in self.instruments.items():
            yield "instrumentLimit", (instrument,), (limit,)
        for index in self.whole.vault.tokens:
            yield "tokenLimits", (index,), (self.tokens.get(index, (0, 0)),)


@dataclass(frozen=True)
class Flow:
    """What left a token's queue less what came in during a window, and how far the queue is served."""

    window: int = 0
    net: int = 0
    cap: int = 0
    released: int = 0
    tail: int = 0

    @property
    def room(self) -> int:
        return max(self.cap - self.net, 0)


@dataclass
class Claim:
    to: str
    account: int
    index: int
    start: int
    quantity: int
    paid: int = 0


class Queue(Part):
    """The flow has no events of its own: deposits, withdrawals and claims are what moves it."""

    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.flows: dict[int, Flow] = defaultdict(Flow)
        self.claims: dict[int, Claim] = {}

    def inflow(self, time: int, index: int, quantity: int) -> None:
        """Noted before the vault recorded it."""
        f = self._current(index, time, self.whole.vault.recorded[index] - quantity)
        self.flows[index] = Flow(f.window, f.net - quantity, f.cap, f.released, f.tail)

    def outflow(self, time: int, index: int, quantity: int) -> None:
        f = self._current(index, time, self.whole.vault.recorded[index])
        leaves = min(quantity, f.room - f.room % self._unit(index)) if f.released == f.tail else 0
        self.flows[index] = Flow(f.window, f.net + leaves, f.cap, f.released, f.tail)

    def withdrawal_queued(self, e: Log) -> None:
        f = self.flows[e["token"]]
        self.claims[e["id"]] = Claim(e["to"], e["account"], e["token"], f.tail, e["quantity"])
        self.flows[e["token"]] = Flow(f.window, f.net, f.cap, f.released, f.tail + e["quantity"])

    def withdrawal_paid(self, e: Log) -> None:
        claim = self.claims[e["id"]]
        claim.paid = e["paid"]
        self.flows[claim.index] = self._current(claim.index, e.time, self.whole.vault.recorded[claim.index])

    def withdrawal_undone(self, e: Log) -> None:
        f = self.flows[e["token"]]
        self.claims[e["id"]].quantity -= e["quantity"]
        self.flows[e["token"]] = Flow(f.window, f.net, f.cap, f.released, f.tail - e["quantity"])

    def _halted(self, number: int) -> bool:
        """The strictest state of what the account holds, which after a shutdown is another."""
        account, breaker = self.whole.ledger.accounts[number], self.whole.breaker
        held = {p.instrument >> 96 & 0xFF for p in account.positions}
        held |= {self.whole.parameters.collaterals.get(index, (0,))[0] for index, quantity in account.collateral.items() if quantity}
        return max(breaker.state(scope, self.whole.now) for scope in (ALL, *held)) == HALTED

    def _unit(self, index: int) -> int:
        return int(self.whole.vault.tokens[index][1])

    def _opened(self, index: int, time: int, recorded: int) -> Flow:
        p, f = self.whole.parameters, self.flows[index]
        price = WAD
        if index != SETTLEMENT_TOKEN:
            known = p.collaterals.get(index)
            price = (self.whole.door.spot(known[0]) if known else 0) or MAX
        share = p("OUTFLOW_CAP") * (recorded + f.tail - f.released) // WAD
        floor = p("OUTFLOW_FLOOR") * WAD // price
        return Flow(time // p("OUTFLOW_WINDOW"), 0, max(share, floor), f.released, f.tail)

    def _current(self, index: int, time: int, recorded: int) -> Flow:
        f = self._now(index, time, recorded)
        served = f.tail - f.released
        if self.whole.breaker.state(ALL, time) >= HALTED:
            served = 0
        if served > f.room:
            served = f.room - f.room % self._unit(index)
        return Flow(f.window, f.net + served, f.cap, f.released + served, f.tail)

    def _now(self, index: int, time: int, recorded: int) -> Flow:
        f = self.flows[index]
        return f if f.window == time // self.whole.parameters("OUTFLOW_WINDOW") else self._opened(index, time, recorded)

    def views(self) -> Iterator[View]:
        now = self.whole.now
        yield "claimCount", (), (len(self.claims),)
        for index in self.whole.vault.tokens:
            recorded = self.whole.vault.recorded[index]
            f = self._current(index, now, recorded)
            yield "room", (index,), (self._now(index, now, recorded).room,)
            yield "waiting", (index,), (f.tail - f.released,)
        for number, c in self.claims.items():
            f = self._current(c.index, now, self.whole.vault.recorded[c.index])
            due = min(max(f.released - c.start, 0), c.quantity) - c.paid if f.released > c.start else 0
            yield "claimOf", (number,), ((c.to, c.account, c.index, c.start, c.quantity, c.paid),)
            yield "claimable", (number,), (0 if self._halted(c.account) else due - due % self._unit(c.index),)


class Funding(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.samples: dict[int, tuple[int, int, int]] = {}

    def funding_updated(self, e: Log) -> None:
        self.samples[e["underlying"]] = (*self.whole.door.feeds[e["underlying"]].integrals(e.time), e.time)

    def views(self) -> Iterator[View]:
        for underlying in self.whole.registry.listed:
            yield "lastUpdate", (underlying,), self.samples.get(underlying, (0, 0, 0))


class Settlement(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.visited: dict[tuple[int, int], int] = {}

    def settlement_advanced(self, e: Log) -> None:
        self.visited[e["underlying"], e["expiry"]] = e["account"]

    def views(self) -> Iterator[View]:
        for underlying, expiries in self.whole.registry.expiries.items():
            for expiry in expiries:
                yield "visited", (underlying, expiry), (self.visited.get((underlying, expiry), 0),)
