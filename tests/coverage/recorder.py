"""pytest plugin that writes down what the contracts were asked while tests ran: `pytest -p tests.coverage.recorder --record out/coverage`.

It listens where tests talk to their node (Brownie, web3, `scripts.chain`, `scripts.anvil`), and asks it for the call trace of each
transaction and of each call that reverted. Two files per process:

    calls-<worker>.json    [contract, selector, outcome, test] once each; outcome: "ok", or selector of the error that it raised itself
    stream-<worker>.jsonl  every transaction, call, snapshot and change of state in order, with the number of the node that was asked:
                           tests/forge/coverage repeats them
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from scripts.anvil import Anvil, AnvilError
from scripts.artifacts import BUILD

__all__ = ["OK", "Recorder"]

OK = "ok"
_TRACER = {"tracer": "callTracer"}
_MINED_S, _POLL_S = 10.0, 0.005
_SENDING = {"eth_sendTransaction", "eth_sendRawTransaction"}
_ASKING = {"eth_call", "eth_estimateGas"}
_STATE = {"evm_snapshot", "evm_revert", "anvil_setBalance", "anvil_setStorageAt", "anvil_setCode"}
_MINING = {"evm_mine", "anvil_mine"}
_MOVING = {*_SENDING, *_MINING, "evm_revert", "evm_increaseTime", "evm_setAutomine"}


class Recorder:
    """What goes to the nodes of one process."""

    def __init__(self, stream: Path) -> None:
        self.test = ""
        self.outcomes: dict[tuple[str, str, str], str] = {}
        self._creations = _creation_codes()
        self._stream = stream.open("w")
        self._nodes: dict[str, _Node] = {}
        self._asking = False

    def saw(self, url: str, method: str, params: Any, answer: Mapping[str, Any]) -> None:
        """One request to the node at `url` and its answer."""
        if self._asking:
            return
        self._asking = True
        try:
            if url not in self._nodes:
                self._nodes[url] = _Node(self, url, len(self._nodes))
            self._nodes[url].saw(method, params, answer)
        finally:
            self._asking = False

    def close(self) -> None:
        self._stream.close()

    def outcome(self, contract: str, selector: str, outcome: str) -> None:
        self.outcomes.setdefault((contract, selector, outcome), self.test)

    def named(self, creation: str) -> tuple[str, str]:
        """Contract and constructor arguments of a creation; `?` where it is none of the project's."""
        code = creation.removeprefix("0x")
        name = next((name for name, known in self._creations.items() if code.startswith(known)), "?")
        return name, "0x" + code.removeprefix(self._creations.get(name, ""))

    def write(self, **entry: Any) -> None:
        self._stream.write(json.dumps({"test": self.test, **entry}) + "\n")


class _Node:
    """What goes to one of them."""

    def __init__(self, recorder: Recorder, url: str, number: int) -> None:
        self._recorder = recorder
        self._url = url
        self._number = number
        self._names: dict[str, str] = {}  # address -> contract
        self._head: dict[str, int] | None = None
        self._waiting: list[str] | None = None  # transactions that nobody mines for the moment, where a test mines itself

    def saw(self, method: str, params: Any, answer: Mapping[str, Any]) -> None:
        if method in _MOVING:
            self._head = None
        if method == "evm_setAutomine":
            self._mined()
            self._waiting = None if params[0] else []
        elif method in _MINING:
            self._mined()
        elif method in _SENDING and "result" in answer:
            self._sent(answer["result"])
        elif method in _ASKING:
            self._call(method, params, answer)
        elif method in _STATE and "result" in answer:
            self._write(kind=method, params=params, result=answer["result"])

    def _sent(self, identifier: str) -> None:
        if self._waiting is not None:
            self._waiting.append(identifier)
            return
        deadline = time.monotonic() + _MINED_S  # the hash is answered before the block is there
        while self._node("eth_getTransactionReceipt", identifier) is None:
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_S)
        self._transaction(identifier)

    def _mined(self) -> None:
        """What waited and is in a block now, in its order there."""
        if not self._waiting:
            return
        receipts = {identifier: self._node("eth_getTransactionReceipt", identifier) for identifier in self._waiting}
        places = {name: (int(r["blockNumber"], 16), int(r["transactionIndex"], 16)) for name, r in receipts.items() if r is not None}
        for identifier in sorted(places, key=places.__getitem__):
            self._transaction(identifier)
        self._waiting = [identifier for identifier in self._waiting if identifier not in places]

    def _transaction(self, identifier: str) -> None:
        sent = self._node("eth_getTransactionByHash", identifier)
        trace = self._node("debug_traceTransaction", identifier, _TRACER)
        self._frame(trace)
        self._write(
            kind="transaction",
            sender=sent["from"],
            to=sent["to"],
            data=sent["input"],
            value=int(sent["value"], 16),
            nonce=int(sent["nonce"], 16),
            ok="error" not in trace,
            **(dict(zip(("creates", "arguments"), self._recorder.named(trace["input"]), strict=True)) if sent["to"] is None else {}),
            **self._now(),
        )

    def _call(self, method: str, params: Any, answer: Mapping[str, Any]) -> None:
        asked = params[0]
        to, data = str(asked.get("to") or "").lower(), asked.get("data") or asked.get("input") or "0x"
        if to not in self._names or (len(params) > 1 and params[1] not in ("latest", "pending")):
            return
        failed = "error" in answer
        if failed:
            try:
                self._frame(self._node("debug_traceCall", asked, "latest", _TRACER))
            except AnvilError:
                return  # refused before it ran: no gas, no balance
        elif method == "eth_call":
            self._outcome(to, data, OK)
        else:
            return  # the transaction follows
        sender = asked.get("from") or "0x" + "00" * 20
        value = int(asked.get("value") or "0x0", 16)
        self._write(kind="call", sender=sender, to=to, data=data, value=value, ok=not failed, **self._now())

    def _node(self, method: str, *params: Any) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = requests.post(self._url, json=question, timeout=120).json()
        if "error" in answer:
            raise AnvilError(str(answer["error"]))
        return answer["result"]

    def _now(self) -> dict[str, int]:
        if self._head is None:
            block = self._node("eth_getBlockByNumber", "latest", False)
            self._head = {"number": int(block["number"], 16), "time": int(block["timestamp"], 16)}
        return self._head

    # --- traces ---

    def _frame(self, frame: Mapping[str, Any]) -> None:
        children = frame.get("calls") or []
        to, data = str(frame.get("to") or "").lower(), frame.get("input") or "0x"
        if str(frame.get("type", "")).startswith("CREATE"):
            if "error" not in frame:
                self._names[to], _ = self._recorder.named(data)
            data = "constructor"
        failed, output = "error" in frame, frame.get("output") or "0x"
        own = failed and not any("error" in child and (child.get("output") or "0x") == output for child in children)
        if to in self._names and (own or not failed):
            self._outcome(to, data, (output[:10] or "0x") if failed else OK)
        for child in children:
            self._frame(child)

    def _outcome(self, to: str, data: str, outcome: str) -> None:
        selector = data[:10] if data.startswith("0x") else data
        self._recorder.outcome(self._names[to], selector, outcome)

    def _write(self, **entry: Any) -> None:
        self._recorder.write(node=self._number, **entry)


def _creation_codes() -> dict[str, str]:
    """Contract -> creation code, the longest first."""
    codes = {path.stem: json.loads(path.read_text())["bytecode"] for path in BUILD.glob("*.json")}
    return dict(sorted(((name, code) for name, code in codes.items() if code), key=lambda item: -len(item[1])))


# --- pytest ---


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, default=Path("out/coverage"), help="folder for what the contracts were asked")


def pytest_configure(config: pytest.Config) -> None:
    folder, worker = config.getoption("--record"), os.environ.get("PYTEST_XDIST_WORKER", "main")
    if worker == "main" and getattr(config.option, "numprocesses", None):
        return  # the workers record
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder / f"stream-{worker}.jsonl")
    config.pluginmanager.register(_Plugin(recorder, folder / f"calls-{worker}.json"))


class _Plugin:
    def __init__(self, recorder: Recorder, calls: Path) -> None:
        self._recorder, self._calls = recorder, calls
        self._listen()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.nodeid.partition("::")[0] != self._recorder.test.partition("::")[0]:
            self._save()  # a run that is broken off tells what it saw
        self._recorder.test = item.nodeid
        return (yield)

    def pytest_sessionfinish(self) -> None:
        self._recorder.close()
        self._save()

    def _save(self) -> None:
        rows = sorted([*key, test] for key, test in self._recorder.outcomes.items())
        self._calls.write_text(json.dumps(rows, indent=0))

    def _listen(self) -> None:
        """Both ways to the node: the standard library's in scripts.anvil, requests' in all else."""
        recorder, rpc, send = self._recorder, Anvil.rpc, requests.Session.send

        def heard_rpc(node: Anvil, method: str, *params: Any) -> Any:
            try:
                result = rpc(node, method, *params)
            except AnvilError:
                recorder.saw(node.url, method, params, {"error": None})
                raise
            recorder.saw(node.url, method, params, {"result": result})
            return result

        def heard_send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            response = send(session, request, **options)
            body = request.body
            if body and response.headers.get("content-type", "").startswith("application/json") and request.method == "POST":
                asked, answered = json.loads(body), response.json()
                pairs = zip(asked, answered, strict=True) if isinstance(asked, list) else [(asked, answered)]
                for question, answer in pairs:
                    if isinstance(question, dict) and "method" in question:
                        recorder.saw(str(request.url).rstrip("/"), question["method"], question.get("params", []), answer)
            return response

        Anvil.rpc = heard_rpc  # type: ignore[method-assign]
        requests.Session.send = heard_send  # type: ignore[method-assign]
