"""The agent's end of the channel, against a broker that does everything a broker may do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from aiohttp import web

from brokkr_common.wire.channel import Topic
from brokkr_operator.clients.broker.channel import Channel
from brokkr_operator.clients.broker.client import Broker
from support.serving import serving

Script = Callable[[web.WebSocketResponse], Awaitable[None]]
AGENT = uuid4()


class Side:
    """A broker that plays one script for each connection, then refuses."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.connections = 0
        self.heard: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        assert request.headers["Authorization"] == "Bearer key"
        assert "permessage-deflate" not in request.headers.get("Sec-WebSocket-Extensions", "")
        if not self.scripts:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.scripts.pop(0)(socket)
        return socket


@pytest.fixture
async def side() -> AsyncIterator[tuple[Side, Broker]]:
    side, app = Side(), web.Application()
    app.router.add_get(f"/api/v1/agents/{AGENT}/channel", side.handle)
    async with serving(app) as address:
        broker = Broker(f"http://{address}", lambda: "key")
        yield side, broker
        await broker.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_it_asks_for_everything_when_it_opens_and_takes_nothing_it_does_not_know(
    side: tuple[Side, Broker],
) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        for text in ("", "{", "[]", '{"type":"news"}', '{"type":"wake","topics":["moon"]}'):
            await socket.send_str(text)
        await socket.send_bytes(b"\xff")
        await socket.send_str('{"type":"wake","topics":["state","moon"],"more":1}')
        side[0].heard.append(await socket.receive_str())
        await asyncio.sleep(10)

    side[0].scripts.append(talk)
    woken: list[frozenset[Topic]] = []
    channel = Channel(side[1], AGENT)
    task = asyncio.create_task(channel.run(woken.append))
    await until(lambda: frozenset({Topic.STATE}) in woken)
    assert woken[0] == frozenset(Topic)
    assert not any(woken[1:-1])
    assert channel.is_open
    assert await channel.heartbeat()
    await until(lambda: side[0].heard == ['{"type":"heartbeat"}'])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not channel.is_open
    assert not await channel.heartbeat()


async def test_it_comes_back_when_told_and_goes_on_trying_when_refused(
    side: tuple[Side, Broker],
) -> None:
    async def stop(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1001, message=b"40.0")

    async def die(socket: web.WebSocketResponse) -> None:
        socket._req.transport.abort()  # type: ignore[union-attr]

    async def nonsense(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1001, message=b"soon")

    side[0].scripts += [stop, die, nonsense]
    asked: list[int] = []

    def chance() -> float:
        asked.append(1)
        return 0.001

    task = asyncio.create_task(Channel(side[1], AGENT, jitter=chance).run(lambda _: None))
    await until(lambda: side[0].connections >= 6)
    assert len(asked) >= 5, "every return is at a random moment"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
