"""A served API over the engine on an in-memory chain: accounts 2 and 3 fall when the price does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeper.api.server import served
from keeper.engine import Engine
from keeper.observation import ApiSettings
from tests.keeper.engine.test_engine import OWN, SIGNER, SYSTEM, Twin, config

__all__ = ["Served"]


@dataclass(frozen=True)
class Served:
    chain: Twin
    engine: Engine
    address: str

    def fall(self, price: int = 910) -> None:
        """Prices fall, and the engine looks."""
        self.chain.price(price)
        self.engine.step()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """serve(**ApiSettings, seeded=True): the engine has looked once; steps are the test's to make."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def make(*, seeded: bool = True, **settings: Any) -> Served:
            chain = Twin()
            if seeded:
                chain.set_up({OWN: (10**7, 0), 2: (6_000, 100), 3: (10_000, 100), 4: (50_000, 100)})
            else:
                chain.mine()
            engine = stack.enter_context(Engine(config(tmp_path / "keeper.sqlite"), chain, SYSTEM, SIGNER))
            engine.start()
            engine.step()
            address = stack.enter_context(served(engine, SYSTEM, ApiSettings(**{"port": 0, **settings})))
            return Served(chain, engine, address)

        yield make
