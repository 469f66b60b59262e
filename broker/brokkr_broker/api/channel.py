"""The agent's end of the channel: a WebSocket for wake-ups and heartbeats."""

import logging
import time
from uuid import UUID

import aiohttp
import msgspec
from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import access, lasting, parsing
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, Context
from brokkr_broker.db import violations
from brokkr_broker.security import pak
from brokkr_broker.security.permissions import AGENT_ITSELF
from brokkr_common.wire.channel import Close, Heartbeat

logger = logging.getLogger(__name__)

_MAX_MESSAGE = 4096
_MAX_UNREAD = 16 * 1024
_SHORTEST_BEAT = 0.5
_decode = msgspec.json.Decoder(Heartbeat).decode


class _Peer:
    """One connection."""

    __slots__ = ("_context", "_request", "_socket", "agent_id", "key_hash")

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, agent_id: UUID) -> None:
        self._request = request
        self._socket = socket
        self._context = request.app[CONTEXT]
        self.agent_id = agent_id
        parsed = pak.parse(access.credential(request))
        self.key_hash = parsed[1] if parsed else ""

    async def tell(self, frame: str) -> None:
        transport = self._request.transport
        if transport is None or self._socket.closed:
            return
        if transport.get_write_buffer_size() > _MAX_UNREAD:
            logger.info("agent does not read", extra={"agent_id": str(self.agent_id)})
            transport.abort()
            return
        try:
            await self._socket.send_str(frame)
        except ConnectionError:
            return
        self._context.metrics.ws_messages.labels("out", "wake").inc()

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code=code, message=reason.encode())


async def connect(request: web.Request) -> web.StreamResponse:
    agent_id = parsing.path_id(request)
    context = request.app[CONTEXT]
    socket = lasting.socket(max_message=_MAX_MESSAGE)
    if not socket.can_prepare(request):
        raise errors.UpgradeRequired
    lasting.lift_deadline(request)
    await socket.prepare(request)
    peer = _Peer(request, socket, agent_id)
    context.channels.add(peer)
    try:
        async with lasting.counted(context.metrics.ws_agents):
            await _listen(request, socket, context, agent_id)
    finally:
        context.channels.remove(peer)
    return socket


async def _listen(
    request: web.Request, socket: web.WebSocketResponse, context: Context, agent_id: UUID
) -> None:
    """Until the connection ends. What is not understood is counted and left."""
    last = 0.0
    async for message in socket:
        kind = "unknown"
        if message.type is aiohttp.WSMsgType.TEXT and _is_heartbeat(message.data):
            kind = "heartbeat"
            if time.monotonic() - last >= _SHORTEST_BEAT:
                last = time.monotonic()
                await _beat(context, agent_id)
                if not await lasting.is_still_valid(request):
                    await socket.close(code=Close.REVOKED, message=b"this key is not valid")
        context.metrics.ws_messages.labels("in", kind).inc()


def _is_heartbeat(text: str) -> bool:
    try:
        _decode(text)
    except msgspec.MsgspecError:
        return False
    return True


async def _beat(context: Context, agent_id: UUID) -> None:
    """A heartbeat that the database does not take is lost; the next one comes soon."""
    try:
        await context.heartbeats.submit(agent_id)
    except Exception as e:
        if violations.translate(e) is None and not isinstance(e, errors.BrokerError):
            raise


ROUTES = [
    Route(method="GET", path="/agents/{id}/channel", handler=connect, allow=AGENT_ITSELF,
          summary="A WebSocket: wake-ups for the agent, heartbeats from it", status=101,
          fails=(426,)),
]  # fmt: skip
