"""A node that misbehaves on command: a proxy in front of a good one, for JSON-RPC over HTTP and for the heads over a websocket."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

__all__ = ["Misbehaviour", "Proxy"]

_TIMEOUT_S = 60.0


@dataclass
class Misbehaviour:
    """drop: share of requests whose connection is closed without an answer; delay: most seconds that an answer is held back;
    reorder: logs and batches come in another order; ahead: invents a head that many blocks above the real one; behind: knows
    nothing of the newest blocks; empty: forgets all logs; mute: the websocket accepts and says nothing."""

    drop: float = 0.0
    delay: float = 0.0
    reorder: bool = False
    ahead: int = 0
    behind: int = 0
    empty: bool = False
    mute: bool = False


class Proxy:
    """Context manager. `misbehaviour` may be replaced at any time; seed: of the dice."""

    def __init__(self, http: str, websocket: str, seed: int = 1) -> None:
        self.target, self.target_websocket = http, websocket
        self.misbehaviour = Misbehaviour()
        self.answered = 0
        self.spoilt = 0
        self._dice = random.Random(seed)
        self._server: ThreadingHTTPServer | None = None
        self._sockets: Server | None = None

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = proxy.answer(json.loads(body))
                if answer is None:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """The client left: that is what the tests are about."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._sockets = serve(self._relay, "127.0.0.1", 0)
        threading.Thread(target=self._sockets.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._sockets is not None:
            self._sockets.shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port if self._server else 0}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._sockets.socket.getsockname()[1] if self._sockets else 0}"

    def answer(self, request: Any) -> Any:
        """The node's answer, spoilt; None closes the connection."""
        now = self.misbehaviour
        if now.drop and self._dice.random() < now.drop:
            self.spoilt += 1
            if self._dice.random() < 0.5:
                return None
            self._forward(request)  # it arrived, only the answer is lost
            return None
        if now.delay:
            time.sleep(self._dice.random() * now.delay)
        self.answered += 1
        if isinstance(request, list):
            answers = [self._single(one, now) for one in request]
            if now.reorder:
                self._dice.shuffle(answers)
            return answers
        return self._single(request, now)

    def _single(self, request: dict[str, Any], now: Misbehaviour) -> Any:
        method, parameters = request.get("method"), request.get("params") or []
        if method == "eth_getLogs" and now.empty:
            self.spoilt += 1
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": []}
        if method == "eth_getBlockByNumber" and (now.ahead or now.behind):
            return self._block(request, parameters, now)
        answer = self._forward(request)
        if method == "eth_getLogs" and now.reorder and isinstance(answer.get("result"), list):
            self._dice.shuffle(answer["result"])
            self.spoilt += 1
        return answer

    def _block(self, request: dict[str, Any], parameters: list[Any], now: Misbehaviour) -> Any:
        self.spoilt += 1
        latest = self._forward({**request, "params": ["latest", False]})["result"]
        head = int(latest["number"], 16)
        if now.ahead and parameters[0] == "latest":
            invented = {"number": hex(head + now.ahead), "hash": "0x" + self._dice.randbytes(32).hex(), "parentHash": "0x" + "ee" * 32}
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": {**latest, **invented}}
        if now.behind:
            if parameters[0] == "latest":
                return self._forward({**request, "params": [hex(max(0, head - now.behind)), False]})
            if parameters[0].startswith("0x") and int(parameters[0], 16) > head - now.behind:
                return {"jsonrpc": "2.0", "id": request.get("id"), "result": None}
        return self._forward(request)

    def _forward(self, request: Any) -> Any:
        body = urllib.request.Request(self.target, json.dumps(request).encode(), {"Content-Type": "application/json"})  # noqa: S310 - ours
        with urllib.request.urlopen(body, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - same
            return json.load(answer)

    def _relay(self, client: ServerConnection) -> None:
        """Heads from the node to the client, while it is not mute."""
        try:
            client.recv(timeout=5.0)
            with connect(self.target_websocket, proxy=None) as node:
                node.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
                while True:
                    try:
                        message = node.recv(timeout=0.2)
                    except TimeoutError:
                        client.ping()
                        continue
                    if not self.misbehaviour.mute:
                        client.send(message)
        except (WebSocketException, OSError, TimeoutError):
            return
