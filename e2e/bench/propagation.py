"""From a push to the object in the cluster, and to the event at the broker.

One agent with its defaults, one stack with one ConfigMap, one push after the other on an otherwise
idle machine. Visible is what a watch of the API server shows; stored is what the broker streams.
"""

import asyncio
import json
import random
import time
from typing import Any

import aiohttp
from cluster import Bench, api

from harness import wait_applied


async def measure(bench: Bench, pushes: int, *, pause: float) -> dict[str, Any]:
    """Milliseconds: p50, p95 and p99 of both. Up to `pause` seconds between two pushes."""
    broker = bench.broker
    stack = broker.stack(f"propagation-{time.monotonic_ns()}")
    broker.ask("POST", f"/agents/{bench.agent.id}/labels", stack)
    broker.ask("POST", f"/stacks/{stack}/labels", stack)
    first = broker.push(stack, _text("first"))
    await asyncio.to_thread(wait_applied, bench.kubectl, stack, first["sequence_id"], seconds=60)
    visible: dict[str, asyncio.Future[float]] = {}
    stored: dict[str, asyncio.Future[float]] = {}
    headers = {"Authorization": f"Bearer {broker.pak}"}
    base = f"{broker.url}/api/v1"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        api(bench.cluster) as (kube, server),
        asyncio.TaskGroup() as group,
    ):
        reading = [
            group.create_task(_objects(kube, server, visible)),
            group.create_task(_events(http, base, stored)),
        ]
        await asyncio.sleep(1)
        times: list[tuple[float, float]] = []
        for number in range(pushes):
            loop = asyncio.get_running_loop()
            seen = visible[str(number)] = loop.create_future()
            body = {"yaml_content": _text(str(number))}
            started = time.monotonic()
            path = f"{base}/stacks/{stack}/deployment-objects"
            async with http.post(path, json=body) as response:
                made = await response.json()
            told = stored.setdefault(made["id"], loop.create_future())
            await asyncio.wait_for(asyncio.gather(seen, told), 60)
            times.append((seen.result() - started, told.result() - started))
            await asyncio.sleep(random.random() * pause)
        for task in reading:
            task.cancel()
    broker.ask("DELETE", f"/stacks/{stack}")
    return {
        "visible_ms": _percentiles([v for v, _ in times]),
        "stored_ms": _percentiles([s for _, s in times]),
    }


def _text(value: str) -> str:
    return (
        "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: propagation, namespace: default}}\ndata: {{value: '{value}'}}\n"
    )


def _percentiles(times: list[float]) -> dict[str, int]:
    times = sorted(times)
    return {
        f"p{p}": round(1000 * times[min(len(times) - 1, int(len(times) * p / 100))])
        for p in (50, 95, 99)
    }


async def _objects(
    kube: aiohttp.ClientSession, server: str, visible: dict[str, "asyncio.Future[float]"]
) -> None:
    path = f"{server}/api/v1/namespaces/default/configmaps"
    query = {"watch": "true", "fieldSelector": "metadata.name=propagation"}
    async with kube.get(path, params=query) as response:
        async for line in response.content:
            value = json.loads(line)["object"].get("data", {}).get("value")
            if (seen := visible.get(value)) and not seen.done():
                seen.set_result(time.monotonic())


async def _events(
    http: aiohttp.ClientSession, base: str, stored: dict[str, "asyncio.Future[float]"]
) -> None:
    async with http.get(f"{base}/events/stream") as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                told = stored.setdefault(
                    event["deployment_object_id"], asyncio.get_running_loop().create_future()
                )
                if not told.done():
                    told.set_result(time.monotonic())
