"""The API beside the engine: uvicorn in a thread of its own, gone when the block is left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from keeper.api.application import create_application
from keeper.api.metrics import Extra
from keeper.chain import Deployment
from keeper.errors import ConfigError
from keeper.logs import get_logger
from keeper.observation import ApiSettings
from keeper.publication import Source

__all__ = ["served"]

log = get_logger("api")

_STOP_SECONDS = 5.0


class _Server(uvicorn.Server):
    """Not in the main thread: signals are the keeper's own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def served(source: Source, deployment: Deployment, settings: ApiSettings, extra: tuple[Extra, ...] = ()) -> Iterator[str]:
    """Its address, e.g. "http://127.0.0.1:8640", while the block runs. Raises ConfigError where the port is taken."""
    app = create_application(source, deployment, settings, extra)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"api: {settings.host}:{settings.port} cannot be served ({error.strerror}); set KEEPER_API__PORT") from error
    port = bound.getsockname()[1]
    server = _Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="websockets-sansio", ws_max_size=4096, lifespan="on")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="api", daemon=True)
    thread.start()
    server.serving.wait(_STOP_SECONDS)
    address = f"http://{f'[{settings.host}]' if family == socket.AF_INET6 else settings.host}:{port}"
    log.info("api_serves", address=address, keys=len(settings.keys))
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        bound.close()
