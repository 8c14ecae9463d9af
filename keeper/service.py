"""Everything that runs beside the engine in one keeper: its API, and whoever is told of trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from keeper.api.server import served
from keeper.chain import Deployment
from keeper.config import Config
from keeper.engine import Engine
from keeper.errors import ConfigError
from keeper.logs import get_logger

__all__ = ["surroundings"]

log = get_logger("service")


@contextmanager
def surroundings(config: Config, engine: Engine, deployment: Deployment) -> Iterator[None]:
    """While the block runs. What cannot be started is logged and left out: liquidations do not wait for a port."""
    with ExitStack() as stack:
        if config.api.enabled:
            try:
                stack.enter_context(served(engine, deployment, config.api))
            except ConfigError as error:
                log.error("api_not_served", reason=str(error))  # noqa: TRY400 - the message says it
        yield
