"""Snapshots of states: what comes back equals what went in, and nothing else is ever made from the bytes."""

from __future__ import annotations

import pickle
import zlib
from pathlib import Path

import pytest

from keeper.chain import Decoder, Ingestion, MemoryChain, Store
from keeper.errors import StoreError
from keeper.portfolio import Follower, State
from keeper.portfolio.memory import dump_state, load_state
from tests.keeper.system import address_of, deployment, log

SYSTEM = deployment()
LEDGER = SYSTEM.contract("Ledger")


def follower(chain: MemoryChain, store: Store) -> Follower:
    decoder = Decoder(SYSTEM)
    return Follower(Ingestion(chain, store, decoder.addresses, 1), store, decoder, {})


def opened(account: int) -> list[tuple[str, list[bytes], bytes]]:
    return [
        log(LEDGER, "AccountOpened", account=account, owner=address_of(f"owner {account}"), mode=1),
        log(LEDGER, "CashChanged", account=account, reason=0, change=account, cash=account),
    ]


def catch_up(found: Follower) -> State:
    while found.advance() is not None:
        pass
    return found.state


def test_a_restart_continues_from_the_snapshot_and_ends_where_a_full_replay_ends(tmp_path: Path) -> None:
    chain = MemoryChain()
    path = tmp_path / "keeper.sqlite"
    store = Store(path, "test")
    first = follower(chain, store)
    for account in range(1, 20):
        chain.mine(opened(account))
        catch_up(first)
        if account == 10:
            assert first.save()
            assert not first.save(), "nothing is new"
    state = first.state
    # What the snapshot covers is not folded again: the logs below it may be gone.
    store.connection.execute("DELETE FROM logs WHERE block <= 10")
    assert follower(chain, store).state == state
    store.connection.execute("UPDATE snapshots SET state = x'00'")
    store.connection.execute("DELETE FROM logs WHERE block = 15 AND idx = 0")
    damaged = follower(chain, store)
    assert damaged.state == State(), "logs without their beginning do not add up: everything is read again"
    assert catch_up(damaged) == state
    store.close()


def test_bytes_of_others_are_refused() -> None:
    state = State()
    assert load_state(dump_state(state)) == state
    for content in (b"", b"rubbish", zlib.compress(pickle.dumps({"a": 1})), zlib.compress(pickle.dumps(Path("/")))):
        with pytest.raises(StoreError):
            load_state(content)
