"""Liquidations, the insurance fund, deficits and the end of the system from their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.events.clearing import SETTLEMENT_TOKEN
from tests.contracts.events.logs import Log
from tests.contracts.events.part import WAD, ZERO, Modules, Part, Roles, View

__all__ = ["Deleverager", "Fund", "Liquidator", "Nominations", "Shutdown", "Token"]

NO_UNDERLYING = 255
LONGEST_WINDOW = 3_600
WINDOW_SHARE = 24
VIRTUAL_SHARES = 10**6


class Token(Part):
    """Balances of the tokens, of which the fund's is its own."""

    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.balances: dict[tuple[str, str], int] = defaultdict(int)

    def transfer(self, e: Log) -> None:
        self.balances[e.emitter, e["from"]] -= e["value"]
        self.balances[e.emitter, e["to"]] += e["value"]

    def views(self) -> Iterator[View]:
        yield from ()


class Liquidator(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.clocks: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.debt_clocks: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.rounds: dict[int, int] = defaultdict(int)

    def flagged(self, e: Log) -> None:
        self.clocks[e["account"]] = (e["startedAt"], e.time)

    def debt_flagged(self, e: Log) -> None:
        self.debt_clocks[e["account"]] = (e["startedAt"], e.time)

    def liquidated(self, e: Log) -> None:
        self.rounds[e["account"]] += 1

    def views(self) -> Iterator[View]:
        now = self.whole.now
        for account in self.whole.ledger.accounts:
            yield "clock", (account,), (self.clocks[account],)
            yield "debtClock", (account,), (self.debt_clocks[account],)
            yield "rounds", (account,), (self.rounds[account],)
            dutch = ("DUTCH_DISCOUNT_START", "DUTCH_DISCOUNT_MAX", "DUTCH_DURATION")
            yield "discountNow", (account,), (self._discount(self.clocks[account], now, *dutch),)
            sale = ("CONVERSION_DISCOUNT_START", "CONVERSION_DISCOUNT_MAX", "CONVERSION_DURATION")
            yield "conversionDiscountNow", (account,), (self._discount(self.debt_clocks[account], now, *sale),)

    def _discount(self, clock: tuple[int, int], now: int, start: str, most: str, duration: str) -> int:
        """As a proof now would leave it."""
        p, (started, proven) = self.whole.parameters, clock
        if not started or now - proven > p("CLOCK_RESUME"):
            started = now
        elif now - proven > p("CLOCK_EXPIRY"):
            started = now - (proven - started)
        share = min(now - started, p(duration))
        return int(p(start) + (p(most) - p(start)) * share // p(duration))


@dataclass
class Bucket:
    level: int = 0
    at: int = 0

    def now(self, limit: int, window: int, time: int) -> int:
        return max(self.level - limit * (time - self.at) // window, 0) if self.level and window else self.level

    def take(self, amount: int, limit: int, window: int, time: int) -> None:
        self.level, self.at = self.now(limit, window, time) + amount, time


@dataclass
class Member:
    limit: int = 0
    window: int = 0
    drawn: Bucket = field(default_factory=Bucket)
    deficits: set[int] = field(default_factory=set)


class Fund(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.address = ""
        self.balances: dict[str, int] = defaultdict(int)
        self.allowances: dict[tuple[str, str], int] = {}
        self.members: dict[str, Member] = defaultdict(Member)
        self.agents: dict[str, str] = {}
        self.buckets: dict[int, Bucket] = defaultdict(Bucket)
        self.epoch = (0, 0, 0)
        self.exits: dict[int, tuple[str, int, int, int]] = {}
        self.reserved = 0

    def role_granted(self, e: Log) -> None:
        self.address = e.emitter
        super().role_granted(e)

    def transfer(self, e: Log) -> None:
        self.balances[e["from"]] -= e["value"]
        self.balances[e["to"]] += e["value"]

    def approval(self, e: Log) -> None:
        self.allowances[e["owner"], e["spender"]] = e["value"]

    def member_set(self, e: Log) -> None:
        m = self.members[e["member"]]
        m.drawn.take(0, m.limit, m.window, e.time)
        m.limit, m.window = e["drawLimit"], e["window"]
        if not m.limit:
            m.deficits.clear()

    def agent_set(self, e: Log) -> None:
        self.agents[e["agent"]] = e["member"]

    def drawn(self, e: Log) -> None:
        m = self.members[e["member"]]
        m.drawn.take(e["amount"], m.limit, m.window, e.time)
        self.buckets[e["underlying"]].take(e["amount"], *self._cap(), e.time)

    def deficit_reported(self, e: Log) -> None:
        self.members[e["member"]].deficits.add(e["account"])

    def deficit_cleared(self, e: Log) -> None:
        self.members[e["member"]].deficits.remove(e["account"])

    def epoch_began(self, e: Log) -> None:
        self.epoch = (e["number"], e["startedAt"], e["endsAt"])

    def exit_requested(self, e: Log) -> None:
        self.exits[e["id"]] = (e["owner"], e["epoch"], e["shares"], e["assets"])

    def exits_settled(self, e: Log) -> None:
        self.reserved += e["assets"]

    def exit_paid(self, e: Log) -> None:
        self.exits[e["id"]] = (ZERO, 0, 0, 0)
        self.reserved -= e["assets"] + e["forgone"]

    def _cap(self) -> tuple[int, int]:
        p = self.whole.parameters
        return p("FUND_UNDERLYING_CAP"), p("FUND_DRAW_WINDOW")

    def _epoch(self, now: int) -> tuple[int, int, int]:
        number, _, ends = self.epoch
        if now < ends:
            return self.epoch
        length = self.whole.parameters("FUND_EPOCH")
        passed = (now - ends) // length
        return number + passed + 1, ends + passed * length, ends + (passed + 1) * length

    def _exit_window(self, now: int) -> tuple[int, int]:
        _, started, ends = self._epoch(now)
        to = started + min((ends - started) // WINDOW_SHARE, LONGEST_WINDOW)
        if now < to:
            return started, to
        return ends, ends + min(self.whole.parameters("FUND_EPOCH") // WINDOW_SHARE, LONGEST_WINDOW)

    def views(self) -> Iterator[View]:
        now = self.whole.now
        yield from super().views()
        token, unit = self.whole.vault.tokens[SETTLEMENT_TOKEN]
        assets = self.whole.token.balances[token, self.address] - self.reserved
        supply = -self.balances[ZERO]
        yield "totalSupply", (), (supply,)
        yield "totalAssets", (), (assets,)
        yield "holdings", (), (assets * unit,)
        yield "convertToAssets", (WAD,), (WAD * (assets + 1) // (supply + VIRTUAL_SHARES),)
        for who, balance in self.balances.items():
            if who != ZERO:
                yield "balanceOf", (who,), (balance,)
        for (owner, spender), allowance in self.allowances.items():
            yield "allowance", (owner, spender), (allowance,)
        yield "openDeficits", (), (sum(len(m.deficits) for m in self.members.values()),)
        yield "reserved", (), (self.reserved,)
        yield "epoch", (), self._epoch(now)
        yield "exitWindow", (), self._exit_window(now)
        for number, request in self.exits.items():
            yield "exit", (number,), (request,)
        cap, window = self._cap()
        for underlying in (*self.whole.registry.listed, NO_UNDERLYING):
            yield "underlyingLevel", (underlying,), (self.buckets[underlying].now(cap, window, now),)
        for who in {*self.members, *self.agents}:
            acts = self.agents.get(who, ZERO)
            name = who if acts == ZERO else acts
            m, own = self.members[name], self.members[who]
            yield "memberOf", (who,), (name,)
            yield "member", (who,), (own.limit, own.window, own.drawn.now(own.limit, own.window, now))
            for underlying in (*self.whole.registry.listed, NO_UNDERLYING):
                free = min(
                    max(m.limit - m.drawn.now(m.limit, m.window, now), 0),
                    max(cap - self.buckets[underlying].now(cap, window, now), 0),
                    assets * unit,
                )
                yield "available", (who, underlying), (free - free % unit,)


@dataclass
class Side:
    deficits: int = 0
    dropped_at: int = 0
    queue: list[tuple[int, int]] = field(default_factory=list)  # (score, account), the highest first


class Nominations(Modules):
    """Begin and end of a deficit come from the deleverager's events."""

    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.sides: dict[tuple[int, bool], Side] = defaultdict(Side)

    def begin(self, causes: list[tuple[int, int, int]]) -> None:
        for instrument, size, _ in causes:
            self.sides[instrument, size < 0].deficits += 1

    def end(self, causes: list[tuple[int, int, int]]) -> None:
        for instrument, size, _ in causes:
            side = self.sides[instrument, size < 0]
            side.deficits -= 1
            if not side.deficits:
                side.queue.clear()

    def nominated(self, e: Log) -> None:
        queue = self.sides[e["instrument"], e["longs"]].queue
        queue[:] = [entry for entry in queue if entry[1] != e["account"]]
        at = next((i for i, (score, _) in enumerate(queue) if score < e["score"]), len(queue))
        queue.insert(at, (e["score"], e["account"]))
        del queue[self.whole.parameters("NOMINATION_QUEUE") :]

    def dropped(self, e: Log) -> None:
        side = self.sides[e["instrument"], e["longs"]]
        side.dropped_at = e.time
        del side.queue[: e["count"]]

    def views(self) -> Iterator[View]:
        yield from super().views()
        deficits = self.whole.deleverager.deficits
        open_now = {account for account, d in deficits.items() if d.opened_at}
        yield "openDeficits", (), (len(open_now),)
        for (instrument, longs), side in self.sides.items():
            held_opposite = ((instrument,), (-1 if longs else 1,))
            for before in (0, 1):
                yield "droppedSince", (*held_opposite, max(side.dropped_at - before, 0)), (before == 1 and side.dropped_at != 0,)
            yield "adlQueue", (instrument, longs), (tuple(a for _, a in side.queue), tuple(s for s, _ in side.queue))
        for number, account in self.whole.ledger.accounts.items():
            free = number not in open_now and not deficits[number].claim
            opposite = any(self.sides[p.instrument, p.size > 0].deficits for p in account.positions)
            yield "mayIncreaseRisk", (number,), (free and not opposite,)


@dataclass
class Deficit:
    opened_at: int = 0
    opened_block: int = 0
    rounds: int = 0
    claim: int = 0
    causes: list[tuple[int, int, int]] = field(default_factory=list)


class Deleverager(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.deficits: dict[int, Deficit] = defaultdict(Deficit)

    def cause_recorded(self, e: Log) -> None:
        self.deficits[e["account"]].causes.append((e["instrument"], e["size"], e["share"]))

    def deficit_opened(self, e: Log) -> None:
        d = self.deficits[e["account"]]
        d.opened_at, d.opened_block, d.rounds = e.time, e.block, 0
        self.whole.nominations.begin(d.causes)

    def window_renewed(self, e: Log) -> None:
        d = self.deficits[e["account"]]
        d.opened_at, d.opened_block, d.rounds = e.time, e.block, e["rounds"]

    def executed(self, e: Log) -> None:
        self.deficits[e["account"]].claim += e["fundPaid"] + e["shared"]

    def claim_repaid(self, e: Log) -> None:
        self.deficits[e["account"]].claim = e["left"]

    def deficit_closed(self, e: Log) -> None:
        d = self.deficits[e["account"]]
        self.whole.nominations.end(d.causes)
        self.deficits[e["account"]] = Deficit(claim=e["claim"])

    def views(self) -> Iterator[View]:
        for account in self.whole.ledger.accounts:
            d = self.deficits[account]
            yield "deficit", (account,), ((d.opened_at, d.opened_block, d.rounds, d.claim),)
            yield "causes", (account,), (tuple(d.causes),)


class Shutdown(Part):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.pool, self.accounts = 0, 0
        self.claims: dict[int, int] = {}
        self.pooled_value = 0
        self.tokens: int | None = None  # None: not finalised
        self.pooled: dict[int, int] = {}
        self.spots: dict[int, int] = {}
        self.values: dict[int, int] = {}
        self.paid: set[tuple[int, int]] = set()

    def begun(self, e: Log) -> None:
        self.pool, self.accounts = e["pool"], e["accounts"]

    def spot_fixed(self, e: Log) -> None:
        self.spots[e["underlying"]] = e["spot"]

    def value_fixed(self, e: Log) -> None:
        self.values[e["instrument"]] = e["value"]

    def account_settled(self, e: Log) -> None:
        self.claims[e["account"]] = e["claim"]
        self.pooled_value += e["pooled"]

    def finalised(self, e: Log) -> None:
        self.tokens = e["tokens"]
        self.pooled = dict(self.whole.ledger.accounts[self.pool].collateral)

    def claimed(self, e: Log) -> None:
        self.paid.add((e["account"], e["token"]))

    def _due(self, account: int, token: int) -> int:
        if account >= self.pool:
            return 0
        whole = self.tokens if token == SETTLEMENT_TOKEN else self.pooled.get(token, 0)
        total = sum(self.claims.values())
        open_ = total and (account, token) not in self.paid
        quantity = self.claims.get(account, 0) * (whole or 0) // total if open_ else 0
        quantity -= quantity % self.whole.vault.tokens[token][1]
        own = 0 if token == SETTLEMENT_TOKEN else self.whole.ledger.accounts[account].collateral[token]
        return int(quantity + own)

    def views(self) -> Iterator[View]:
        yield "pool", (), (self.pool,)
        yield "progress", (), (len(self.claims.keys() - {0}), self.accounts)
        total = sum(self.claims.values())
        ratio = 0 if self.tokens is None else min((self.tokens + self.pooled_value) * WAD // total, WAD) if total else WAD
        yield "ratio", (), (ratio,)
        for account in self.whole.ledger.accounts:
            yield "claimOf", (account,), (self.claims.get(account, 0),)
            if self.tokens is not None:
                for token in self.whole.vault.tokens:
                    yield "due", (account, token), (self._due(account, token),)
        for underlying in self.whole.registry.listed:
            yield "finalSpot", (underlying,), (self.spots.get(underlying, 0),)
        for instrument in self.whole.ledger.instruments:
            value = self.values.get(instrument)
            yield "finalValue", (instrument,), (value is not None, value or 0)
