"""The stream of events: to whom it concerns, from where they left off, no more than they take."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from brokkr_broker.dal.events import Told
from brokkr_broker.live.stream import Stream
from brokkr_broker.security.identity import Identity, Role
from brokkr_common.wire.events import Missed, StreamedEvent
from support.broker import Client, RunningBroker, running_broker

Events = AsyncIterator[tuple[str, str, Any]]


@contextlib.asynccontextmanager
async def watching(
    broker: RunningBroker, by: Client, *, after: str = "", header: str = ""
) -> AsyncIterator[Events]:
    """(kind, id, data) of what comes as Server-Sent Events."""
    headers = {"Authorization": f"Bearer {by.pak}"} | ({"Last-Event-ID": header} if header else {})
    url = f"{broker.url}/api/v1/events/stream" + (f"?after={after}" if after else "")
    async with broker.http.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")

        async def events() -> Events:
            fields: dict[str, str] = {}
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                    fields = {}

        assert (await response.content.readline()) == b": connected\n"
        yield events()


async def take(events: Events, count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [(await anext(events))[1] for _ in range(count)]


async def test_an_event_is_streamed_to_whom_it_concerns_through_any_broker(database: str) -> None:
    async with running_broker(database) as one, running_broker(database) as two:
        two.admin.pak = one.admin.pak
        mine, agent = await one.agent()
        other, stranger = await one.agent()
        _, owner = await one.generator()
        _, nobody = await one.generator()
        stack = await one.stack(by=owner, agent_id=mine)
        pushed = await one.push(stack)
        async with contextlib.AsyncExitStack() as opened:
            streams = [
                await opened.enter_async_context(watching(two, who))
                for who in (one.admin, agent, owner, stranger, nobody)
            ]
            event = await one.report(agent, mine, pushed["id"], "SUCCESS")
            for stream in streams[:3]:
                kind, event_id, data = await asyncio.wait_for(anext(stream), 5)
                assert (kind, event_id) == ("agent_event", event["id"])
                assert data == {**event, "stack_id": stack}
            last = await one.report(
                stranger, other, (await one.push(await one.stack()))["id"], "FAILURE"
            )
            assert await take(streams[3], 1) == [last["id"]]
            assert await take(streams[0], 1) == [last["id"]]
            waiting = asyncio.ensure_future(anext(streams[4]))
            assert not (await asyncio.wait({waiting}, timeout=0.3))[0]
            waiting.cancel()


async def test_it_is_resumed_behind_the_last_event_seen(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    ids = [(await broker.report(agent, agent_id, pushed["id"], "SUCCESS"))["id"] for _ in range(3)]
    for how in ({"after": ids[0]}, {"header": ids[0]}):
        async with watching(broker, broker.admin, **how) as stream:
            assert await take(stream, 2) == ids[1:3]
            ids.append((await broker.report(agent, agent_id, pushed["id"], "SUCCESS"))["id"])
            async with asyncio.timeout(5):
                while (await anext(stream))[1] != ids[-1]:
                    pass
    status, body, _ = await broker.admin.call("GET", f"/events/stream?after={uuid4()}")
    assert (status, body["code"]) == (404, "agent_event_not_found")
    status, body, _ = await broker.admin.call("GET", "/events/stream?after=yesterday")
    assert (status, body["code"]) == (400, "invalid_id")


async def test_by_websocket_with_the_key_as_a_browser_sends_it(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    protocols = ("brokkr.v1", f"brokkr.pak.{broker.admin.pak}")
    url = f"{broker.url}/api/v1/events/stream"
    async with broker.http.ws_connect(url, protocols=protocols) as socket:
        assert socket.protocol == "brokkr.v1"
        await socket.send_str("ignored")
        event = await broker.report(agent, agent_id, pushed["id"], "SUCCESS")
        message = await socket.receive_json(timeout=5)
        assert message["type"] == "agent_event"
        assert message["body"]["id"] == event["id"]
    async with asyncio.timeout(5):
        while len(broker.context.stream):
            await asyncio.sleep(0.01)


async def test_a_watcher_ends_with_the_broker(database: str) -> None:
    async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(running_broker(database))
        headers = {"Authorization": f"Bearer {broker.admin.pak}"}
        url = f"{broker.url}/api/v1/events/stream"
        async with http.get(url, headers=headers) as response, asyncio.timeout(5):
            ending = asyncio.create_task(stack.aclose())
            assert b"connected" in await response.read()
            await ending


async def test_a_slow_watcher_is_told_what_it_missed_and_holds_up_nobody() -> None:
    events = [told(agent_id=uuid4()) for _ in range(300)]

    async def fetch(ids: Any) -> list[Told]:
        return [e for e in events if e.event.id in set(ids)]

    stream = Stream(fetch)
    slow, quick = (stream.add(Identity(Role.ADMIN)) for _ in range(2))
    running = asyncio.create_task(stream.run())
    got = []
    for start in range(0, 300, 100):
        stream.hear("event", ",".join(str(e.event.id) for e in events[start : start + 100]))
        got += [await quick.next() for _ in range(100)]
    assert got == [e.event for e in events]
    assert [await slow.next() for _ in range(256)] == [e.event for e in events[:256]]
    assert await slow.next() == Missed(count=44, after=events[255].event.id)
    stream.hear("lost", "")
    assert await slow.next() == Missed(count=None, after=events[255].event.id)
    running.cancel()


def told(*, agent_id: UUID) -> Told:
    now = datetime.now(UTC)
    event = StreamedEvent(
        id=uuid4(),
        created_at=now,
        updated_at=now,
        agent_id=agent_id,
        deployment_object_id=uuid4(),
        stack_id=uuid4(),
        event_type="DEPLOY",
        status="SUCCESS",
        message=None,
    )
    return Told(event, None)
