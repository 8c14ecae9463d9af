"""Several nodes as one: the fit one that is first in the list answers, the others are watched and take over.

An endpoint is not fit while it does not answer, lags behind the best, contradicts itself (what reads it says so by
`distrust`), or serves another block than the majority at a height that all of them have. Each fault puts it aside for a
while that doubles from fault to fault.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from keeper.chain.port import Block, ChainPort, Fees, Log, Receipt
from keeper.errors import ChainError, UnreachableError

__all__ = ["EndpointPool", "EndpointState", "name_of"]

Answer = TypeVar("Answer")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_SMOOTHING = 0.1
_DEPTH = 2
"""Blocks below the lowest head at which endpoints are compared: the newest may differ for a moment without anybody lying."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """name: host and port (a path may hold a key); head: of the last watch; lag: blocks behind the best; milliseconds: moving
    mean; trouble: why it is not fit, "" where it is."""

    name: str
    active: bool
    head: int | None
    lag: int
    milliseconds: float
    requests: int
    failures: int
    trouble: str


class _Endpoint:
    def __init__(self, name: str, port: ChainPort) -> None:
        self.name = name
        self.port = port
        self.head: Block | None = None
        self.milliseconds = 0.0
        self.requests = 0
        self.failures = 0
        self.trouble = ""
        self.aside_until = 0.0
        self.pause = _FIRST_PAUSE


class EndpointPool:
    """ChainPort over several. max_lag: blocks that an endpoint may be behind the best; watch_every: seconds between looks at
    all heads (in the background); patience: seconds for which a head below one already seen is refused, before it is
    believed that the chain became shorter. For one reader; the watching threads are its own."""

    def __init__(
        self,
        endpoints: Sequence[tuple[str, ChainPort]],
        max_lag: int = 3,
        watch_every: float = 1.0,
        patience: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not endpoints:
            raise ChainError("expected at least one endpoint")
        self._all = [_Endpoint(name, port) for name, port in endpoints]
        self._active = self._all[0]
        self._max_lag, self._watch_every, self._patience, self._clock = max_lag, watch_every, patience, clock
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=len(self._all), thread_name_prefix="endpoints")
        self._watching: list[tuple[_Endpoint, Future[Block]]] = []
        self._next_watch = 0.0
        self._highest = -1
        self._behind_since: float | None = None
        self.failovers = 0

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def states(self) -> list[EndpointState]:
        best = max((e.head.number for e in self._all if e.head is not None), default=0)
        return [
            EndpointState(
                name=e.name,
                active=e is self._active,
                head=None if e.head is None else e.head.number,
                lag=0 if e.head is None else max(0, best - e.head.number),
                milliseconds=round(e.milliseconds, 2),
                requests=e.requests,
                failures=e.failures,
                trouble=e.trouble,
            )
            for e in self._all
        ]

    def distrust(self, reason: str) -> bool:
        """What the active endpoint said is not consistent: puts it aside; True where another one takes over."""
        self._highest, self._behind_since = -1, None  # the heads that it claimed count no more
        return self._leave(reason)

    def watch(self) -> None:
        """Looks at all heads, waits for the answers, and judges. `head` does so by itself, without waiting."""
        self._ask_all()
        for _, future in self._watching:
            with suppress(ChainError):
                future.result()
        self._judge()

    # --- ChainPort ---

    def chain_id(self) -> int:
        return self._ask(lambda port: port.chain_id())

    def head(self) -> Block:
        if len(self._all) > 1:
            self._watch_in_background()
        head = self._ask(lambda port: port.head())
        self._active.head = head
        now = self._clock()
        if head.number >= self._highest:
            self._highest, self._behind_since = head.number, None
        else:
            self._behind_since = self._behind_since or now
            if len(self._all) > 1 and now - self._behind_since < self._patience:
                known, reason = self._highest, f"its head {head.number} is behind {self._highest}, which was seen before"
                others = any(self._is_fit(endpoint) for endpoint in self._all if endpoint is not self._active)
                if others and self._leave(reason):
                    return self.head()
                raise UnreachableError(f"{self._active.name}: head {head.number} is behind block {known}")
            self._highest = head.number
        return head

    def block(self, number: int) -> Block | None:
        return self._ask(lambda port: port.block(number))

    def blocks(self, first: int, last: int) -> list[Block]:
        return self._ask(lambda port: port.blocks(first, last))

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        return self._ask(lambda port: port.logs(addresses, first, last))

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        return self._ask(lambda port: port.logs_of_block(addresses, block_hash))

    def logs_by_receipts(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        """Of another fit endpoint where there is one: a second opinion is worth more than the same one again."""
        others = [e for e in self._all if e is not self._active and self._is_fit(e)]
        for endpoint in others:
            with suppress(ChainError):
                return self._timed(endpoint, lambda port: port.logs_by_receipts(addresses, block_hash))
        return self._ask(lambda port: port.logs_by_receipts(addresses, block_hash))

    def code(self, address: str) -> bytes:
        return self._ask(lambda port: port.code(address))

    def balance(self, address: str) -> int:
        return self._ask(lambda port: port.balance(address))

    def transaction_count(self, address: str, *, pending: bool = False) -> int:
        return self._ask(lambda port: port.transaction_count(address, pending=pending))

    def fees(self) -> Fees:
        return self._ask(lambda port: port.fees())

    def call(self, to: str, data: bytes, *, sender: str | None = None, gas: int | None = None, block: int | None = None) -> bytes:
        return self._ask(lambda port: port.call(to, data, sender=sender, gas=gas, block=block))

    def estimate_gas(self, to: str, data: bytes, sender: str) -> int:
        return self._ask(lambda port: port.estimate_gas(to, data, sender))

    def send(self, raw: bytes) -> str:
        """The same signed bytes may be handed to several nodes: they are one transaction."""
        return self._ask(lambda port: port.send(raw))

    def receipt(self, transaction: str) -> Receipt | None:
        return self._ask(lambda port: port.receipt(transaction))

    # --- choosing ---

    def _ask(self, request: Callable[[ChainPort], Answer]) -> Answer:
        last: UnreachableError | None = None
        for _ in range(len(self._all)):
            endpoint = self._active
            try:
                return self._timed(endpoint, request)
            except UnreachableError as error:
                last = error
                self._put_aside(endpoint, str(error)[:200])
                self._choose()
                if self._active is endpoint:
                    break
        raise last or UnreachableError("no endpoint answered")

    def _timed(self, endpoint: _Endpoint, request: Callable[[ChainPort], Answer]) -> Answer:
        started = time.perf_counter()
        endpoint.requests += 1
        try:
            answer = request(endpoint.port)
        except UnreachableError:
            endpoint.failures += 1
            raise
        milliseconds = 1000.0 * (time.perf_counter() - started)
        endpoint.milliseconds += (milliseconds - endpoint.milliseconds) * (_SMOOTHING if endpoint.milliseconds else 1.0)
        return answer

    def _leave(self, reason: str) -> bool:
        before = self._active
        self._put_aside(before, reason)
        self._choose()
        return self._active is not before

    def _put_aside(self, endpoint: _Endpoint, reason: str) -> None:
        endpoint.trouble = reason
        endpoint.aside_until = self._clock() + endpoint.pause
        endpoint.pause = min(_LONGEST_PAUSE, 2.0 * endpoint.pause)

    def _is_fit(self, endpoint: _Endpoint) -> bool:
        return not endpoint.trouble or self._clock() >= endpoint.aside_until

    def _choose(self) -> None:
        """The first that is fit; the one whose pause ends soonest where none is."""
        fit = [endpoint for endpoint in self._all if self._is_fit(endpoint)]
        chosen = fit[0] if fit else min(self._all, key=lambda endpoint: endpoint.aside_until)
        if chosen is not self._active:
            self.failovers += 1
            self._active = chosen

    def _watch_in_background(self) -> None:
        if self._watching and all(future.done() for _, future in self._watching):
            self._judge()
        if not self._watching and self._clock() >= self._next_watch:
            self._ask_all()

    def _ask_all(self) -> None:
        self._next_watch = self._clock() + self._watch_every
        self._watching = [(e, self._executor.submit(self._timed, e, lambda port: port.head())) for e in self._all]

    def _judge(self) -> None:
        answers, self._watching = self._watching, []
        heads: dict[str, Block] = {}
        for endpoint, future in answers:
            try:
                endpoint.head = heads[endpoint.name] = future.result()
            except ChainError as error:
                if self._is_fit(endpoint):
                    self._put_aside(endpoint, str(error)[:200])
        answered = [endpoint for endpoint, _ in answers if endpoint.name in heads]
        faults = self._lagging(answered) | self._outvoted(answered)
        for endpoint in answered:
            if endpoint in faults:
                if self._is_fit(endpoint):
                    self._put_aside(endpoint, faults[endpoint])
            elif endpoint.trouble and self._clock() >= endpoint.aside_until:
                endpoint.trouble, endpoint.pause = "", _FIRST_PAUSE
        self._choose()

    def _lagging(self, answered: Sequence[_Endpoint]) -> dict[_Endpoint, str]:
        """Those behind a head that a second endpoint has reached too, or that anybody has where there are only two."""
        numbers = sorted((e.head.number for e in answered if e.head is not None), reverse=True)
        if len(numbers) < 2:
            return {}
        best = numbers[1] if len(numbers) > 2 else numbers[0]
        behind = {e: f"lags {best - e.head.number} blocks" for e in answered if e.head is not None and best - e.head.number > self._max_lag}
        if len(numbers) > 2:
            # Ahead of two others by more than they can lag: a head that nobody else has.
            behind |= {
                e: f"claims block {e.head.number}, the others are at {best}"
                for e in answered
                if e.head is not None and e.head.number - best > self._max_lag
            }
        return behind

    def _outvoted(self, answered: Sequence[_Endpoint]) -> dict[_Endpoint, str]:
        """Those that serve another block than the majority of at least three at a height all have."""
        if len(answered) < 3:
            return {}
        height = min(e.head.number for e in answered if e.head is not None) - _DEPTH
        seen: dict[_Endpoint, str] = {}
        for endpoint in answered:
            with suppress(ChainError):
                block = endpoint.port.block(max(0, height))
                if block is not None:
                    seen[endpoint] = block.hash
        if not seen:
            return {}
        winner, votes = Counter(seen.values()).most_common(1)[0]
        if votes * 2 <= len(seen):
            return {}
        return {endpoint: f"serves another block {height} than the majority" for endpoint, found in seen.items() if found != winner}


def name_of(url: str) -> str:
    """Host and port of an address: what may be shown of it."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or url
