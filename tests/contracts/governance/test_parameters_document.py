"""docs/parameters.md says what the contracts say."""

from __future__ import annotations

from typing import Any

from web3 import HTTPProvider, Web3

from scripts.parameters_table import DOCUMENT, parameters_table


def test_is_up_to_date(anvil: Any, project: Any) -> None:
    assert DOCUMENT.read_text() == parameters_table(Web3(HTTPProvider(anvil.url))), "run python -m scripts.parameters_table"
