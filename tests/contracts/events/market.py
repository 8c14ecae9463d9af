"""Parameters, listings, prices, sources and the breaker from their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rlp
from eth_utils.crypto import keccak

from scripts.parameter_list import governed_parameters
from tests.contracts.events.logs import Log
from tests.contracts.events.part import WAD, ZERO, Roles, View, truncated

__all__ = ["Breaker", "Door", "Parameters", "Registry", "Sources", "TimelockState"]

# The table of types/Parameter.sol: 64 scalars, 8 collaterals, 32 underlyings, 8 groups, the number of scenarios, 40 of them, 64 scalars.
FIRST_SCALARS, COLLATERALS, UNDERLYINGS, GROUPS, SCENARIOS, FURTHER_SCALARS = 64, 8, 32, 8, 40, 64
ALL = 255  # the breaker's scope of everything
NORMAL, REDUCE_ONLY, HALTED, SHUTDOWN = range(4)
JUMP = 0
DONE = 1  # the timelock's mark of an executed operation


def signed(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


class Parameters(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.scalars: dict[int, int] = defaultdict(int)
        self.scenarios: tuple[int, ...] = ()
        self.collaterals: dict[int, tuple[int, bool, int, int]] = {}
        self.underlyings: dict[int, tuple[int, int]] = {}
        self.groups: dict[int, int] = defaultdict(int)
        self.created = ""  # transaction
        self.address = ""
        self.writes = 1  # the constructor's

    def __call__(self, name: str) -> int:
        return self.scalars[governed_parameters()[name].index]

    def parameter_set(self, e: Log) -> None:
        self._written(e)
        self.scalars[e["parameter"]] = e["value"]

    def scenarios_set(self, e: Log) -> None:
        self._written(e)
        self.scenarios = e["words"]

    def collateral_set(self, e: Log) -> None:
        self._written(e)
        self.collaterals[e["index"]] = e["config"]

    def underlying_set(self, e: Log) -> None:
        self._written(e)
        self.underlyings[e["underlying"]] = (e["group"], e["spotScale"])

    def group_set(self, e: Log) -> None:
        self._written(e)
        self.groups[e["group"]] = e["kappa"]

    def _written(self, e: Log) -> None:
        """Every change is a new data contract, the constructor's many events are one."""
        self.created = self.created or e.transaction
        self.address = e.emitter
        self.writes += e.transaction != self.created

    def views(self) -> Iterator[View]:
        yield from super().views()
        for index, value in self.scalars.items():
            yield "value", (index,), (value,)
        yield (
            "scenarios",
            (),
            (tuple((signed(w >> 128 & 2**64 - 1, 64), w >> 64 & 2**64 - 1, w >> 8 & 0xFF != 0, w & 0xFF) for w in self.scenarios),),
        )
        for index in range(COLLATERALS):
            known = self.collaterals.get(index)
            yield "collateral", (index,), (known or (0, False, 0, 0), known is not None)
        for index in range(UNDERLYINGS):
            group, scale = self.underlyings.get(index, (0, 0))
            yield "underlying", (index,), (group, scale, index in self.underlyings)
        for index in range(1, GROUPS + 1):
            yield "group", (index,), (self.groups[index],)
        yield "table", (), (tuple(self._table()),)
        # Data contracts are created by CREATE, one nonce each, from 1.
        created = keccak(rlp.encode([bytes.fromhex(self.address[2:]), self.writes]))[12:]
        yield "pointer", (), ("0x" + created.hex(),)

    def _table(self) -> Iterator[int]:
        yield from (self.scalars[i] for i in range(FIRST_SCALARS))
        for index in range(COLLATERALS):
            underlying, joins, initial, maintenance = self.collaterals.get(index, (0, False, 0, 0))
            known = index in self.collaterals
            yield initial << 192 | maintenance << 128 | known << 16 | joins << 8 | underlying
        for index in range(UNDERLYINGS):
            group, scale = self.underlyings.get(index, (0, 0))
            yield scale << 32 | (index in self.underlyings) << 8 | group
        yield from (self.groups[i] for i in range(1, GROUPS + 1))
        yield len(self.scenarios)
        yield from self.scenarios
        yield from [0] * (SCENARIOS - len(self.scenarios))
        yield from (self.scalars[i] for i in range(FIRST_SCALARS, FIRST_SCALARS + FURTHER_SCALARS))


class Registry(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.listed: dict[int, tuple[str, bool]] = {}
        self.expiries: dict[int, list[int]] = defaultdict(list)

    def underlying_listed(self, e: Log) -> None:
        self.listed[e["underlying"]] = (e["symbol"], e["tradable"])

    def expiry_listed(self, e: Log) -> None:
        self.expiries[e["underlying"]].append(e["expiry"])

    def views(self) -> Iterator[View]:
        yield from super().views()
        yield "underlyings", (), (tuple(self.listed), tuple(symbol for symbol, _ in self.listed.values()))
        for underlying, (_, tradable) in self.listed.items():
            yield "isUnderlyingListed", (underlying,), (True,)
            yield "isListed", (underlying << 96,), (tradable,)
            yield "expiries", (underlying,), (tuple(self.expiries[underlying]),)
            for expiry in self.expiries[underlying]:
                yield "isExpiryListed", (underlying, expiry), (True,)


class Breaker(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.held: dict[int, int] = defaultdict(int)
        self.until: dict[int, int] = defaultdict(int)
        self.shutdown_at = 0

    def tripped(self, e: Log) -> None:
        if e.time >= self.until[e["scope"]]:
            self.whole.door.before_trip(e["scope"])
        self.until[e["scope"]] = e["until"]

    def tightened(self, e: Log) -> None:
        self.held[e["scope"]] = e["state"]

    def loosened(self, e: Log) -> None:
        self.held[e["scope"]], self.until[e["scope"]] = e["state"], 0

    def shut_down(self, e: Log) -> None:
        self.held[ALL], self.shutdown_at = SHUTDOWN, e["at"]

    def state(self, scope: int, now: int) -> int:
        held = self.held[scope]
        return REDUCE_ONLY if held == NORMAL and now < self.until[scope] else held

    def any_tripped(self, now: int) -> bool:
        return any(self.held.values()) or any(now < until for until in self.until.values())

    def views(self) -> Iterator[View]:
        now = self.whole.now
        yield from super().views()
        yield "globalState", (), (self.state(ALL, now),)
        yield "shutdownAt", (), (self.shutdown_at,)
        yield "anyTripped", (), (self.any_tripped(now),)
        for scope in (*range(3), ALL):
            yield "scope", (scope,), (self.held[scope], REDUCE_ONLY if now < self.until[scope] else NORMAL, self.until[scope])
            if scope != ALL:
                yield "stateOf", (scope,), (max(self.state(scope, now), self.state(ALL, now)),)


@dataclass
class Feed:
    """The last stored price of an underlying, what prices added up to until then, and the update that is held."""

    spot: int = 0
    mark: int = 0
    confidence: int = 0
    signed_at: int = 0
    premium: int = 0
    seconds: int = 0
    at: int = 0
    held: int = 0
    held_since: int = 0
    held_at: int = 0
    holding: bool = False
    before_trip: int = 0

    def integrals(self, now: int) -> tuple[int, int]:
        if not self.spot:
            return 0, 0
        premium = truncated((self.mark - self.spot) * WAD, self.spot)
        return self.premium + premium * (now - self.at), (self.seconds + self.spot * (now - self.at)) % 2**128


class Door(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.feeds: dict[int, Feed] = defaultdict(Feed)
        self.quotes: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.sources: dict[int, str] = defaultdict(lambda: ZERO)
        self.signers: tuple[tuple[str, ...], int] = ((), 0)

    def market_updated(self, e: Log) -> None:
        feed = self.feeds[e["underlying"]]
        feed.premium, feed.seconds = feed.integrals(e.time)
        feed.spot, feed.mark, feed.confidence, feed.signed_at = e["spot"], e["mark"], e["confidence"], e["timestamp"]
        feed.at, feed.holding = e.time, False

    def expiry_updated(self, e: Log) -> None:
        self.quotes[e["underlying"], e["expiry"]] = (e["quote"], e["smile"], e["wing"])

    def settlement_fixed(self, e: Log) -> None:
        quote, smile, wing = self.quotes.get((e["underlying"], e["expiry"]), (0, 0, 0))
        self.quotes[e["underlying"], e["expiry"]] = (quote, smile, wing >> 96 << 96 | e["price"])

    def update_held(self, e: Log) -> None:
        feed, since = self.feeds[e["underlying"]], 0
        if e["cause"] == JUMP:
            since = feed.held_since if feed.holding else 0
            limit = self.whole.parameters("BREAKER_MOVE")
            if abs(e["spot"] - feed.held) * WAD > feed.held * limit:
                since = 0  # another jump
            since = since or e["timestamp"]
        feed.held, feed.held_since, feed.held_at, feed.holding = e["spot"] if since else 0, since, e["timestamp"], True

    def sources_chosen(self, e: Log) -> None:
        self.sources[e["underlying"]] = e["sources"]

    def signers_set(self, e: Log) -> None:
        self.signers = (e["signers"], e["quorum"])

    def before_trip(self, underlying: int) -> None:
        self.feeds[underlying].before_trip = self.feeds[underlying].spot

    def spot(self, underlying: int) -> int:
        return self.feeds[underlying].spot

    def views(self) -> Iterator[View]:
        now = self.whole.now
        yield from super().views()
        breaker = self.whole.breaker
        yield "signers", (), self.signers
        for underlying in self.whole.registry.listed:
            feed = self.feeds[underlying]
            premium, seconds = feed.integrals(now)
            if feed.spot:
                word = feed.spot << 160 | feed.mark << 64 | feed.confidence << 48 | feed.signed_at
                yield "prices", (underlying,), (feed.spot, feed.mark, feed.signed_at)
                yield "read", ((underlying << 32,),), ((word,),)
            yield "premiumIntegral", (underlying,), (premium, now)
            yield "spotIntegral", (underlying,), (seconds, now)
            yield "heldUpdate", (underlying,), (feed.held, feed.held_since, feed.held_at) if feed.holding else (0, 0, 0)
            tripped = now < breaker.until[underlying]
            yield "preTripSpot", (underlying,), (feed.before_trip if tripped and feed.before_trip else feed.spot,)
            yield "sourcesOf", (underlying,), (self.sources[underlying],)
        for (underlying, expiry), words in self.quotes.items():
            yield "read", ((underlying << 32 | expiry,),), (words,)


class Sources(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.sources: dict[int, tuple[tuple[str, int, int, int], ...]] = {}
        self.readings: dict[tuple[int, str], tuple[int, int]] = {}
        self.address = ""

    def sources_set(self, e: Log) -> None:
        self.address = e.emitter
        self.sources[e["underlying"]] = e["sources"]
        for source, *_ in e["sources"]:
            self.readings[e["underlying"], source] = (0, 0)

    def source_read(self, e: Log) -> None:
        self.readings[e["underlying"], e["source"]] = (e["price"], e["publishedAt"])

    def views(self) -> Iterator[View]:
        yield from super().views()
        for underlying, listed in self.sources.items():
            yield "sources", (underlying,), (listed,)

    def slots(self) -> Iterator[tuple[str, str, int]]:
        """What sources said last has no view: its storage, by the layout (`_readings` is slot 2)."""
        for (underlying, source), (price, at) in self.readings.items():
            outer = keccak(underlying.to_bytes(32, "big") + (2).to_bytes(32, "big"))
            slot = keccak(bytes.fromhex(source[2:]).rjust(32, b"\0") + outer)
            yield self.address, "0x" + slot.hex(), at << 96 | price


class TimelockState(Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.delay = 0
        self.ready: dict[bytes, int] = {}

    def min_delay_change(self, e: Log) -> None:
        self.delay = e["newDuration"]

    def call_scheduled(self, e: Log) -> None:
        self.ready[e["id"]] = e.time + e["delay"]

    def call_executed(self, e: Log) -> None:
        self.ready[e["id"]] = DONE

    def cancelled(self, e: Log) -> None:
        self.ready[e["id"]] = 0

    def views(self) -> Iterator[View]:
        yield from super().views()
        yield "getMinDelay", (), (self.delay,)
        for identifier, at in self.ready.items():
            yield "getTimestamp", (identifier,), (at,)
