"""The stream over WebSocket: ws://.../v1/stream?topics=health,margin_calls,transactions,alarms&account=7."""

from __future__ import annotations

import asyncio
from typing import cast, get_args
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from keeper.api.context import Context, bearer
from keeper.api.documents import Hello, Topic
from keeper.api.guard import Denied
from keeper.api.streams import Listener
from keeper.errors import ConfigError
from keeper.observation import Scope, is_loopback
from keeper.overview import band_counts

__all__ = ["is_local_name", "sockets"]

_TOPICS: tuple[Topic, ...] = get_args(Topic)
_SUBPROTOCOL = "bearer"

sockets = APIRouter(prefix="/v1")


@sockets.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    """The key in Authorization, or as the subprotocols "bearer", KEY where headers cannot be set (browsers)."""
    context = cast(Context, socket.app.state.context)
    try:
        wanted, account = _admit(socket, context)
    except Denied as denied:
        await socket.send_denial_response(JSONResponse({"detail": denied.reason}, denied.status))
        return
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in _offered(socket) else None)
    with context.streams.listen(wanted, account) as listener:
        await socket.send_text(_hello(context, wanted).model_dump_json())
        gone = asyncio.create_task(_until_closed(socket))
        try:
            await _tell(socket, listener, gone)
        except WebSocketDisconnect:
            pass
        finally:
            gone.cancel()


def is_local_name(host: str | None) -> bool:
    """True for a Host of this machine, with or without a port."""
    name = urlsplit(f"//{host or ''}").hostname
    try:
        return name is not None and is_loopback(name)
    except ConfigError:
        return False


def _admit(socket: WebSocket, context: Context) -> tuple[frozenset[Topic], int | None]:
    """(topics, account). Raises Denied."""
    key, offered = bearer(socket.headers.get("authorization")), _offered(socket)
    if key is None and len(offered) == 2 and offered[0] == _SUBPROTOCOL:
        key = offered[1]
    origin = socket.headers.get("origin")
    if not context.settings.keys and not (
        is_local_name(socket.headers.get("host")) and (origin is None or is_local_name(urlsplit(origin).netloc))
    ):
        raise Denied(421, "expected a Host and an Origin of this machine")
    context.guard.admit(key, Scope.STREAM)
    topics, account = socket.query_params.get("topics", ",".join(_TOPICS)).split(","), socket.query_params.get("account", "")
    if not set(topics) <= set(_TOPICS) or not (account == "" or account.isdecimal()):
        raise Denied(400, f"expected topics of {', '.join(_TOPICS)} and an account number")
    if context.streams.full:
        raise Denied(503, "all streams are taken")
    return frozenset(cast(list[Topic], topics)), int(account) if account else None


def _offered(socket: WebSocket) -> list[str]:
    return [each.strip() for each in socket.headers.get("sec-websocket-protocol", "").split(",") if each.strip()]


def _hello(context: Context, wanted: frozenset[Topic]) -> Hello:
    snapshot = context.source.snapshot
    bands = {band.value: count for band, count in band_counts(snapshot).items()}
    return Hello(topics=sorted(wanted), block=None if snapshot.cursor is None else snapshot.cursor.number, bands=bands)


async def _tell(socket: WebSocket, listener: Listener, gone: asyncio.Task[None]) -> None:
    """News until the other end goes."""
    while not gone.done():
        coming = asyncio.create_task(listener.next())
        await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            return
        await socket.send_text(coming.result().model_dump_json())


async def _until_closed(socket: WebSocket) -> None:
    """Reads until the other end goes; what it says is ignored."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
