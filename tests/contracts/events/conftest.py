"""`agree()`: rebuilds the whole state from the node's logs and compares it with every view; the traders are the waterfall's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.anvil import Anvil
from scripts.deploy import Deployment
from tests.contracts.events.logs import contracts_of, read_logs
from tests.contracts.events.state import State, differences, read_views
from tests.contracts.waterfall.conftest import rescuer, system, world

__all__ = ["agree", "rescuer", "system", "world"]


@pytest.fixture
def agree(anvil: Anvil, deployment: Deployment) -> Callable[[], State]:
    contracts = contracts_of(deployment)
    addresses = {name: address for address, (name, _) in contracts.items() if name != "Token"}

    def compare() -> State:
        state = State(addresses).fold(read_logs(anvil, contracts))
        expected = state.views(anvil.time())
        assert differences(expected, read_views(anvil, contracts, expected)) == []
        return state

    return compare
