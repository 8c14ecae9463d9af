"""The keeper's shape: explicit exports that exist, and the borders between its packages (docs/architecture.md)."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

KEEPER = Path(__file__).parents[2] / "keeper"
MODULES = sorted(KEEPER.rglob("*.py"))

PURE = ("model", "pricing", "margin", "monitoring", "liquidation", "deleveraging")
"""State in, figures out: no network, no keys."""


def name_of(path: Path) -> str:
    parts = path.relative_to(KEEPER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Names of imported modules, e.g. "keeper.chain.store", "web3"."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_exports_are_explicit_and_exist(path: Path) -> None:
    module = importlib.import_module(name_of(path))
    assert isinstance(module.__all__, list)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def package(path: Path) -> str:
    return path.relative_to(KEEPER).parts[0]


def test_only_execution_can_sign() -> None:
    signing = {name_of(path) for path in MODULES if any(name.startswith("eth_account") for name in imports(path))}
    # The in-memory chain decodes what was signed; it holds no key.
    assert {name for name in signing if not name.startswith("keeper.execution")} == {"keeper.chain.memory"}


@pytest.mark.parametrize("path", [path for path in MODULES if package(path) in PURE], ids=name_of)
def test_what_decides_reads_no_network_and_knows_no_key(path: Path) -> None:
    assert not roots(path) & {"web3", "requests", "eth_account", "sqlite3"} or path.name == "margin_calls.py"
    assert not any(name.startswith(("keeper.execution", "keeper.engine", "keeper.cli")) for name in imports(path))


def test_the_node_is_read_by_chain_alone() -> None:
    readers = {name_of(path) for path in MODULES if "web3" in roots(path)}
    assert all(name.startswith("keeper.chain") for name in readers)


@pytest.mark.parametrize("path", [path for path in MODULES if package(path) in ("api", "alerts")], ids=name_of)
def test_who_shows_and_tells_reads_published_state_alone(path: Path) -> None:
    """Snapshot and bus: no node, no database, no key, and not the engine itself."""
    assert not roots(path) & {"web3", "sqlite3", "eth_account"}
    closed = ("keeper.engine", "keeper.actions", "keeper.chain.client", "keeper.chain.store", "keeper.execution.", "keeper.commands")
    assert not any(name.startswith(closed) for name in imports(path))


def test_a_client_loads_neither_chain_nor_kernels() -> None:
    script = "import keeper.client, sys; print(sorted({'numpy', 'web3', 'fastapi', 'eth_account', 'sqlite3'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=KEEPER.parent, check=True)
    assert ended.stdout.strip() == "[]"


def test_nothing_imports_the_command_line_or_scripts() -> None:
    for path in MODULES:
        assert "keeper.cli" not in imports(path)
        assert not roots(path) & {"scripts", "brownie", "tests"}
