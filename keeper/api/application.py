"""The application: routes, guard and streams put together over what the engine publishes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from keeper.api.context import Context, context_of
from keeper.api.guard import Denied, Guard
from keeper.api.metrics import Extra
from keeper.api.routes import service, venue
from keeper.api.sockets import is_local_name, sockets
from keeper.api.streams import Streams
from keeper.chain import Deployment
from keeper.observation import ApiSettings
from keeper.publication import Source

__all__ = ["create_application"]


def create_application(source: Source, deployment: Deployment, settings: ApiSettings, extra: tuple[Extra, ...] = ()) -> FastAPI:
    """extra: figures for /metrics that are not the engine's."""
    context = Context(source, deployment, settings, Guard(settings.keys), Streams(source.bus, settings.streams), extra)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.streams.start(asyncio.get_running_loop())
        yield
        await asyncio.to_thread(context.streams.stop)

    app = FastAPI(
        title="DPRE keeper",
        version="1",
        description="Margin, risk and liquidations as the keeper sees them; reads its published state and changes nothing.",
        docs_url=None,  # that page would load its script from elsewhere; /openapi.json is the reference
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    app.middleware("http")(_counted)
    app.exception_handler(Denied)(_denied)
    for router in (service, venue, sockets):
        app.include_router(router)
    return app


async def _counted(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    context = context_of(request)
    if not context.settings.keys and not is_local_name(request.headers.get("host")):
        # Without keys a page of another site, whose name was pointed here, must learn nothing.
        answer: Response = JSONResponse({"detail": "expected a Host of this machine: set api.keys to serve others"}, 421)
    else:
        answer = await call(request)
    context.answered[answer.status_code] += 1
    return answer


async def _denied(_: Request, error: Exception) -> Response:
    denied = cast(Denied, error)
    headers = {} if denied.retry_after is None else {"Retry-After": str(math.ceil(denied.retry_after))}
    if denied.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"detail": denied.reason}, denied.status, headers)
