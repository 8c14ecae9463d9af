"""What can be called from outside, and the errors that each such function can raise itself: read from the compiler's syntax tree.

An error counts for a function where a path of internal calls (modifiers, libraries, inherited and overridden functions) leads to its
`revert`. Errors of other contracts that a call hands through count where they are raised. Not seen: reverts in assembly, checks of the
compiler (`Panic`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Function", "functions", "syntax_trees", "walk"]

ROOT = Path(__file__).resolve().parents[2]
_COMPILER = ROOT / "toolchain" / "solc-v0.8.30"
_REMAPPINGS = ["@openzeppelin/=node_modules/@openzeppelin/", "solady/=node_modules/solady/src/"]

Node = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """selector: 0x and 8 digits; errors: selector -> name, of those that it can raise itself."""

    contract: str
    name: str
    selector: str
    errors: Mapping[str, str]


def functions() -> list[Function]:
    """The externally callable functions of the project's deployable contracts, inherited ones included, getters of state variables too."""
    trees = syntax_trees()
    tree = _Tree(trees)
    own = [t for t in trees if t["absolutePath"].startswith("contracts/") and not t["absolutePath"].startswith("contracts/mocks/")]
    concrete = [n["name"] for t in own for n in t["nodes"] if n.get("contractKind") == "contract" and not n["abstract"]]
    return [function for name in sorted(concrete) for function in tree.functions(name)]


def syntax_trees() -> list[Node]:
    sources = {str(path.relative_to(ROOT)): {"urls": [str(path.relative_to(ROOT))]} for path in (ROOT / "contracts").rglob("*.sol")}
    settings = {"remappings": _REMAPPINGS, "evmVersion": "cancun", "outputSelection": {"*": {"": ["ast"]}}}
    question = json.dumps({"language": "Solidity", "sources": sources, "settings": settings})
    answer = subprocess.run(
        [str(_COMPILER), "--standard-json", "--allow-paths", "."], input=question, capture_output=True, text=True, cwd=ROOT, check=True
    )
    return [source["ast"] for source in json.loads(answer.stdout)["sources"].values()]


def walk(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        if "nodeType" in node:
            yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


class _Tree:
    def __init__(self, trees: list[Node]) -> None:
        self.nodes: dict[int, Node] = {}
        self.home: dict[int, Node] = {}  # function or modifier -> its contract
        for node in walk(trees):
            if "id" in node:
                self.nodes[node["id"]] = node
            if node["nodeType"] == "ContractDefinition":
                for member in node["nodes"]:
                    self.home[member["id"]] = node
        self.contracts = {n["name"]: n for n in self.nodes.values() if n["nodeType"] == "ContractDefinition"}

    def functions(self, name: str) -> Iterator[Function]:
        seen: set[str] = set()
        for base in self._lines(self.contracts[name]):
            for member in base["nodes"]:
                selector = member.get("functionSelector")
                if not selector or selector in seen:
                    continue
                if member["nodeType"] == "FunctionDefinition" and member.get("body") is None:
                    continue  # an interface's
                seen.add(selector)
                found: dict[str, str] = {}
                if member["nodeType"] == "FunctionDefinition":
                    self._collect(member, self.contracts[name], found, set())
                yield Function(name, member["name"], "0x" + selector, found)

    def _lines(self, contract: Node) -> list[Node]:
        return [self.nodes[base] for base in contract["linearizedBaseContracts"]]

    def _collect(self, callable_: Node, within: Node, found: dict[str, str], seen: set[int]) -> None:
        if callable_["id"] in seen:
            return
        seen.add(callable_["id"])
        for node in walk([callable_.get("body"), callable_.get("modifiers")]):
            called = node.get("referencedDeclaration")
            if called is None or called not in self.nodes or node["nodeType"] not in ("Identifier", "MemberAccess", "IdentifierPath"):
                continue
            target = self.nodes[called]
            if target["nodeType"] == "ErrorDefinition":
                found["0x" + target["errorSelector"]] = target["name"]
            elif target["nodeType"] == "ModifierDefinition":
                self._collect(self._latest(target, within), within, found, seen)
            elif target["nodeType"] == "FunctionDefinition" and self._is_internal(node, target):
                direct = node["nodeType"] == "MemberAccess"  # super.f, Library.f, x.f of `using for`
                self._collect(target if direct else self._latest(target, within), within, found, seen)

    def _is_internal(self, node: Node, target: Node) -> bool:
        if node["nodeType"] != "MemberAccess":
            return True
        home = self.home.get(target["id"])
        if home is None or home["contractKind"] == "library":
            return target["visibility"] != "external"
        base = node["expression"].get("typeDescriptions", {}).get("typeString", "")
        return base.startswith(("type(contract super", "type(contract")) and target["visibility"] != "external"

    def _latest(self, target: Node, within: Node) -> Node:
        """The override that `within` runs."""
        if target["id"] not in self.home or self.home[target["id"]]["contractKind"] == "library":
            return target
        kinds = _parameters(target)
        for base in self._lines(within):
            for member in base["nodes"]:
                if member["nodeType"] != target["nodeType"] or member["name"] != target["name"] or member.get("body") is None:
                    continue
                if _parameters(member) == kinds:
                    return member
        return target


def _parameters(node: Node) -> list[str]:
    return [p["typeDescriptions"]["typeString"] for p in node["parameters"]["parameters"]]
