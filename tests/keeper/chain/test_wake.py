"""The websocket wakes, and is found out when it goes silent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from keeper.chain import Wake
from scripts.anvil import Anvil


def until(condition: object, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


def test_a_new_block_wakes_at_once(anvil: Anvil) -> None:
    wake = Wake(anvil.ws_url)
    try:
        assert until(lambda: wake.connected)
        wake.wait(0.2)
        timer = threading.Timer(0.1, anvil.mine)
        timer.start()
        started = time.monotonic()
        assert wake.wait(5.0)
        assert time.monotonic() - started < 2.0
        timer.join()
    finally:
        wake.close()


@pytest.fixture
def mute() -> Iterator[tuple[str, list[ServerConnection]]]:
    """A socket that accepts, announces block 1, and never says a word again."""
    opened: list[ServerConnection] = []

    def handler(connection: ServerConnection) -> None:
        opened.append(connection)
        connection.recv()
        connection.send(json.dumps({"params": {"result": {"number": hex(len(opened))}}}))
        for _ in connection:
            pass

    server: Server = serve(handler, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", opened
    server.shutdown()
    thread.join()


def test_silence_while_the_chain_moves_on_is_a_hang_and_silence_alone_is_none(mute: tuple[str, list[ServerConnection]]) -> None:
    url, opened = mute
    wake = Wake(url, silence=0.4)
    try:
        assert wake.wait(5.0), "block 1 was announced"
        wake.seen(1)
        time.sleep(0.9)
        assert (wake.hangs, len(opened)) == (0, 1), "nothing happened that it should have announced"
        wake.seen(2)
        assert until(lambda: wake.hangs == 1)
        assert until(lambda: len(opened) == 2)
    finally:
        wake.close()


def test_without_an_address_it_is_a_pause() -> None:
    wake = Wake(None)
    started = time.monotonic()
    assert not wake.wait(0.05)
    assert time.monotonic() - started >= 0.04
    wake.close()
