"""The faults. Each makes accounts fall while something is wrong, waits until all is well again, and leaves one row of evidence."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from scripts.chaos.evidence import Row, chain_accounts, examine, hash_of
from scripts.chaos.ground import Ground, GroundError, lines
from scripts.chaos.proxy import Misbehaviour, Proxy
from scripts.processes import Child, ChildError

__all__ = ["CONTROLS", "FAULTS", "Fault", "kills", "reorganisations"]

Value = TypeVar("Value")
Fault = Callable[[Ground, random.Random], Row]

_STARTED_S = 60.0
_TAKEOVER_S = 5.0


def kills(count: int) -> list[tuple[str, Fault]]:
    """SIGKILL at a random instant around a fall, `count` times."""
    return [(f"sigkill {number + 1}", _kill) for number in range(count)]


def _kill(ground: Ground, dice: random.Random) -> Row:
    keeper = ground.keeper("killed")
    with _row(ground, "SIGKILL", [keeper]) as row:
        if not keeper.running:
            _start(keeper)
        moment = dice.random() * 0.25
        row.detail = f"{1000 * moment:.0f} ms after the price"
        row.fallen = ground.fall(dice.randint(1, 3))
        time.sleep(moment)
        keeper.kill()
        _start(keeper)
        ground.wait_until_safe()
    return row


def _rpc(name: str, detail: str, misbehaviour: Misbehaviour, *, second: bool) -> Fault:
    """second: a good endpoint stands by."""

    def fault(ground: Ground, _dice: random.Random) -> Row:
        with Proxy(ground.anvil.url, ground.anvil.ws_url) as proxy:
            settings: dict[str, object] = {"rpc_url": proxy.url}
            if second:
                settings["rpc_others"] = ground.anvil.url
            keeper = ground.keeper(**settings)
            with _row(ground, name, [keeper]) as row:
                _start(keeper)
                proxy.misbehaviour = misbehaviour
                row.fallen = ground.fall(2)
                time.sleep(1.0)
                row.fallen += ground.fall(1)
                if not second:
                    time.sleep(4.0)
                    if misbehaviour.drop or misbehaviour.delay or misbehaviour.reorder:
                        ground.wait_until_safe()  # slower, but it works through it
                    proxy.misbehaviour = Misbehaviour()
                ground.wait_until_safe()
                row.detail = f"{detail}; {proxy.spoilt} answers spoilt"
                proxy.misbehaviour = Misbehaviour()
            keeper.stop()
        return row

    return fault


def _hang(ground: Ground, _dice: random.Random) -> Row:
    with Proxy(ground.anvil.url, ground.anvil.ws_url) as proxy:
        keeper = ground.keeper(ws_url=proxy.ws_url, ws_silence=0.5, poll_interval=0.3)
        with _row(ground, "websocket hangs", [keeper]) as row:
            _start(keeper)
            proxy.misbehaviour = Misbehaviour(mute=True)
            row.fallen = ground.fall(2)
            ground.wait_until_safe()
            time.sleep(1.5)
            proxy.misbehaviour = Misbehaviour()
            row.fallen += ground.fall(1)
            ground.wait_until_safe()
            row.detail = "silent socket found out, polling went on"
        keeper.stop()
    return row


def reorganisations(depths: list[int]) -> list[tuple[str, Fault]]:
    return [(f"reorg {depth}", _reorganisation(depth)) for depth in depths]


def _reorganisation(depth: int) -> Fault:
    def fault(ground: Ground, _dice: random.Random) -> Row:
        keeper = ground.keeper("reorganised")
        with _row(ground, f"reorganisation of depth {depth}", [keeper]) as row:
            if not keeper.running:
                _start(keeper)
            # Blocks enough that the reorganisation undoes nothing of the rows before.
            ground.anvil.mine(depth + 1)
            row.fallen = ground.fall(1)
            time.sleep(0.4)
            ground.pause()
            before = ground.head()
            ground.chain.rpc("anvil_reorg", depth, [])
            ground.go_on()
            row.detail = f"blocks {before - depth + 1} to {before} replaced by empty ones"
            ground.publish(ground.price)
            ground.wait_until_safe()
        return row

    return fault


def _fees(ground: Ground, _dice: random.Random) -> Row:
    """The base fee rises twentyfold while a transaction waits: nobody includes it until it is outbid."""
    keeper = ground.keeper(bump_after=1, fee_bump=1.0)
    with _row(ground, "fees x20, stuck nonce", [keeper]) as row:
        ground.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        ground.anvil.mine()
        _start(keeper)
        try:
            ground.blocks_by_hand(on=True)
            row.fallen = ground.fall(2)
            ground.anvil.mine()
            _until(lambda: ground.nonce(block="pending") > ground.nonce(), "a transaction of the keeper waits")
            for _ in range(40):
                # Every block as dear as twenty times the first, whatever is in it.
                ground.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(20 * 10**9))
                ground.publish(ground.price)
                ground.anvil.mine()
                time.sleep(0.25)
                if ground.nonce() >= row.nonce_before + 2:
                    break
        finally:
            ground.chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
            ground.blocks_by_hand(on=False)
        ground.wait_until_safe()
        replaced = [entry for entry in _journal(_folder(keeper)) if entry == "replaced"]
        row.detail = f"outbid {len(replaced)} times"
    keeper.stop()
    return row


def _race(ground: Ground, _dice: random.Random) -> Row:
    """Two keepers with the same key and a lease: only one sends."""
    lease = ground.folder / f"race-{ground.head()}.sqlite"
    keepers = [ground.keeper(lease=lease) for _ in range(2)]
    with _row(ground, "two keepers racing for a lease", keepers, journals=[lease]) as row:
        for keeper in keepers:
            _start(keeper)
        for _ in range(3):
            row.fallen += ground.fall(2)
            ground.wait_until_safe()
        senders = [len(lines(_folder(keeper) / "keeper.log", "sent")) for keeper in keepers]
        row.detail = f"sent {senders[0]} and {senders[1]}"
        if min(senders):
            row.error = "both sent"
    for keeper in keepers:
        keeper.stop()
    return row


def _leader(sign: signal.Signals) -> Fault:
    def fault(ground: Ground, dice: random.Random) -> Row:
        lease = ground.folder / f"lease-{ground.head()}.sqlite"
        keepers = [ground.keeper(lease=lease) for _ in range(2)]
        name = "leader killed" if sign is signal.SIGKILL else "leader frozen"
        with _row(ground, name, keepers[1:], [lease], keepers) as row:
            for keeper in keepers:
                _start(keeper)
            row.fallen = ground.fall(1)
            ground.wait_until_safe()
            time.sleep(dice.random() * 0.5)
            row.fallen += ground.fall(1)
            time.sleep(dice.random() * 0.1)
            process = keepers[0].pid
            killed_at = time.time()
            os.kill(process, sign)
            row.fallen += ground.fall(1)
            taken = _until_value(lambda: lines(_folder(keepers[1]) / "keeper.log", "leading"), "the other takes over", _TAKEOVER_S)
            row.takeover_ms = round(1000.0 * (_stamp(taken[0]["timestamp"]) - killed_at), 1)
            ground.wait_until_safe()
            if sign is not signal.SIGKILL:
                os.kill(process, signal.SIGCONT)
                time.sleep(1.0)
                row.fallen += ground.fall(1)
                ground.wait_until_safe()
            row.detail = f"took over after {row.takeover_ms} ms"
            if row.takeover_ms >= 1000.0:
                row.error = "the take-over took a second or longer"
        for keeper in keepers:
            keeper.kill()
        return row

    return fault


def _disk(ground: Ground, _dice: random.Random) -> Row:
    """No file may grow any more; later they may again. Nothing is sent that could not be written down."""
    keeper = ground.keeper()
    with _row(ground, "disk full", [keeper]) as row:
        _start(keeper)
        resource.prlimit(keeper.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        row.fallen = ground.fall(2)
        time.sleep(3.0)
        sent = ground.nonce() - row.nonce_before
        resource.prlimit(keeper.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ground.wait_until_safe()
        keeper.require_running()
        row.detail = f"{sent} sent while nothing could be written"
        if sent:
            row.error = "sent what could not be written down"
    keeper.stop()
    return row


def _clock(ground: Ground, _dice: random.Random) -> Row:
    keeper = ground.keeper(module="scripts.chaos.skewed", environment={"CHAOS_SKEW": "7200"})
    with _row(ground, "clock skew", [keeper]) as row:
        _start(keeper)
        row.fallen = ground.fall(2)
        ground.wait_until_safe()
        os.kill(keeper.pid, signal.SIGUSR1)
        row.fallen += ground.fall(2)
        ground.wait_until_safe()
        row.detail = "two hours ahead, then two hours behind"
    keeper.stop()
    return row


def _corrupt(ground: Ground, dice: random.Random) -> Row:
    """The database is torn while a transaction waits in the pool: its journal may be lost, the transaction is not."""
    keeper = ground.keeper()
    with _row(ground, "database corrupted", [keeper]) as row:
        _start(keeper)
        row.fallen = ground.fall(1)
        ground.wait_until_safe()
        try:
            ground.blocks_by_hand(on=True)
            row.fallen += ground.fall(1)
            ground.anvil.mine()
            _until(lambda: ground.nonce(block="pending") > ground.nonce(), "a transaction of the keeper waits")
            keeper.kill()
            database = _folder(keeper) / "keeper.sqlite"
            connection = sqlite3.connect(database)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            content = bytearray(database.read_bytes())
            for page in range(1, len(content) // 4096):
                if dice.random() < 0.3:
                    content[page * 4096 : page * 4096 + 2048] = dice.randbytes(2048)
            database.write_bytes(content)
            keeper.start()
            keeper.wait_for("started", _STARTED_S)
            time.sleep(1.5)
            ground.publish(ground.price)
            ground.anvil.mine()
        finally:
            ground.blocks_by_hand(on=False)
        ground.wait_until_safe()
        rebuilt = lines(_folder(keeper) / "keeper.log", "database_rebuilt")
        row.detail = "rebuilt from the chain" if rebuilt else "not noticed"
        if not rebuilt:
            row.error = "the damage was not noticed"
    keeper.stop()
    return row


# --- controls: each must be caught by the check it is for ---


def _control_double(ground: Ground, _dice: random.Random) -> Row:
    """A keeper without memory, while blocks are slow: sends again and again."""
    keeper = ground.keeper(module="scripts.chaos.careless")
    with _row(ground, "control: no journal", [keeper]) as row:
        _start(keeper)
        try:
            ground.blocks_by_hand(on=True)
            row.fallen = ground.fall(1)
            ground.anvil.mine()
            time.sleep(2.5)
            keeper.kill()
            ground.publish(ground.price)
            ground.anvil.mine()
        finally:
            ground.blocks_by_hand(on=False)
        ground.wait_until_safe()
    return row


def _control_state(ground: Ground, _dice: random.Random) -> Row:
    """A database in which one number was changed by hand."""
    keeper = ground.keeper()
    with _row(ground, "control: changed state", [keeper]) as row:
        _start(keeper)
        row.fallen = ground.fall(1)
        ground.wait_until_safe()
        time.sleep(0.5)
        ground.pause()
        keeper.kill()
        connection = sqlite3.connect(_folder(keeper) / "keeper.sqlite")
        connection.execute("DELETE FROM snapshots")
        accounts = "SELECT max(block) FROM logs WHERE address = ?"
        address = ground.deployment.address("Ledger")
        connection.execute(f"DELETE FROM logs WHERE address = ? AND block = ({accounts})", (address, address))  # noqa: S608 - our own words
        connection.commit()
        connection.close()
    return row


def _control_left(ground: Ground, _dice: random.Random) -> Row:
    """Nobody liquidates."""
    with _row(ground, "control: no keeper", []) as row:
        row.fallen = ground.fall(1)
        time.sleep(0.5)
    return row


CONTROLS: list[tuple[str, Fault, Callable[[Row], bool]]] = [
    ("no journal", _control_double, lambda row: row.double_sent > 0),
    ("changed state", _control_state, lambda row: row.keeper_hash != row.chain_hash),
    ("no keeper", _control_left, lambda row: bool(row.left)),
]

FAULTS: list[tuple[str, Fault]] = [
    ("rpc drops", _rpc("RPC drops", "30 % of the requests", Misbehaviour(drop=0.3), second=False)),
    ("rpc delays", _rpc("RPC delays", "up to 0.4 s", Misbehaviour(delay=0.4), second=False)),
    ("rpc reorders", _rpc("RPC reorders", "logs and batches shuffled", Misbehaviour(reorder=True), second=False)),
    (
        "rpc invents head",
        _rpc("RPC lies about the head", "two blocks above, a good endpoint stands by", Misbehaviour(ahead=2), second=True),
    ),
    ("rpc invents head, alone", _rpc("RPC lies about the head, no other", "one block above", Misbehaviour(ahead=1), second=False)),
    ("rpc lags", _rpc("RPC lags", "eight blocks behind, a good endpoint stands by", Misbehaviour(behind=8), second=True)),
    ("rpc empty logs", _rpc("RPC returns empty logs", "a good endpoint stands by", Misbehaviour(empty=True), second=True)),
    ("rpc empty logs, alone", _rpc("RPC returns empty logs, no other", "found out by the header", Misbehaviour(empty=True), second=False)),
    ("websocket", _hang),
    ("fees", _fees),
    ("race", _race),
    ("leader killed", _leader(signal.SIGKILL)),
    ("leader frozen", _leader(signal.SIGSTOP)),
    ("disk full", _disk),
    ("clock skew", _clock),
    ("database corrupted", _corrupt),
]


@contextmanager
def _row(
    ground: Ground, name: str, keepers: list[Child], journals: list[Path] | None = None, running: list[Child] | None = None
) -> Iterator[Row]:
    """Evidence before, and after what is done inside; what goes wrong there is written into the row. keepers: whose state must be the
    chain's; running: those that may run meanwhile, by default the same; all others are stopped."""
    ground.stop_others(keepers if running is None else running)
    row = Row(name, "", ground.nonce())
    row.chain_hash_before = hash_of(chain_accounts(ground, {0: "WETH"}))
    first_block, started = ground.head() + 1, time.monotonic()
    try:
        yield row
    except (GroundError, ChildError) as error:
        row.error = str(error)[:300]
    databases = [_folder(keeper) / "keeper.sqlite" for keeper in keepers]
    examine(ground, row, first_block, databases, databases if journals is None else journals)
    row.seconds = round(time.monotonic() - started, 1)


def _start(keeper: Child) -> None:
    keeper.start()
    keeper.wait_for("started", _STARTED_S)
    keeper.wait_for("assessed", _STARTED_S)


def _folder(keeper: Child) -> Path:
    return keeper.log.parent


def _journal(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "keeper.sqlite")
    found = [str(status) for (status,) in connection.execute("SELECT status FROM transactions")]
    connection.close()
    return found


def _until(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    _until_value(condition, what, timeout)


def _until_value(value: Callable[[], Value], what: str, timeout: float = 20.0) -> Value:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := value():
            return found
        time.sleep(0.01)
    raise GroundError(f"waited {timeout:.0f} s for: {what}")


def _stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
