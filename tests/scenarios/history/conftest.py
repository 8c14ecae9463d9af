"""What went wrong elsewhere, played against the deployed system: one file per event, named after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.parameter_list import governed_parameters
from tests.contracts.conftest import *  # noqa: F403 - the deployed system and the roles
from tests.contracts.waterfall.conftest import *  # noqa: F403 - what traders and liquidators do
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, World

MAX_AGE = 3_600


@dataclass(frozen=True)
class Feeds:
    """Two aggregators beside the signed feed. `say(3_400.0, 3_390.0)`: what they answer from now on, USD."""

    aggregators: tuple[Any, ...]
    sender: Any

    def say(self, *prices: float) -> None:
        for aggregator, price in zip(self.aggregators, prices, strict=True):
            aggregator.answer(round(price * 10**8), {"from": self.sender})


@pytest.fixture
def feeds(project: Any, deployment: Any, governance: Any, price_door: Any, stranger: Any) -> Callable[[int], Feeds]:
    """feeds(2): governance registers that many aggregators for ETH; the signed feed is one more source."""

    def register(count: int) -> Feeds:
        sender = {"from": stranger}
        aggregators = tuple(project.AggregatorMock.deploy(8, sender) for _ in range(count))
        sources = [(project.ChainlinkSource.deploy(aggregator, sender), MAX_AGE, 0, 0) for aggregator in aggregators]
        book = project.SpotSources.at(deployment.address("SpotSources"))
        book.setSources(ETH, sources, {"from": governance})
        price_door.chooseSources(ETH, book, {"from": governance})
        return Feeds(aggregators, stranger)

    return register


@pytest.fixture
def short_eth(world: World, bob: Any) -> int:
    """CROSS, 2,000 USDC, short 10 ETH perp from 3,400 (fee 10.2): bankrupt above 3,598.98."""
    account = world.open(bob, CROSS, usdc=2_000)
    world.trade(account, ETH_PERP, -10)
    return account


@pytest.fixture
def allow_jumps(risk_parameters: Any, governance: Any) -> Callable[[], None]:
    """The control: a jump applies at once."""

    def believe() -> None:
        risk_parameters.set(governed_parameters()["BREAKER_CONFIRM"].index, 0, {"from": governance})

    return believe
