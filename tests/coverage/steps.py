"""The recorded streams as steps that tests/forge/coverage/Replay.t.sol reads, one ABI-encoded `Step` per line.

python -m tests.coverage.steps out/coverage
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import rlp
from eth_abi import encode
from eth_utils.crypto import keccak

from scripts.artifacts import BUILD

__all__ = ["write_steps"]

_STEP = "(uint8,address,address,uint256,uint256,uint256,uint64,uint256,bool,string,bytes)"
_CALL, _CREATE, _SNAPSHOT, _REVERT, _STORE, _ETCH, _ASK = range(7)
_NOBODY = "0x" + "00" * 20

Entry = dict[str, Any]


def write_steps(folder: Path) -> list[Path]:
    """`steps-0.txt`, ...: one for each node in each `stream-*.jsonl`, the longest first. Returns what was written."""
    sources = {path.stem: json.loads(path.read_text())["sourcePath"] for path in BUILD.glob("*.json")}
    nodes: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for stream in folder.glob("stream-*.jsonl"):
        for line in stream.open():
            entry = json.loads(line)
            nodes[stream.name, entry["node"]].append(entry)
    for old in folder.glob("steps-*.txt"):
        old.unlink()
    written = []
    for number, entries in enumerate(sorted(nodes.values(), key=len, reverse=True)):
        written.append(folder / f"steps-{number}.txt")
        with written[-1].open("w") as out:
            for step in _steps(entries, sources):
                out.write("0x" + encode([_STEP], [step]).hex() + "\n")
    return written


def _steps(entries: Iterable[Entry], sources: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    snapshots: dict[str, int] = {}
    asked: set[tuple[str, str, str, int]] = set()  # calls since the last change: the same question has the same answer
    for entry in entries:
        if entry["kind"] == "call":
            question = (entry["sender"], entry["to"], entry["data"], entry["value"])
            if question not in asked:
                asked.add(question)
                yield _step(_ASK, entry, data=_bytes(entry["data"]))
            continue
        asked.clear()
        if entry["kind"] == "evm_snapshot":
            snapshots[entry["result"]] = len(snapshots)
            yield _step(_SNAPSHOT, entry, id=snapshots[entry["result"]])
        elif entry["kind"] == "evm_revert" and entry["params"][0] in snapshots:
            yield _step(_REVERT, entry, id=snapshots[entry["params"][0]])
        elif entry["kind"] == "transaction":
            yield from _transaction(entry, sources)
        elif entry["kind"] in _STATE:
            yield _STATE[entry["kind"]](entry)


def _transaction(entry: Entry, sources: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    if entry["to"]:
        yield _step(_CALL, entry, data=_bytes(entry["data"]))
    elif entry["creates"] in sources:
        made = keccak(rlp.encode([_bytes(entry["sender"]), entry["nonce"]]))[12:]
        artifact = f"{sources[entry['creates']]}:{entry['creates']}"
        yield _step(_CREATE, entry, to="0x" + made.hex(), creates=artifact, data=_bytes(entry["arguments"]))


def _stored(entry: Entry) -> tuple[Any, ...]:
    to, *words = entry["params"]
    return _step(_STORE, entry, to=to, data=b"".join(int(word, 16).to_bytes(32, "big") for word in words))


def _etched(entry: Entry) -> tuple[Any, ...]:
    to, code = entry["params"]
    return _step(_ETCH, entry, to=to, data=_bytes(code))


_STATE = {"anvil_setStorageAt": _stored, "anvil_setCode": _etched}


def _step(kind: int, entry: Entry, *, to: str = "", id: int = 0, creates: str = "", data: bytes = b"") -> tuple[Any, ...]:  # noqa: A002
    time, number = entry.get("time", 1), entry.get("number", 1)
    sender, to = entry.get("sender") or _NOBODY, to or entry.get("to") or _NOBODY
    return kind, sender, to, entry.get("value", 0), time, number, entry.get("nonce", 0), id, entry.get("ok", True), creates, data


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


if __name__ == "__main__":
    for path in write_steps(Path(sys.argv[1])):
        print(path)
