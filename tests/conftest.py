"""What all tests share: where data lives, one Anvil per session, Brownie on it, and a clean chain for every test.

Keeper tests ask for none of the chain fixtures and therefore start no node and import no Brownie.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.anvil import Anvil

ROOT = Path(__file__).resolve().parents[1]

# The replay's start, so that tests see the timestamps that the demo sees.
GENESIS = 1_735_689_600  # 2025-01-01 00:00 UTC


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Reads a JSON file of tests/vectors by name."""
    return lambda name: json.loads((ROOT / "tests" / "vectors" / name).read_text())


@pytest.fixture(scope="session")
def shared_file() -> Callable[[str], Path]:
    """Path of a file that is too large for this repository, below DPRE_SHARED (default: ../shared). Skips the test when it is not there."""
    base = Path(os.environ.get("DPRE_SHARED", ROOT.parent / "shared"))

    def locate(name: str) -> Path:
        path = base / name
        if not path.exists():
            pytest.skip(f"{name} is not part of the repository: set DPRE_SHARED to the folder that holds it (looked in {base})")
        return path

    return locate


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """A node of our own on a free port; blocks are one second apart, whatever the wall clock does."""
    with Anvil(timestamp=GENESIS) as node:
        yield node


@pytest.fixture(scope="session")
def project(anvil: Anvil) -> Iterator[Any]:
    """The Brownie project, compiled and connected to `anvil`: `project.Ledger.deploy(..., {"from": deployer})`."""
    from scripts.brownie_env import connected, load_project  # noqa: PLC0415 - keeper tests do without Brownie

    with connected(anvil):
        loaded = load_project()
        # Brownie collects garbage at every revert; the build data it holds for good need not be walked each time.
        gc.freeze()
        yield loaded


@pytest.fixture(autouse=True)
def isolate(request: pytest.FixtureRequest) -> Iterator[None]:
    """Undoes on the chain what a test did. Session and module fixtures are set up before, so what they deployed stays."""
    if "project" in request.fixturenames:
        request.getfixturevalue("project")
        from brownie import chain  # noqa: PLC0415 - only once the project is loaded
        from brownie.network.event import _deployment_topics  # noqa: PLC0415

        # Brownie forgets a contract that was undone, but not which events it has: another at its address would seem to emit nothing.
        events = dict(_deployment_topics)
        chain.snapshot()
        yield
        chain.revert()
        _deployment_topics.clear()
        _deployment_topics.update(events)
    elif "anvil" in request.fixturenames:
        node: Anvil = request.getfixturevalue("anvil")
        before = node.snapshot()
        yield
        node.revert(before)
    else:
        yield
