"""docs/modes.md is what `make modes` writes, and the contract is what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keeper.model import MarginMode
from scripts import modes_table
from scripts.anvil import Anvil
from scripts.chain import Chain
from scripts.modes_table import DOCUMENT, document, requirements, typical_books


@pytest.fixture(scope="module")
def roomy(project: Any) -> Iterator[Chain]:
    """A node whose calls may use more than a block's gas."""
    with Anvil(timestamp=modes_table.NOW, gas_limit=300_000_000) as node:
        yield Chain(node.url)


def test_the_committed_table_is_what_the_command_writes(roomy: Chain) -> None:
    table = requirements(roomy)
    assert document(table) == DOCUMENT.read_text()
    assert len(table) == len(typical_books()) == 10
    for needs in table:
        assert all(initial > maintenance > 0 for initial, maintenance in needs.values())
        # without offsets, in one account or in several, is the same
        assert needs[MarginMode.CROSS] == pytest.approx(needs[MarginMode.ISOLATED])


def test_a_keeper_that_differs_stops_the_command(roomy: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: another rate of the short-option charge in the keeper alone."""
    monkeypatch.setattr(modes_table, "DPRE_1", replace(modes_table.DPRE_1, short_option_rate=0.0031))
    with pytest.raises(SystemExit, match="Naked short call, PORTFOLIO: contract"):
        requirements(roomy)
