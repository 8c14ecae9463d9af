"""Maker and publisher over real HTTP on loopback: what they say, what they must not make the keeper do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_account import Account as Key

from keeper.chain import Block
from keeper.errors import ExecutionError
from keeper.execution import Inventory, InventoryRules, PriceRelay, Signer
from keeper.model import Account, Instrument, MarginMode, Market, Position, UnderlyingMarket, Wad
from keeper.portfolio import Spot, State
from tests.keeper.system import deployment

SYSTEM = deployment()
PERP = Instrument.perp(0)
BLOCK = Block(5, "0x5", "0x4", 1_780_000_000)
MARKET = Market(BLOCK.time, {0: UnderlyingMarket(1000.0, 1000.0)})
SIGNER = Signer(Key.from_key("0x" + "11" * 32))
RULES = InventoryRules(tolerance=100.0, spread=0.02, timeout=2.0, pause=60.0)


class Peer:
    """An HTTP server that answers everything with what it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.content = 200, json.dumps([])
        self.asked: list[Any] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                peer.asked.append(json.loads(self.rfile.read(length)) if length else None)
                body = peer.content.encode()
                self.send_response(peer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def holding(size: int) -> State:
    position = Position(Wad.whole(size), Wad.whole(1000 * size))
    return State(accounts={2: Account(2, SIGNER.address, MarginMode.PORTFOLIO, Wad.whole(10**6), {}, {PERP: position} if size else {})})


def quote(size: int, price: float, instrument: Instrument = PERP) -> str:
    wad = str(int(price * 1e18))
    order = ["9", str(instrument.pack()), str(size * 10**18), wad, str(10**16), str(BLOCK.time + 10), "1", False, "0x" + "00" * 20]
    return json.dumps({"order": order, "signer": "0x" + "44" * 20, "signature": "0x" + "55" * 65, "price": wad, "mark": wad})


def settle(inventory: Inventory, state: State) -> Any:
    """Polls as the engine does, until there is something to send or nothing is asked any more."""
    for _ in range(200):
        settlement = inventory.next(state, MARKET, {PERP: 1000.0}, BLOCK)
        if settlement is not None:
            return settlement
        time.sleep(0.01)
    return None


def test_a_long_is_sold_to_the_maker_by_two_signed_orders(peer: Peer) -> None:
    peer.content = quote(5, 999.0)
    inventory = Inventory(SYSTEM, SIGNER, 2, peer.url, RULES)
    settlement = settle(inventory, holding(5))
    inventory.close()
    assert peer.asked[0] == {"instrument": str(PERP.pack()), "size": str(-5 * 10**18), "account": 2}
    order = "(uint64,uint112,int128,uint128,uint64,uint64,uint64,bool,address)"
    buy, sell, size, price = decode([f"({order},address,bytes)"] * 2 + ["uint256", "uint256"], settlement.call.data[4:])
    assert (buy[0][0], buy[0][2], sell[0][0], sell[0][2]) == (9, 5 * 10**18, 2, -5 * 10**18)
    assert (size, price, sell[0][3]) == (5 * 10**18, 999 * 10**18, 999 * 10**18)
    assert sell[1].lower() == SIGNER.address.lower()
    assert len(sell[2]) == 65
    assert sell[0][5] > BLOCK.time


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (quote(5, 970.0), "away from the mark"),
        (quote(6, 999.0), "asked the maker"),
        (quote(-5, 999.0), "asked the maker"),
        (quote(5, 999.0, Instrument.perp(1)), "asked the maker"),
        (json.dumps({"order": [1, 2]}), "no usable quote"),
        ("not json", "no usable quote"),
    ],
)
def test_a_quote_that_is_not_what_was_asked_for_is_refused(peer: Peer, content: str, reason: str) -> None:
    peer.content = content
    inventory = Inventory(SYSTEM, SIGNER, 2, peer.url, RULES)
    with pytest.raises(ExecutionError, match=reason):
        settle(inventory, holding(5))
    assert inventory.next(holding(5), MARKET, {PERP: 1000.0}, BLOCK) is None
    inventory.close()
    assert len(peer.asked) == 1, "the instrument is paused after a refusal"


def test_after_a_refusal_half_is_asked(peer: Peer) -> None:
    peer.status, peer.content = 409, json.dumps({"error": "the maker's initial margin"})
    inventory = Inventory(SYSTEM, SIGNER, 2, peer.url, InventoryRules(100.0, 0.02, 2.0, pause=0.0))
    for _ in range(2):
        with pytest.raises(ExecutionError, match="initial margin"):
            settle(inventory, holding(8))
    inventory.close()
    assert [int(asked["size"]) for asked in peer.asked] == [-8 * 10**18, -4 * 10**18]


def test_small_positions_and_an_empty_book_ask_nobody(peer: Peer) -> None:
    inventory = Inventory(SYSTEM, SIGNER, 2, peer.url, InventoryRules(10_000.0, 0.02, 2.0, 1.0))
    for state in (holding(5), holding(0)):
        assert inventory.next(state, MARKET, {PERP: 1000.0}, BLOCK) is None
    inventory.close()
    assert peer.asked == []


def test_a_position_that_changed_while_we_asked_is_asked_again(peer: Peer) -> None:
    peer.content = quote(5, 999.0)
    inventory = Inventory(SYSTEM, SIGNER, 2, peer.url, RULES)
    assert inventory.next(holding(5), MARKET, {PERP: 1000.0}, BLOCK) is None
    while not peer.asked:
        time.sleep(0.01)
    time.sleep(0.1)
    assert inventory.next(holding(3), MARKET, {PERP: 1000.0}, BLOCK) is None
    inventory.close()


def update(underlying: int, timestamp: int) -> dict[str, Any]:
    quote = [str(n) for n in (1_790_000_000, 10, -3, 4, 5, -6, 7, 8, 9, 10)]
    return {"symbol": "X", "update": [str(underlying), str(timestamp), "1000", "1001", "10000", [quote]], "signatures": ["0x" + "66" * 65]}


def test_only_newer_prices_are_relayed(peer: Peer) -> None:
    peer.content = json.dumps([update(0, 100), update(1, 100)])
    relay = PriceRelay(SYSTEM, peer.url, 2.0, patience=0.0)
    spots = {0: Spot(100, 1, 1, 1), 1: Spot(90, 1, 1, 1)}
    assert relay.call(spots) is None
    assert peer.asked == [], "nothing is asked before it is wanted"
    relay.wanted()
    relay.wanted()
    call = None
    for _ in range(200):
        call = call or relay.call(spots)
        time.sleep(0.005)
    relay.close()
    assert call is not None
    assert len(peer.asked) == 1
    quote = "(uint32,uint96,int64,int64,uint64,int64,int64,uint64,uint96,uint64)"
    updates, signatures = decode([f"(uint8,uint32,uint96,uint96,uint16,{quote}[])[]", "bytes[][]"], call.data[4:])
    assert updates == ((1, 100, 1000, 1001, 10_000, ((1_790_000_000, 10, -3, 4, 5, -6, 7, 8, 9, 10),)),)
    assert signatures == ((b"\x66" * 65,),)


def test_a_publisher_that_hangs_or_errs_holds_nobody_up(peer: Peer) -> None:
    peer.status, peer.content = 500, "oops"
    relay = PriceRelay(SYSTEM, peer.url, 0.5, patience=0.0)
    relay.wanted()
    reason = None
    for _ in range(200):
        started = time.monotonic()
        try:
            assert relay.call({}) is None
        except ExecutionError as error:
            reason = str(error)
            break
        assert time.monotonic() - started < 0.2
        time.sleep(0.01)
    relay.close()
    assert reason is not None
    assert "no usable updates" in reason


def test_a_publisher_that_submits_itself_is_given_time(peer: Peer) -> None:
    relay = PriceRelay(SYSTEM, peer.url, 2.0, patience=0.05)
    for _ in range(20):
        relay.wanted()
        time.sleep(0.01)
        relay.updated()
    assert peer.asked == []
    relay.wanted()
    time.sleep(0.06)
    relay.wanted()
    for _ in range(200):
        if peer.asked:
            break
        time.sleep(0.01)
    relay.close()
    assert len(peer.asked) == 1
