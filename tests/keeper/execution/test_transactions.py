"""Transaction manager against the in-memory chain: nonces, replacement, restarts, reorganisations; nothing is sent twice."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

from keeper.chain import MemoryChain
from keeper.config import load_config
from keeper.errors import ChainError, ConfigError, ExecutionError
from keeper.execution import Call, Dispatch, FeePolicy, Journal, Signer, Status, TransactionManager

KEY = "0x" + "11" * 32
TARGET = "0x" + "22" * 20
POLICY = FeePolicy.of_gwei(max_fee=100.0, priority_fee=1.0, bump=0.25, bump_after=10.0)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """One signer's manager on a chain; `restart` forgets everything but the database."""

    def __init__(self) -> None:
        self.chain, self.clock = MemoryChain(), Clock()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.signer = Signer(Account.from_key(KEY))
        self.restart()

    def restart(self) -> None:
        self.journal = Journal(self.connection)
        self.manager = TransactionManager(self.chain, self.signer, self.journal, POLICY, self.chain.id, self.clock)
        self.dispatch = Dispatch([self.manager], self.journal, limit=100)

    def submit(self, number: int) -> None:
        self.manager.submit(Call(TARGET, number.to_bytes(4, "big"), "liquidate", number), f"1-{number}", 100_000, self.clock.now)

    def numbers_sent(self) -> list[tuple[int, int]]:
        return [(t.nonce, int.from_bytes(t.data, "big")) for t in self.chain.sent]

    def statuses(self) -> list[Status]:
        return [entry.status for entry in reversed(self.journal.latest(100))]


@pytest.fixture
def world() -> World:
    return World()


def test_several_in_one_block_take_successive_nonces(world: World) -> None:
    for number in (5, 6, 7):
        world.submit(number)
    assert world.numbers_sent() == [(0, 5), (1, 6), (2, 7)]
    assert world.dispatch.busy_accounts == {5, 6, 7}
    world.chain.mine()
    assert [entry.status for entry in world.manager.poll()] == [Status.INCLUDED] * 3
    assert not world.dispatch.busy_accounts
    world.submit(8)
    assert world.numbers_sent()[-1] == (3, 8)


def test_a_reverted_transaction_is_reported_as_such(world: World) -> None:
    world.chain.on_send = lambda _transaction: (False, ())
    world.submit(5)
    world.chain.mine()
    [entry] = world.manager.poll()
    assert (entry.status, entry.block) == (Status.FAILED, 1)


def test_what_nobody_includes_is_outbid_and_the_first_attempt_replaced(world: World) -> None:
    world.submit(5)
    world.clock.now += 11.0
    world.chain.mine(minimum_fee=10**18)
    assert world.manager.poll() == []
    first, second = world.chain.sent
    assert (first.nonce, first.data) == (second.nonce, second.data)
    assert second.max_fee >= first.max_fee * 1.25
    assert second.priority_fee >= first.priority_fee * 1.25
    world.chain.mine()
    [entry] = world.manager.poll()
    assert entry.hash == second.hash
    assert world.statuses() == [Status.REPLACED, Status.INCLUDED]


def test_no_replacement_before_its_time_nor_above_the_cap(world: World) -> None:
    world.submit(5)
    world.clock.now += 9.0
    world.manager.poll()
    assert len(world.chain.sent) == 1
    for _ in range(60):
        world.clock.now += 11.0
        world.manager.poll()
    assert max(transaction.max_fee for transaction in world.chain.sent) <= POLICY.max_fee
    assert 10 < len(world.chain.sent) < 30


def test_the_first_attempt_may_win_after_all(world: World) -> None:
    world.submit(5)
    first = world.chain.sent[0]
    world.clock.now += 11.0
    world.manager.poll()
    world.chain.pending = [first]
    world.chain.mine()
    [entry] = world.manager.poll()
    assert entry.hash == first.hash
    assert sorted(world.statuses()) == sorted([Status.INCLUDED, Status.REPLACED])


def test_it_is_written_down_before_it_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Status]] = []
    send = world.chain.send
    monkeypatch.setattr(world.chain, "send", lambda raw: (seen.append(world.statuses()), send(raw))[1])
    world.submit(5)
    assert seen == [[Status.PREPARED]]
    assert world.statuses() == [Status.SENT]


def test_a_restart_finds_what_was_included_meanwhile(world: World) -> None:
    world.submit(5)
    world.chain.mine()
    world.restart()
    assert [entry.status for entry in world.manager.recover()] == [Status.INCLUDED]
    world.submit(6)
    assert world.numbers_sent() == [(0, 5), (1, 6)]


def test_a_restart_leaves_pending_transactions_pending(world: World) -> None:
    world.submit(5)
    world.restart()
    assert world.manager.recover() == []
    assert world.dispatch.busy_accounts == {5}
    world.submit(6)
    assert world.numbers_sent() == [(0, 5), (1, 6)]


def test_killed_between_journal_and_broadcast_nothing_is_sent_after_the_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_raw: bytes) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.chain, "send", killed)
    with pytest.raises(KeyboardInterrupt):
        world.submit(5)
    monkeypatch.undo()
    world.restart()
    assert [entry.status for entry in world.manager.recover()] == [Status.DROPPED]
    assert world.chain.sent == []
    world.submit(5)
    assert world.numbers_sent() == [(0, 5)], "decided anew, and it happens to be the same transaction"


def test_killed_after_the_broadcast_nothing_is_sent_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    send = world.chain.send

    def killed_after(raw: bytes) -> str:
        send(raw)
        raise KeyboardInterrupt

    monkeypatch.setattr(world.chain, "send", killed_after)
    with pytest.raises(KeyboardInterrupt):
        world.submit(5)
    monkeypatch.undo()
    world.restart()
    world.chain.mine()
    assert [entry.status for entry in world.manager.recover()] == [Status.INCLUDED]
    assert world.numbers_sent() == [(0, 5)]


def test_an_answer_that_got_lost_does_not_free_the_nonce(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    send = world.chain.send

    def lost(raw: bytes) -> str:
        send(raw)
        world.chain.reachable = False
        world.chain.transaction_count(TARGET)
        return ""

    monkeypatch.setattr(world.chain, "send", lost)
    world.submit(5)
    monkeypatch.undo()
    world.chain.reachable = True
    world.submit(6)
    assert world.numbers_sent() == [(0, 5), (1, 6)]
    world.chain.mine()
    assert [entry.status for entry in world.manager.poll()] == [Status.INCLUDED] * 2


def test_another_user_of_the_key_does_not_block_it(world: World) -> None:
    other = World()
    other.chain = world.chain
    other.restart()
    world.submit(5)
    other.submit(6)
    world.submit(7)
    world.chain.mine()
    assert world.numbers_sent() == [(0, 5), (1, 6), (2, 7)]
    assert [entry.status for entry in world.manager.poll()] == [Status.INCLUDED] * 2


def test_a_nonce_used_by_a_stranger_is_given_up(world: World) -> None:
    world.submit(5)
    stranger = World()
    stranger.submit(9)
    stolen = stranger.chain.sent[0]
    world.chain.pending = [stolen]
    world.chain.mine()
    assert world.manager.poll() == [], "the receipt may only be late"
    world.clock.now += 4.0
    [entry] = world.manager.poll()
    assert entry.status is Status.DROPPED
    assert "does not know" in entry.note


def test_a_refusal_by_the_node_is_an_error_and_frees_the_nonce(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_raw: bytes) -> str:
        raise ChainError("insufficient funds for gas")

    monkeypatch.setattr(world.chain, "send", refuse)
    with pytest.raises(ExecutionError, match="insufficient funds"):
        world.submit(5)
    monkeypatch.undo()
    assert not world.dispatch.busy_accounts
    world.submit(6)
    assert world.numbers_sent() == [(0, 6)]


def test_a_reorganisation_opens_what_was_included(world: World) -> None:
    world.submit(5)
    world.chain.mine()
    world.manager.poll()
    world.chain.fork(1)
    assert [entry.account for entry in world.manager.roll_back(0)] == [5]
    assert world.dispatch.busy_accounts == {5}


def test_an_unreachable_node_leaves_everything_open(world: World) -> None:
    world.submit(5)
    world.chain.reachable = False
    with pytest.raises(ChainError):
        world.manager.poll()
    assert world.dispatch.busy_accounts == {5}


@pytest.mark.parametrize("key", ["", "0x12", "not hex", "0x" + "zz" * 32])
def test_a_bad_key_is_refused_without_being_quoted(key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="32 bytes") as refusal:
        Signer.from_config(load_config(private_key=key))
    assert not key or key not in str(refusal.value)


def test_a_keystore_opens_with_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "sesame", iterations=2)))
    signer = Signer.from_config(load_config(keystore=path, keystore_password="sesame"))  # noqa: S106
    assert signer.address == Account.from_key(KEY).address
    with pytest.raises(ConfigError, match="does not open"):
        Signer.from_config(load_config(keystore=path, keystore_password="wrong"))  # noqa: S106
    with pytest.raises(ConfigError, match="does not exist"):
        Signer.from_config(load_config(keystore=tmp_path / "none", keystore_password="x"))  # noqa: S106
