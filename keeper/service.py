"""Everything that runs beside the engine in one keeper: its API, whoever is told of trouble, and periodic jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from keeper.alerts import alerting
from keeper.api.metrics import Extra
from keeper.api.server import served
from keeper.chain import ChainPort, Deployment
from keeper.config import Config
from keeper.engine import Engine
from keeper.errors import ConfigError
from keeper.logs import get_logger
from keeper.schedule import scheduled

__all__ = ["surroundings"]

log = get_logger("service")


@contextmanager
def surroundings(config: Config, engine: Engine, port: ChainPort, deployment: Deployment) -> Iterator[None]:
    """While the block runs. What cannot be started is logged and left out: liquidations do not wait for a port."""
    name = config.alerts.source or f"keeper of account {config.account} on chain {deployment.chain_id}"
    with ExitStack() as stack:
        extra: tuple[Extra, ...] = ()
        if config.alerts.sinks:
            memory = config.database.with_suffix(".alerts.json")
            extra = (stack.enter_context(alerting(config.alerts, engine, name, memory)).figures,)
        if config.api.enabled:
            try:
                stack.enter_context(served(engine, deployment, config.api, extra))
            except ConfigError as error:
                log.warning("api_not_served", reason=str(error))
        stack.enter_context(scheduled(config, engine, port, deployment))
        yield
