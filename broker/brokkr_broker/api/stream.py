"""The stream of agent events, as Server-Sent Events or by WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from brokkr_broker.api import lasting, parsing
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import CONTEXT, DB, IDENTITY
from brokkr_broker.dal import events as dal
from brokkr_broker.live import stream
from brokkr_broker.live.stream import Watcher
from brokkr_broker.security.permissions import ANYONE
from brokkr_broker.services import events
from brokkr_common.wire.channel import Close
from brokkr_common.wire.events import Missed, StreamedEvent

_PAGE = 500
_ALIVE_SECONDS = 15
_MAX_MESSAGE = 1024

Item = StreamedEvent | Missed


async def watch(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    after = parsing.uuid(request, "after", header="Last-Event-ID")
    if after:
        await events.get(request[DB], after)  # one that is not known (any more) is a 404
    watcher = context.stream.add(request[IDENTITY])
    try:
        async with lasting.counted(context.metrics.watchers):
            socket = lasting.socket(max_message=_MAX_MESSAGE)
            if socket.can_prepare(request):
                return await _by_socket(request, socket, watcher, after)
            return await _by_events(request, watcher, after)
    finally:
        context.stream.remove(watcher)


async def _by_socket(
    request: web.Request, socket: web.WebSocketResponse, watcher: Watcher, after: UUID | None
) -> web.StreamResponse:
    lasting.lift_deadline(request)
    await socket.prepare(request)
    reading = asyncio.ensure_future(_ignore(socket))
    try:
        async for item in _items(request, watcher, after, until=reading):
            if item is not None:
                body = {"type": _kind(item), "body": item}
                await socket.send_str(msgspec.json.encode(body).decode())
        reason = b"" if request.app[CONTEXT].stopping.is_set() else b"this key is not valid"
        code = Close.REVOKED if reason else Close.GOING_AWAY
        await socket.close(code=code, message=reason)
    except ConnectionError:
        pass
    finally:
        reading.cancel()
    return socket


async def _by_events(
    request: web.Request, watcher: Watcher, after: UUID | None
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    lasting.lift_deadline(request)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await response.write(b": connected\n\n")
        async for item in _items(request, watcher, after):
            await response.write(b": alive\n\n" if item is None else _event(item))
    return response


def _event(item: Item) -> bytes:
    head = f"id: {item.id}\n" if isinstance(item, StreamedEvent) else ""
    return f"{head}event: {_kind(item)}\ndata: ".encode() + msgspec.json.encode(item) + b"\n\n"


def _kind(item: Item) -> str:
    return "missed" if isinstance(item, Missed) else "agent_event"


async def _items(
    request: web.Request,
    watcher: Watcher,
    after: UUID | None,
    until: "asyncio.Future[Any] | None" = None,
) -> AsyncIterator[Item | None]:
    """First what was stored before, then what comes; None now and then, while nothing does.

    Ends with the key, the broker, or `until`.
    """
    context, identity = request.app[CONTEXT], request[IDENTITY]
    told: set[UUID] = set()
    if after:
        position, page = None, list[UUID]()
        while found := await dal.told_since(request[DB], after, after=position, limit=_PAGE):
            for one in found:
                if stream.may_see(identity, one):
                    yield one.event
            told, page = {*page, *(one.event.id for one in found)}, [one.event.id for one in found]
            position = (found[-1].event.created_at, found[-1].event.id)
    stopping: asyncio.Future[Any] = asyncio.ensure_future(context.stopping.wait())
    upcoming: asyncio.Future[Any] = asyncio.ensure_future(watcher.next())
    ends = {stopping, until} if until else {stopping}
    try:
        while True:
            await asyncio.wait(
                {upcoming, *ends},
                timeout=_ALIVE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if any(end.done() for end in ends):
                return
            if not upcoming.done():
                if not await lasting.is_still_valid(request):
                    return
                yield None
                continue
            item = upcoming.result()
            upcoming = asyncio.ensure_future(watcher.next())
            if isinstance(item, Missed) or item.id not in told:
                yield item
    finally:
        stopping.cancel()
        upcoming.cancel()


async def _ignore(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


ROUTES = [
    Route(method="GET", path="/events/stream", handler=watch, allow=ANYONE,
          summary="Events as they are stored, as Server-Sent Events or by WebSocket",
          gives=StreamedEvent, media_type="text/event-stream", fails=(404,),
          query=(Query(name="after", schema={"type": "string", "format": "uuid"},
                       description="First what came after this event; "
                                   "the header Last-Event-ID says the same"),)),
]  # fmt: skip
