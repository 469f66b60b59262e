"""The channel: whatever changes, whoever is concerned hears of it, through any broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from brokkr_common.settings import Seconds
from support.broker import YAML, Client, RunningBroker, running_broker
from support.relay import relayed

Wakes = Callable[[], Awaitable[set[str]]]


@contextlib.asynccontextmanager
async def channel(
    broker: RunningBroker, agent_id: str, agent: Client
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {agent.pak}"}
    path = f"{broker.url}/api/v1/agents/{agent_id}/channel"
    async with broker.http.ws_connect(path, headers=headers) as socket:
        yield socket


async def woken(socket: aiohttp.ClientWebSocketResponse, topic: str, seconds: float = 5) -> None:
    """Until a wake-up with this topic."""
    async with asyncio.timeout(seconds):
        while topic not in (await socket.receive_json())["topics"]:
            pass


async def quiet(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Take in what is still on its way."""
    with contextlib.suppress(TimeoutError):
        while True:
            await socket.receive(timeout=0.2)


async def _target(broker: RunningBroker, agent_id: str, stack: str) -> None:
    await broker.admin.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack})


async def _label(broker: RunningBroker, agent_id: str, stack: str) -> None:
    await broker.admin.ask("POST", f"/agents/{agent_id}/labels", "gpu")
    await broker.admin.ask("POST", f"/stacks/{stack}/labels", "gpu")


async def _annotation(broker: RunningBroker, agent_id: str, stack: str) -> None:
    pair = {"key": "zone", "value": "eu"}
    await broker.admin.ask("POST", f"/agents/{agent_id}/annotations", pair)
    await broker.admin.ask("POST", f"/stacks/{stack}/annotations", pair)


@pytest.mark.parametrize("match", [_target, _label, _annotation])
async def test_a_push_wakes_all_who_serve_the_stack_however_matched_through_any_broker(
    database: str, match: Callable[[RunningBroker, str, str], Awaitable[None]]
) -> None:
    async with running_broker(database) as one, running_broker(database) as two:
        two.admin.pak = one.admin.pak
        agent_id, agent = await one.agent()
        _, stranger = other = await one.agent()
        stack = await one.stack()
        async with (
            channel(two, agent_id, agent) as mine,
            channel(two, other[0], stranger) as theirs,
        ):
            await match(one, agent_id, stack)
            await woken(mine, "state")
            await quiet(mine)
            await quiet(theirs)
            await one.push(stack)
            await woken(mine, "state")
            await one.admin.ask("DELETE", f"/stacks/{stack}")
            await woken(mine, "state")
            with pytest.raises(TimeoutError):
                await theirs.receive(timeout=0.3)


async def test_every_change_of_what_an_agent_serves_is_told(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    stack = await broker.stack()
    admin, pair = broker.admin, {"key": "zone", "value": "eu"}
    template = {"name": "t", "template_content": YAML, "parameters_schema": "{}"}
    made = await admin.ask("POST", "/templates", template)
    from_template = f"/stacks/{stack}/deployment-objects/from-template"
    steps: list[tuple[str, str, Any]] = [
        ("POST", f"/agents/{agent_id}/targets", {"stack_id": stack}),
        ("POST", from_template, {"template_id": made["id"]}),
        ("PUT", f"/stacks/{stack}", {"name": f"renamed-{uuid4().hex[:6]}"}),
        ("DELETE", f"/agents/{agent_id}/targets/{stack}", None),
        ("POST", f"/agents/{agent_id}/labels", "gpu"),
        ("POST", f"/stacks/{stack}/labels", "gpu"),
        ("DELETE", f"/stacks/{stack}/labels/gpu", None),
        ("DELETE", f"/agents/{agent_id}/labels/gpu", None),
        ("POST", f"/agents/{agent_id}/annotations", pair),
        ("POST", f"/stacks/{stack}/annotations", pair),
        ("DELETE", f"/stacks/{stack}/annotations/zone", None),
        ("DELETE", f"/agents/{agent_id}/annotations/zone", None),
    ]
    async with channel(broker, agent_id, agent) as socket:
        for method, path, body in steps:
            await quiet(socket)
            await admin.ask(method, path, body)
            await woken(socket, "state")


@pytest.mark.parametrize("by", ["agent_ids", "labels", "annotations"])
async def test_work_is_told_when_it_can_be_taken_and_when_it_is_taken_away(
    broker: RunningBroker, by: str
) -> None:
    agent_id, agent = await broker.agent()
    await broker.admin.ask("POST", f"/agents/{agent_id}/labels", "gpu")
    pair = {"key": "zone", "value": "eu"}
    await broker.admin.ask("POST", f"/agents/{agent_id}/annotations", pair)
    targeting = {"agent_ids": [agent_id], "labels": ["gpu"], "annotations": {"zone": "eu"}}
    order = {"work_type": "custom", "yaml_content": "a: b", "targeting": {by: targeting[by]}}
    async with channel(broker, agent_id, agent) as socket:
        await quiet(socket)
        made = await broker.admin.ask("POST", "/work-orders", order)
        await woken(socket, "work")
        claim = {"agent_id": agent_id}
        await agent.ask("POST", f"/work-orders/{made['id']}/claim", claim)
        await quiet(socket)
        await broker.admin.ask("DELETE", f"/work-orders/{made['id']}")
        await woken(socket, "work")


async def test_diagnostics_webhooks_and_pauses_are_told(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    admin = broker.admin
    stack = await broker.stack(agent_id=agent_id)
    pushed = await broker.push(stack)
    for label in ("hooks", "inside"):
        await admin.ask("POST", f"/agents/{agent_id}/labels", label)
    hook = {"name": "w", "url": "http://127.0.0.1:9/", "event_types": ["stack.created"]}
    await admin.ask("POST", "/webhooks", {**hook, "target_labels": ["hooks", "inside"]})
    async with channel(broker, agent_id, agent) as socket:
        await quiet(socket)
        path = f"/deployment-objects/{pushed['id']}/diagnostics"
        await admin.ask("POST", path, {"agent_id": agent_id})
        await woken(socket, "diagnostic")
        await broker.stack()
        await woken(socket, "webhook")
        await admin.ask("PUT", f"/agents/{agent_id}", {"status": "ACTIVE"})
        await woken(socket, "agent")


async def test_a_heartbeat_is_one_and_what_is_not_understood_does_no_harm(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    async with channel(broker, agent_id, agent) as socket:
        for nonsense in ("", "{", '{"type": "news"}', "[1]", '{"type":"heartbeat","x":' * 50):
            await socket.send_str(nonsense)
        await socket.send_bytes(b"\xff\x00")
        await socket.send_json({"type": "heartbeat"})
        async with asyncio.timeout(5):
            while not (await agent.ask("GET", f"/agents/{agent_id}"))["last_heartbeat"]:
                await asyncio.sleep(0.02)
        assert not socket.closed


async def test_a_frame_that_is_too_large_ends_the_connection(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    async with channel(broker, agent_id, agent) as socket:
        await socket.send_str("x" * 10_000)
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("end", ["rotate", "delete"])
async def test_a_key_that_is_dead_ends_its_channel(broker: RunningBroker, end: str) -> None:
    agent_id, agent = await broker.agent()
    async with channel(broker, agent_id, agent) as socket:
        if end == "rotate":
            await broker.admin.ask("POST", f"/agents/{agent_id}/rotate-pak")
        else:
            await broker.admin.ask("DELETE", f"/agents/{agent_id}")
        message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001)


async def test_a_newer_channel_takes_the_place_of_the_older(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    async with channel(broker, agent_id, agent) as old, channel(broker, agent_id, agent) as new:
        assert (await old.receive(timeout=5)).data == 4000
        stack = await broker.stack(agent_id=agent_id)
        await broker.push(stack)
        await woken(new, "state")
        assert len(broker.context.channels) == 1


async def test_a_broker_that_stops_says_when_to_come_back(database: str) -> None:
    async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(running_broker(database))
        agent_id, agent = await broker.agent()
        path = f"{broker.url}/api/v1/agents/{agent_id}/channel"
        socket = await http.ws_connect(path, headers={"Authorization": f"Bearer {agent.pak}"})
        ending = asyncio.create_task(stack.aclose())
        message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert float(message.extra or "") >= 1
        await ending


async def test_what_was_missed_while_the_database_was_away_is_told_afterwards(
    database: str,
) -> None:
    async with relayed(database) as (relay, url), running_broker(url) as broker:
        agent_id, agent = await broker.agent()
        async with channel(broker, agent_id, agent) as socket:
            await quiet(socket)
            relay.drop()
            await woken(socket, "state", seconds=15)


async def test_a_peer_that_died_without_a_word_is_gone_within_a_minute(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    host, port = broker.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /api/v1/agents/{agent_id}/channel HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {agent.pak}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    async with asyncio.timeout(5):
        while not len(broker.context.channels):
            await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        while len(broker.context.channels):
            await asyncio.sleep(0.1)
    writer.close()


async def test_without_an_upgrade_it_says_what_it_is(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    status, body, _ = await agent.call("GET", f"/agents/{agent_id}/channel")
    assert (status, body["code"]) == (426, "upgrade_required")


async def test_it_outlives_the_deadline_of_requests(database: str) -> None:
    async with running_broker(database, request_timeout=Seconds(1)) as broker:
        agent_id, agent = await broker.agent()
        async with channel(broker, agent_id, agent) as socket:
            await asyncio.sleep(1.5)
            stack = await broker.stack(agent_id=agent_id)
            await broker.push(stack)
            await woken(socket, "state")


async def test_frames_are_counted(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    async with channel(broker, agent_id, agent) as socket:
        await socket.send_json({"type": "heartbeat"})
        await broker.stack(agent_id=agent_id)
        await woken(socket, "state")
        counted = 'brokkr_ws_messages_total{direction="in",type="heartbeat"} 1.0'
        lines: list[str] = []
        async with asyncio.timeout(10):
            while counted not in lines:
                _, text, _ = await broker.root.call("GET", "/metrics")
                lines = text.decode().splitlines()
        assert "brokkr_ws_connected_agents 1.0" in lines
