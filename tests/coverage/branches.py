"""The contracts with a marker at every branch, in a forge project of their own, where `forge coverage` counts how often markers ran.

    python -m tests.coverage.branches out/coverage    # writes out/coverage/project and out/coverage/branches.json

Both ways of an `if`, `try` and `catch`, the cases of a `switch`; in assembly too. Not: conditional expressions, `&&` and `||`, loops.
Forge's own count of branches takes the line of an `if` for what it leads to where that has no braces, and leaves out free functions and
contracts that look like tests to it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.coverage.reachable import ROOT, syntax_trees, walk

__all__ = ["write_project"]

_OF_BLOCKS = {"Block", "UncheckedBlock", "TryStatement", "InlineAssembly"}
_TAKEN = "contracts/Taken.sol"

Node = dict[str, Any]


@dataclass
class _File:
    """One contract's copy. inserted: where, in which order there, what. branches: line, marker and, where there is no place for one of its
    own, the marker whose count is to be taken off. Markers in Solidity are functions of a library, those in assembly lines."""

    path: str
    source: bytes
    numbers: count[int]
    inserted: list[tuple[int, int, str]] = field(default_factory=list)
    branches: list[tuple[int, int, int | None]] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)

    def mark(self, at: int, before: str = "", after: str = "", order: int = 0) -> int:
        self.functions.append(number := next(self.numbers))
        self.inserted.append((at, order, f"{before}Taken.m{number}();{after}"))
        return number

    def mark_assembly(self, at: int) -> int:
        number = next(self.numbers)
        self.inserted.append((at, 0, f"\nmstore(0, mload(0)) // @{number}\n"))  # what does nothing is compiled to nothing
        return number

    def branch(self, node: Node, marker: int, without: int | None = None) -> None:
        self.branches.append((self.source.count(b"\n", 0, _start(node)) + 1, marker, without))

    def text(self) -> str:
        out, last = [], 0
        for at, _, text in sorted(self.inserted, key=lambda one: one[:2]):
            out += [self.source[last:at].decode(), text]
            last = at
        text = "".join([*out, self.source[last:].decode()])
        folder = "../" * (self.path.count("/") - 1) or "./"
        return re.sub(r"^(pragma .*)$", rf'\1 import {{Taken}} from "{folder}Taken.sol";', text, count=1, flags=re.MULTILINE)


def write_project(folder: Path) -> None:
    """branches.json: [contract, line, [file, line] of the marker in the project, the same of one to be taken off or null] each."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "forge", project / "tests" / "forge")
    shutil.copytree(ROOT / "tests" / "vectors", project / "tests" / "vectors")
    (project / "out").mkdir()
    for name in ("node_modules", "toolchain", "foundry.toml", "out/coverage"):
        (project / name).symlink_to((ROOT / name).resolve())
    shutil.copytree(ROOT / "contracts", project / "contracts")
    found: list[Any] = []
    taken = ["// SPDX-License-Identifier: MIT", "pragma solidity 0.8.30;", "library Taken {"]
    numbers = count()
    for tree in syntax_trees():
        path = tree["absolutePath"]
        if not path.startswith("contracts/") or path.startswith("contracts/mocks/"):
            continue
        file = _File(path, (ROOT / path).read_bytes(), numbers)
        for node in walk(tree):
            _mark(file, node)
        if not file.branches:
            continue
        text = file.text()
        (project / path).write_text(text)
        lines = text.splitlines()
        places = {int(match[1]): (path, at) for at, line in enumerate(lines, 1) if (match := re.search(r"// @(\d+)$", line))}
        for number in file.functions:
            taken.append(f"function m{number}() internal pure returns (uint256 n) {{ n = {number}; }}")
            places[number] = (_TAKEN, len(taken))
        found += [(path, line, places[one], places[off] if off is not None else None) for line, one, off in file.branches]
    (project / _TAKEN).write_text("\n".join([*taken, "}", ""]))
    (folder / "branches.json").write_text(json.dumps(found))


def _mark(file: _File, node: Node) -> None:
    kind = node["nodeType"]
    if kind == "IfStatement":
        _enter(file, node, node["trueBody"])
        other = node.get("falseBody")
        if other is None:
            file.branch(node, file.mark(_end(file, node["trueBody"]), " else { ", " }", -_start(node)))
        elif other["nodeType"] != "IfStatement":  # `else if`: the next one counts both its ways
            _enter(file, node, other)
    elif kind == "TryStatement":
        for clause in node["clauses"]:
            _enter(file, clause, clause["block"])
    elif kind == "YulIf":
        ran, taken = file.mark_assembly(_start(node)), file.mark_assembly(_start(node["body"]) + 1)
        file.branch(node, taken)
        file.branch(node, ran, taken)
    elif kind == "YulSwitch":
        for case in node["cases"]:
            file.branch(case, file.mark_assembly(_start(case["body"]) + 1))


def _enter(file: _File, node: Node, body: Node) -> None:
    """A marker at the begin of a body, which gets braces where it has none."""
    if body["nodeType"] in ("Block", "UncheckedBlock"):
        marker = file.mark(file.source.index(b"{", _start(body)) + 1)
    else:
        marker = file.mark(_start(body), "{ ")
        file.inserted.append((_end(file, body), -_start(node), " }"))  # what began last ends first
    file.branch(node, marker)


def _start(node: Node) -> int:
    return int(node["src"].split(":")[0])


def _end(file: _File, node: Node) -> int:
    """Behind its semicolon, which most statements' ranges do not have."""
    kind = node["nodeType"]
    if kind == "IfStatement":
        return _end(file, node.get("falseBody") or node["trueBody"])
    if kind in ("ForStatement", "WhileStatement"):
        return _end(file, node["body"])
    start, length, _ = map(int, node["src"].split(":"))
    return start + length if kind in _OF_BLOCKS else file.source.index(b";", start + length - 1) + 1


if __name__ == "__main__":
    write_project(Path(sys.argv[1]))
