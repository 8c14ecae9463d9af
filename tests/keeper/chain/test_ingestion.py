"""Ingestion on the in-memory chain: what is stored equals what the chain says, whatever the chain did in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from keeper.chain import Ingestion, MemoryChain, Store
from keeper.errors import ChainError, StoreError

ADDRESS, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
Entry = tuple[str, list[bytes], bytes]


def entry(value: int, address: str = ADDRESS) -> Entry:
    return address, [value.to_bytes(32, "big")], value.to_bytes(8, "big")


def catch_up(ingestion: Ingestion) -> int:
    steps = 0
    while ingestion.advance() is not None:
        steps += 1
    return steps


def stored(store: Store) -> list[tuple[int, bytes]]:
    return [(log.block, log.data) for log in store.logs()]


def on_chain(chain: MemoryChain) -> list[tuple[int, bytes]]:
    return [(log.block, log.data) for log in chain.logs([ADDRESS], 0, chain.head().number)]


@pytest.fixture
def chain() -> MemoryChain:
    return MemoryChain()


@pytest.fixture
def store() -> Store:
    return Store(":memory:", "test")


def test_reads_from_the_first_block_and_then_only_what_is_new(chain: MemoryChain, store: Store) -> None:
    for value in range(5):
        chain.mine([entry(value), entry(100 + value, OTHER)])
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=2)
    catch_up(ingestion)
    assert stored(store) == [(block, (block - 1).to_bytes(8, "big")) for block in range(2, 6)]
    assert ingestion.advance() is None
    chain.mine([entry(9)])
    step = ingestion.advance()
    assert step is not None
    assert [log.data for log in step.logs] == [(9).to_bytes(8, "big")]
    assert step.rolled_back_to is None
    assert step.caught_up


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_rolls_back_to_the_common_ancestor(chain: MemoryChain, store: Store, depth: int) -> None:
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    for value in range(10):
        chain.mine([entry(value)])
        catch_up(ingestion)
    chain.fork(depth)
    for value in range(depth + 1):
        chain.mine([entry(50 + value)])
    step = ingestion.advance()
    assert step is not None
    assert step.rolled_back_to == 10 - depth
    catch_up(ingestion)
    assert stored(store) == on_chain(chain)
    assert (50).to_bytes(8, "big") in [data for _, data in stored(store)]


def test_a_chain_that_became_shorter_is_followed_down(chain: MemoryChain, store: Store) -> None:
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    for value in range(6):
        chain.mine([entry(value)])
        catch_up(ingestion)
    chain.fork(4)
    step = ingestion.advance()
    assert step is not None
    assert (step.rolled_back_to, step.cursor.number, step.logs) == (2, 2, ())
    assert stored(store) == on_chain(chain)


def test_a_lagging_node_is_not_a_reorganisation(chain: MemoryChain, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    for value in range(3):
        chain.mine([entry(value)])
    catch_up(ingestion)
    old = chain.block(2)
    monkeypatch.setattr(chain, "head", lambda: old)
    assert ingestion.advance() is None
    assert len(stored(store)) == 3


def test_ranges_shrink_until_the_node_accepts_them(chain: MemoryChain, store: Store) -> None:
    for value in range(300):
        chain.mine([entry(value)])
    chain.largest_range = 7
    catch_up(Ingestion(chain, store, [ADDRESS], first_block=1))
    assert [block for block, _ in stored(store)] == list(range(1, 301))


def test_a_block_that_changes_while_it_is_read_is_not_stored(chain: MemoryChain, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in range(5):
        chain.mine([entry(value)])
    read = chain.logs

    def logs_then_fork(addresses: list[str], first: int, last: int) -> object:
        found = read(addresses, first, last)
        chain.fork(1)
        chain.mine([entry(77)])
        return found

    monkeypatch.setattr(chain, "logs", logs_then_fork)
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    with pytest.raises(ChainError, match="changed while"):
        ingestion.advance()
    assert store.cursor() is None
    monkeypatch.undo()
    catch_up(ingestion)
    assert stored(store) == on_chain(chain)


def test_random_histories_end_equal_to_the_chain(chain: MemoryChain, store: Store) -> None:
    dice = random.Random(7)
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    for step in range(300):
        if chain.head().number > 20 and dice.random() < 0.1:
            chain.fork(dice.randint(1, 15))
        for _ in range(dice.randint(0, 3)):
            chain.mine([entry(1000 * step + n) for n in range(dice.randint(0, 2))])
        if dice.random() < 0.5:
            ingestion.advance()
    catch_up(ingestion)
    assert stored(store) == on_chain(chain)
    cursor = store.cursor()
    assert cursor is not None
    assert cursor.hash == chain.head().hash


def test_a_rollback_whose_reading_fails_is_told_with_the_next_step(
    chain: MemoryChain, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion = Ingestion(chain, store, [ADDRESS], first_block=1)
    for value in range(8):
        chain.mine([entry(value)])
        catch_up(ingestion)
    chain.fork(3)
    for value in range(4):
        chain.mine([entry(60 + value)])

    def fails(*_: object) -> object:
        raise ChainError("not now")

    for name in ("logs", "logs_of_block"):
        monkeypatch.setattr(chain, name, fails)
    for _ in range(2):
        with pytest.raises(ChainError, match="not now"):
            ingestion.advance()
    monkeypatch.undo()
    step = ingestion.advance()
    assert step is not None
    assert step.rolled_back_to == 5
    catch_up(ingestion)
    assert stored(store) == on_chain(chain)


def test_the_cursor_survives_a_restart(chain: MemoryChain, tmp_path: Path) -> None:
    for value in range(4):
        chain.mine([entry(value)])
    first = Store(tmp_path / "keeper.sqlite", "test")
    catch_up(Ingestion(chain, first, [ADDRESS], first_block=1))
    first.close()
    chain.mine([entry(4)])
    second = Store(tmp_path / "keeper.sqlite", "test")
    step = Ingestion(chain, second, [ADDRESS], first_block=1).advance()
    assert step is not None
    assert len(step.logs) == 1
    assert stored(second) == on_chain(chain)
    second.close()


def test_another_deployments_database_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "keeper.sqlite", "one").close()
    with pytest.raises(StoreError, match="filled from deployment one"):
        Store(tmp_path / "keeper.sqlite", "two")


def test_one_keeper_per_database(tmp_path: Path) -> None:
    first = Store(tmp_path / "keeper.sqlite", "test", exclusive=True)
    with pytest.raises(StoreError, match="another keeper"):
        Store(tmp_path / "keeper.sqlite", "test", exclusive=True)
    copy = Store.copy_of(tmp_path / "keeper.sqlite", "test")
    copy.close()
    first.close()
    Store(tmp_path / "keeper.sqlite", "test", exclusive=True).close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    path.write_text("not a database, but long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="move it away"):
        Store(path, "test")
