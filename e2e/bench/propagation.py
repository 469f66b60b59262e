"""From a push to the object in the cluster, and to the event at the broker.

One agent with its defaults, stacks with one ConfigMap, one push after the other on an otherwise
idle machine. Visible is what a watch of the API server shows; stored is what the broker streams.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import aiohttp
from cluster import Bench, api

from harness import wait_applied


async def measure(
    bench: Bench, pushes: int, *, stacks: int = 1, pause: float = 0
) -> dict[str, float]:
    """Milliseconds: p50, p95 and p99 of both.

    The pushes are shared by `stacks` stacks that go on side by side, each with up to `pause`
    seconds between two of its pushes.
    """
    headers = {"Authorization": f"Bearer {bench.broker.pak}"}
    seen = Seen({}, {})
    async with (
        aiohttp.ClientSession(f"{bench.broker.url}/api/v1/", headers=headers) as http,
        api(bench.cluster) as (kube, server),
        asyncio.TaskGroup() as group,
    ):
        reading = [
            group.create_task(_objects(kube, server, seen)),
            group.create_task(_events(http, seen)),
        ]
        lines = [_line(bench, http, seen, pushes // stacks, pause) for _ in range(stacks)]
        times = [both for line in await asyncio.gather(*lines) for both in line]
        for task in reading:
            task.cancel()
    return {
        f"{what}_p{p}_ms": value
        for what, column in zip(("visible", "stored"), zip(*times, strict=True), strict=True)
        for p, value in _percentiles(column).items()
    }


class Seen(NamedTuple):
    """What is waited for: values of objects, ids of versions."""

    visible: dict[str, "asyncio.Future[float]"]
    stored: dict[str, "asyncio.Future[float]"]


async def _line(
    bench: Bench, http: aiohttp.ClientSession, seen: Seen, pushes: int, pause: float
) -> list[tuple[float, float]]:
    """Seconds until visible and until stored, for one push to a stack after the other."""
    broker, loop = bench.broker, asyncio.get_running_loop()
    name = f"propagation-{uuid4().hex[:8]}"
    stack = broker.stack(name)
    broker.ask("POST", f"/agents/{bench.agent.id}/labels", name)
    broker.ask("POST", f"/stacks/{stack}/labels", name)
    first = broker.push(stack, _text(name, "first"))
    await asyncio.to_thread(wait_applied, bench.kubectl, stack, first["sequence_id"], seconds=60)
    times = []
    for number in range(pushes):
        await asyncio.sleep(random.random() * pause)
        value = f"{name} {number}"
        visible = seen.visible[value] = loop.create_future()
        body = {"yaml_content": _text(name, value)}
        started = time.monotonic()
        async with http.post(f"stacks/{stack}/deployment-objects", json=body) as response:
            made = await response.json()
        stored = seen.stored.setdefault(made["id"], loop.create_future())
        await asyncio.wait_for(asyncio.gather(visible, stored), 60)
        times.append((visible.result() - started, stored.result() - started))
    broker.ask("DELETE", f"/stacks/{stack}")
    return times


def _text(name: str, value: str) -> str:
    return (
        "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: {name}, namespace: default}}\ndata: {{value: '{value}'}}\n"
    )


def _percentiles(times: Sequence[float]) -> dict[int, int]:
    times = sorted(times)
    return {
        p: round(1000 * times[min(len(times) - 1, int(len(times) * p / 100))]) for p in (50, 95, 99)
    }


async def _objects(kube: aiohttp.ClientSession, server: str, seen: Seen) -> None:
    path = f"{server}/api/v1/namespaces/default/configmaps"
    async with kube.get(path, params={"watch": "true"}) as response:
        async for line in response.content:
            value = (json.loads(line)["object"].get("data") or {}).get("value", "")
            if (visible := seen.visible.get(value)) and not visible.done():
                visible.set_result(time.monotonic())


async def _events(http: aiohttp.ClientSession, seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    async with http.get("events/stream") as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                object_id = json.loads(line[6:])["deployment_object_id"]
                stored = seen.stored.setdefault(object_id, loop.create_future())
                if not stored.done():
                    stored.set_result(time.monotonic())
