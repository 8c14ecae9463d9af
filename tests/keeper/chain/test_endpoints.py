"""Several nodes as one, some of them unwell: what they say is compared, who lies or lags does not answer any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.chain import Block, EndpointPool, Ingestion, Log, MemoryChain, Store, name_of
from keeper.errors import ChainError, DishonestError, UnreachableError

ADDRESS = "0x" + "11" * 20


def entry(value: int) -> tuple[str, list[bytes], bytes]:
    return ADDRESS, [value.to_bytes(32, "big")], value.to_bytes(8, "big")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class View:
    """A node of its own over the same chain: may be dead, behind, forgetful or inventive."""

    def __init__(self, chain: MemoryChain) -> None:
        self._chain = chain
        self.dead = False
        self.behind = 0
        self.ahead = 0
        self.empty = False
        self.fork = ""

    def __getattr__(self, name: str) -> object:
        if self.dead:
            raise UnreachableError("connection refused")
        return getattr(self._chain, name)

    def head(self) -> Block:
        if self.dead:
            raise UnreachableError("connection refused")
        head = self._chain.head()
        if self.ahead:
            return Block(head.number + self.ahead, "0x" + "ff" * 32, "0x" + "fe" * 32, head.time)
        found = self.block(head.number - self.behind)
        assert found is not None
        return found

    def block(self, number: int) -> Block | None:
        if self.dead:
            raise UnreachableError("connection refused")
        if number > self._chain.head().number - self.behind:
            return None
        found = self._chain.block(number)
        return found if found is None or not self.fork else replace(found, hash=self.fork)

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        return [] if self.empty else self._chain.logs_of_block(addresses, block_hash)

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        return [] if self.empty else self._chain.logs(addresses, first, last)


@pytest.fixture
def chain() -> MemoryChain:
    chain = MemoryChain()
    for value in range(20):
        chain.mine([entry(value)])
    return chain


def pool_of(chain: MemoryChain, count: int) -> tuple[EndpointPool, list[View], Clock]:
    views, clock = [View(chain) for _ in range(count)], Clock()
    return EndpointPool([(f"node{i}", view) for i, view in enumerate(views)], clock=clock), views, clock  # type: ignore[arg-type]


def active(pool: EndpointPool) -> str:
    return next(state.name for state in pool.states() if state.active)


def test_a_dead_endpoint_is_replaced_within_the_request_and_returns_when_it_is_well(chain: MemoryChain) -> None:
    pool, views, clock = pool_of(chain, 2)
    assert pool.head() == chain.head()
    views[0].dead = True
    assert pool.head() == chain.head()
    assert active(pool) == "node1"
    assert pool.failovers == 1
    views[0].dead = False
    clock.now += 100.0
    pool.watch()
    assert active(pool) == "node0"
    assert all(not state.trouble for state in pool.states())


def test_all_dead_is_an_error_and_not_forever(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 3)
    for view in views:
        view.dead = True
    with pytest.raises(UnreachableError):
        pool.head()
    views[1].dead = False
    assert pool.chain_id() == chain.id


def test_who_lags_does_not_answer(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 2)
    views[0].behind = 10
    pool.watch()
    assert active(pool) == "node1"
    assert "lags 10" in pool.states()[0].trouble
    assert pool.states()[0].lag == 10
    slightly, late, _ = pool_of(chain, 2)
    late[0].behind = 2
    slightly.watch()
    assert active(slightly) == "node0", "within what is allowed"


def test_who_claims_a_head_that_nobody_else_has_does_not_answer(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 3)
    views[0].ahead = 50
    pool.watch()
    assert active(pool) == "node1"
    assert pool.head() == chain.head()


def test_the_minority_at_a_height_is_out(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 3)
    views[0].fork = "0x" + "ab" * 32
    pool.watch()
    assert "majority" in pool.states()[0].trouble
    assert active(pool) == "node1"


def test_a_head_seen_before_is_not_taken_back_by_the_next_endpoint(chain: MemoryChain) -> None:
    pool, views, clock = pool_of(chain, 2)
    assert pool.head().number == 20
    views[0].dead, views[1].behind = True, 2
    with pytest.raises(UnreachableError, match="behind"):
        pool.head()
    clock.now += 31.0
    assert pool.head().number == 18, "after a while it is believed"


def test_forgotten_logs_contradict_the_header(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 2)
    store = Store(":memory:", "test")
    ingestion = Ingestion(pool, store, [ADDRESS], first_block=1)
    views[0].empty = True
    with pytest.raises(DishonestError, match="by its receipts"):
        ingestion.advance()
    assert store.cursor() is None
    assert pool.distrust("forgot logs")
    while ingestion.advance() is not None:
        pass
    assert list(store.logs()) == chain.logs([ADDRESS], 1, 20)
    # The next block alone: read by its hash.
    chain.mine([entry(99)])
    views[1].empty = True
    with pytest.raises(DishonestError):
        ingestion.advance()
    views[1].empty = False
    assert ingestion.advance() is not None
    assert list(store.logs()) == chain.logs([ADDRESS], 1, 21)


def test_an_invented_head_moves_nothing(chain: MemoryChain) -> None:
    views = [View(chain)]
    pool = EndpointPool([("node0", views[0])])  # type: ignore[list-item]
    store = Store(":memory:", "test")
    ingestion = Ingestion(pool, store, [ADDRESS], first_block=1)
    while ingestion.advance() is not None:
        pass
    for ahead in (1, 2, 200):
        views[0].ahead = ahead
        with pytest.raises(ChainError):
            ingestion.advance()
        assert list(store.logs()) == chain.logs([ADDRESS], 1, 20)
    views[0].ahead = 0
    chain.mine([entry(5)])
    assert ingestion.advance() is not None
    assert list(store.logs()) == chain.logs([ADDRESS], 1, 21)


def test_heads_that_a_liar_claimed_count_no_more_once_it_is_distrusted(chain: MemoryChain) -> None:
    pool, views, _ = pool_of(chain, 2)
    views[0].ahead = 2
    assert pool.head().number == 22
    assert pool.distrust("block 22 is unknown to it")
    assert pool.head() == chain.head()
    assert active(pool) == "node1"


def test_names_show_no_path() -> None:
    assert name_of("https://user:secret@node.example:8545/v3/key") == "node.example:8545"
