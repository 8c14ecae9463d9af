"""The README's walk-through, run as it is printed, on the venue that `make local` starts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from scripts.anvil import ROOT
from scripts.demo.world import World
from scripts.local_chain import describe, local_world


@pytest.fixture(scope="module")
def venue(compiled: None, folder: Path) -> Iterator[World]:
    with local_world(folder / "out", Console(quiet=True)) as world:
        describe(world)
        yield world


def test_the_text_runs(venue: World) -> None:
    """A reader who types the README ends with the short calls and 40,000 USDC less fees and premium changes."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=venue.folder.parent, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr

    local = json.loads((venue.folder / "local.json").read_text())
    assert local["trader_key"] not in run.stdout
    ledger = venue.deployment.contract(venue.chain, "Ledger").functions
    account = ledger.accountCount().call()
    ((_, size, cost),) = ledger.positions(account).call()
    assert size == -10 * 10**18
    assert cost < 0  # the premium was received
    fees = ledger.cash(account).call() - 40_000 * 10**18
    assert -100 * 10**18 < fees < 0
