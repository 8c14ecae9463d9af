"""Several signers, unknown transactions at our nonces, caps, a private relay, an external signer: on the in-memory chain."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from keeper.chain import MemoryChain
from keeper.errors import CapError, ExecutionError, LeaseError, UnreachableError
from keeper.execution import Call, Dispatch, ExternalSigner, FeePolicy, Journal, Lease, Order, Signer, Status, TransactionManager
from keeper.execution.orders import order_hash

KEYS = ["0x" + digit * 64 for digit in "123"]
TARGET = "0x" + "22" * 20
POLICY = FeePolicy.of_gwei(max_fee=100.0, priority_fee=1.0, bump=0.25, bump_after=10.0)
GWEI = 10**9


class World:
    def __init__(self, policy: FeePolicy = POLICY, signers: int = 1, limit: int = 100, relay: MemoryChain | None = None) -> None:
        self.chain, self.now = MemoryChain(), 1000.0
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.journal = Journal(self.connection)
        self.policy, self.relay, self.limit = policy, relay, limit
        self.signers = [Signer(Account.from_key(key)) for key in KEYS[:signers]]
        self.dispatch = self.restarted(self.journal)

    def restarted(self, journal: Journal) -> Dispatch:
        managers = [
            TransactionManager(self.chain, signer, journal, self.policy, self.chain.id, lambda: self.now, relay=self.relay)
            for signer in self.signers
        ]
        return Dispatch(managers, journal, self.limit)

    def submit(self, number: int, dispatch: Dispatch | None = None, accounts: tuple[int, ...] = ()) -> None:
        call = Call(TARGET, number.to_bytes(4, "big"), "liquidate", number, accounts)
        (dispatch or self.dispatch).submit(call, f"1-{number}", 100_000, self.now)

    def sent(self) -> list[tuple[str, int, int]]:
        return [(t.sender, t.nonce, int.from_bytes(t.data, "big")) for t in self.chain.sent]


def test_signers_take_turns_each_with_nonces_of_its_own() -> None:
    world = World(signers=3, limit=2)
    for number in range(6):
        world.submit(number)
    one, two, three = (signer.address for signer in world.signers)
    assert [(sender, nonce) for sender, nonce, _ in world.sent()] == [(one, 0), (two, 0), (three, 0), (one, 1), (two, 1), (three, 1)]
    assert not world.dispatch.has_room
    with pytest.raises(ExecutionError, match="in flight"):
        world.submit(9)
    assert world.dispatch.busy_accounts == frozenset(range(6))
    world.chain.mine()
    assert [entry.status for entry in world.dispatch.poll()] == [Status.INCLUDED] * 6
    world.submit(9)
    assert world.sent()[-1] == (one, 2, 9)


def test_a_batch_keeps_all_of_its_accounts_busy() -> None:
    world = World()
    world.submit(4, accounts=(4, 5, 6))
    assert world.dispatch.busy_accounts == {4, 5, 6}
    world.now += 11.0
    world.dispatch.poll()
    assert len(world.chain.sent) == 2
    assert world.dispatch.busy_accounts == {4, 5, 6}, "the replacement concerns them too"


def test_without_its_journal_it_waits_for_what_is_in_flight_and_the_control_sends_twice() -> None:
    """The same account is wanted again by a keeper whose journal was lost: it waits for the unknown transaction to end."""
    world = World()
    world.submit(7)
    lost = world.restarted(Journal(sqlite3.connect(":memory:", isolation_level=None)))
    lost.recover()
    assert not lost.has_room
    with pytest.raises(ExecutionError, match="unknown"):
        world.submit(7, lost)
    assert len(world.chain.sent) == 1
    world.chain.mine()
    assert lost.has_room
    world.submit(8, lost)
    assert world.sent()[-1][1:] == (1, 8)
    # The control: a keeper that does not recover sends the second time.
    world.submit(9)
    control = world.restarted(Journal(sqlite3.connect(":memory:", isolation_level=None)))
    world.submit(9, control)
    assert [number for _, _, number in world.sent()].count(9) == 2


def test_an_unknown_transaction_that_is_stuck_is_outbid_at_its_nonce() -> None:
    world = World()
    world.submit(7)
    lost = world.restarted(Journal(sqlite3.connect(":memory:", isolation_level=None)))
    lost.recover()
    world.now += 11.0
    assert lost.has_room
    world.submit(8, lost)
    assert [(nonce, number) for _, nonce, number in world.sent()] == [(0, 7), (0, 8)]
    assert [int.from_bytes(transaction.data, "big") for transaction in world.chain.pending] == [8]
    world.chain.mine()
    world.submit(9, lost)
    assert world.sent()[-1][1:] == (1, 9)


def test_a_dearer_chain_with_a_stuck_nonce_is_paid_up_to_the_cap() -> None:
    world = World()
    world.chain.base_fee = GWEI
    world.submit(5)
    world.chain.base_fee = 20 * GWEI
    world.chain.mine(minimum_fee=20 * GWEI)
    assert world.dispatch.poll() == []
    world.now += 11.0
    world.dispatch.poll()
    assert world.chain.sent[-1].max_fee >= 41 * GWEI
    world.chain.mine(minimum_fee=20 * GWEI)
    assert [entry.status for entry in world.dispatch.poll()] == [Status.INCLUDED]


def test_caps_per_transaction_and_per_day() -> None:
    # 100,000 gas at up to 21 gwei: 0.0021 ETH each.
    dear = World(replace(POLICY, per_transaction=2 * 10**15))
    dear.chain.base_fee = 10 * GWEI
    with pytest.raises(CapError, match="may cost"):
        dear.submit(1)
    assert dear.chain.sent == []
    daily = World(replace(POLICY, per_day=5 * 10**15))
    daily.chain.base_fee = 10 * GWEI
    daily.submit(1)
    daily.submit(2)
    with pytest.raises(CapError, match="of the day"):
        daily.submit(3)
    daily.chain.mine()
    daily.dispatch.poll()
    daily.submit(3)
    daily.now += 86_400.0
    daily.submit(4)
    # Nor does a replacement cost more than is allowed.
    capped = World(replace(POLICY, per_transaction=22 * 10**14))
    capped.chain.base_fee = 10 * GWEI
    capped.submit(1)
    capped.now += 11.0
    capped.dispatch.poll()
    assert len({transaction.max_fee for transaction in capped.chain.sent}) == 1


def test_a_private_relay_comes_first_and_the_public_node_when_it_takes_too_long() -> None:
    relay = MemoryChain()
    world = World(relay=relay)
    world.submit(5)
    assert (len(relay.sent), len(world.chain.sent)) == (1, 0)
    world.now += 11.0
    world.dispatch.poll()
    assert (len(relay.sent), len(world.chain.sent)) == (1, 1)


def test_the_nonce_is_used_even_if_the_database_fails_after_the_broadcast(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.submit(4)
    written = world.journal.sent

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(world.journal, "sent", full)
    with pytest.raises(sqlite3.OperationalError):
        world.submit(5)
    monkeypatch.setattr(world.journal, "sent", written)
    assert world.dispatch.busy_accounts == {4, 5}
    world.submit(6)
    assert [(nonce, number) for _, nonce, number in world.sent()] == [(0, 4), (1, 5), (2, 6)]


def test_what_cannot_be_written_down_is_not_sent() -> None:
    world = World()
    world.connection.execute("PRAGMA max_page_count = 1")

    def submit_all() -> None:
        for number in range(100):
            world.submit(number)

    with pytest.raises(sqlite3.OperationalError, match="full"):
        submit_all()
    assert len(world.chain.sent) == len(world.journal.latest(1_000))


# --- the lease ---


class Monotonic:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_one_leads_and_the_next_takes_over_when_it_is_silent(tmp_path: Path) -> None:
    clock, path = Monotonic(), tmp_path / "shared.sqlite"
    first, second = (Lease(path, seconds=0.5, clock=clock, holder=name) for name in ("first", "second"))
    assert first.attempt()
    assert not second.attempt()
    clock.now += 0.4
    assert first.attempt(), "renewed"
    clock.now += 0.4
    assert not second.attempt()
    clock.now += 0.11
    assert not first.held
    assert second.attempt()
    assert not first.attempt()
    assert second.token == 2
    second.close()
    assert first.attempt(), "given back"


def test_who_lost_the_lease_writes_nothing_and_so_sends_nothing(tmp_path: Path) -> None:
    clock, path = Monotonic(), tmp_path / "shared.sqlite"
    first, second = (Lease(path, seconds=0.5, clock=clock, holder=name) for name in ("first", "second"))
    chain, signer = MemoryChain(), Signer(Account.from_key(KEYS[0]))
    connections = [sqlite3.connect(str(path), isolation_level=None) for _ in range(2)]
    managers = [
        TransactionManager(chain, signer, Journal(connection, lease.fence(connection)), POLICY, chain.id)
        for connection, lease in zip(connections, (first, second), strict=True)
    ]
    call = Call(TARGET, b"\x00\x00\x00\x05", "liquidate", 5)
    assert first.attempt()
    managers[0].submit(call, "c", 100_000, 0.0)
    clock.now += 1.0
    assert second.attempt()
    with pytest.raises(LeaseError):
        managers[0].submit(replace(call, account=6), "c", 100_000, 0.0)
    managers[1].recover()
    assert Dispatch([managers[1]], Journal(connections[1]), 9).busy_accounts == {5}, "what the first began the second finds"
    assert len(chain.sent) == 1
    for connection in connections:
        connection.close()


def test_a_lease_of_before_a_reboot_is_over(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    first = Lease(path, clock=Monotonic(), holder="first")
    assert first.attempt()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE lease SET boot = 'another'")
    connection.commit()
    connection.close()
    assert Lease(path, clock=Monotonic(), holder="second").attempt()


def test_threads_renew_and_a_stuck_loop_loses_it(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    first, second = Lease(path, seconds=0.3, stuck=0.6, holder="first"), Lease(path, seconds=0.3, holder="second")
    assert first.attempt()
    first.start()
    second.start()
    waited = threading.Event()
    for _ in range(8):
        waited.wait(0.1)
        first.beat()
        second.beat()
    assert (first.held, second.held) == (True, False)
    for _ in range(20):
        waited.wait(0.1)
        second.beat()
    assert (first.held, second.held) == (False, True)
    first.close()
    second.close()


# --- the external signer ---


@pytest.fixture
def clef() -> Iterator[tuple[str, list[Callable[[Any], Any]]]]:
    """A signer behind JSON-RPC with KEYS[0]; twists: applied to what it is asked to sign."""
    account, twists = Account.from_key(KEYS[0]), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if request["method"] == "account_signTransaction":
                [wanted] = request["params"]
                for twist in twists:
                    twist(wanted)
                fields = {key: int(wanted[key], 16) for key in ("chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas")}
                signed = account.sign_transaction({**fields, "type": 2, "to": wanted["to"], "data": wanted["data"]})
                result: Any = {"raw": "0x" + bytes(signed.raw_transaction).hex()}
            else:
                result = "0x" + bytes(account.sign_message(encode_typed_data(full_message=request["params"][1])).signature).hex()
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", twists
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_elsewhere_signs_transactions_and_orders(clef: tuple[str, list[Callable[[Any], Any]]]) -> None:
    url, _ = clef
    address = Account.from_key(KEYS[0]).address
    signer, chain = ExternalSigner(url, address, 5.0), MemoryChain()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    manager = TransactionManager(chain, signer, Journal(connection), POLICY, chain.id)
    entry = manager.submit(Call(TARGET, b"\x01\x02", "liquidate", 5), "c", 100_000, 0.0)
    [sent] = chain.sent
    assert (sent.sender, sent.hash, sent.data) == (address, entry.hash, b"\x01\x02")
    order = Order(1, 5, -(10**18), 10**18, 10**15, 2**40, 7)
    signed = signer.sign_order(order, 31337, TARGET)
    assert Account._recover_hash(order_hash(order, 31337, TARGET), signature=signed.signature) == address
    assert signed.as_tuple() == Signer(Account.from_key(KEYS[0])).sign_order(order, 31337, TARGET).as_tuple()


def test_what_comes_back_changed_is_not_sent(clef: tuple[str, list[Callable[[Any], Any]]]) -> None:
    url, twists = clef
    address, chain = Account.from_key(KEYS[0]).address, MemoryChain()
    call = Call(TARGET, b"\x01\x02", "liquidate", 5)

    def manager(signer: ExternalSigner) -> TransactionManager:
        return TransactionManager(chain, signer, Journal(sqlite3.connect(":memory:", isolation_level=None)), POLICY, chain.id)

    for twist in (lambda w: w.update(nonce="0x9"), lambda w: w.update(to="0x" + "33" * 20), lambda w: w.update(data="0x")):
        twists[:] = [twist]
        with pytest.raises(ExecutionError, match="changed"):
            manager(ExternalSigner(url, address, 5.0)).submit(call, "c", 100_000, 0.0)
    twists.clear()
    with pytest.raises(ExecutionError, match="signed as"):
        manager(ExternalSigner(url, "0x" + "44" * 20, 5.0)).submit(call, "c", 100_000, 0.0)
    with pytest.raises(ExecutionError, match="does not answer"):
        manager(ExternalSigner("http://127.0.0.1:9", address, 0.5)).submit(call, "c", 100_000, 0.0)
    assert chain.sent == []
    assert not issubclass(ExecutionError, UnreachableError)
