"""Brokers and Postgres killed at random under load, and a history that is checked afterwards.

Clients do what good clients do: they go to the next broker when one is gone, and repeat with the
same Idempotency-Key, event id or attempt until they have an answer.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from brokkr_broker.db.embedded import Server
from harness import Broker
from support.broker import WEBHOOK_KEY, YAML
from support.postgres import Databases
from support.serving import serving

_UNLUCKY_ATTEMPTS = 3  # the delay doubles with each: an eighth would be due after the test
_LASTING = (200, 201, 202, 400, 403, 404, 409, 422)


@dataclass
class History:
    """What clients were told. An order's endings are (agent, attempt, status)."""

    orders: set[str] = field(default_factory=set)
    executed: set[tuple[str, str, int]] = field(default_factory=set)
    endings: dict[str, set[tuple[str, int, int]]] = field(default_factory=lambda: defaultdict(set))
    events: set[str] = field(default_factory=set)
    pushes: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)


class System:
    """Postgres, brokers, and whoever kills them."""

    def __init__(self, folder: Path, brokers: int, chance: random.Random) -> None:
        folder.mkdir()
        self.server = Server(folder / "db", durable=True, max_connections=200)
        self.server.start(owner=True)
        self.database = Databases(self.server).create()
        self.chance = chance
        self.brokers = [
            Broker(
                folder / f"broker-{number}",
                log_level="error",
                BROKKR__DATABASE__URL=self.database,
                BROKKR__BROKER__WEBHOOK_ENCRYPTION_KEY=WEBHOOK_KEY,
                BROKKR__DATABASE__COMMAND_TIMEOUT="3s",
                BROKKR__API__REQUEST_TIMEOUT="5s",
            )
            for number in range(brokers)
        ]
        self.brokers[0].start()
        self.brokers[0].wait()
        for broker in self.brokers[1:]:
            broker.start()
            broker.wait()

    async def chaos(self, history: History) -> None:
        """Until cancelled: somebody dies every second or so, and comes back."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.3, 2.5))
            if self.chance.random() < 0.2:
                history.kills["postgres"] += 1
                pid = int((self.server.data / "postmaster.pid").read_text().splitlines()[0])
                os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(self.chance.uniform(0, 1))
                await asyncio.to_thread(self._revive_postgres)
            else:
                broker = self.chance.choice(self.brokers)
                number = self.chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
                history.kills[f"broker {signal.Signals(number).name}"] += 1
                await asyncio.to_thread(broker.kill, number)
                await asyncio.sleep(self.chance.uniform(0, 1))
                broker.start()

    def _revive_postgres(self) -> None:
        for _ in range(100):
            with contextlib.suppress(Exception):
                if self.server.ensure():
                    return
            time.sleep(0.1)

    def heal(self) -> None:
        with contextlib.suppress(Exception):
            self.server.ensure()
        for broker in self.brokers:
            if not broker.running():
                broker.start()
            broker.wait()

    def stop(self) -> None:
        for broker in self.brokers:
            with contextlib.suppress(Exception):
                broker.kill(signal.SIGTERM)
        self.server.stop()


class Caller:
    """A client with a key, that knows every broker."""

    def __init__(
        self, http: aiohttp.ClientSession, urls: list[str], pak: str, history: History
    ) -> None:
        self._http = http
        self._urls = itertools.cycle(random.sample(urls, len(urls)))
        self._url = next(self._urls)
        self._headers = {"Authorization": f"Bearer {pak}"}
        self._history = history

    async def until_answered(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> tuple[int, Any]:
        """Repeat, here or elsewhere, until the answer is one that lasts."""
        headers = {**self._headers, **({"Idempotency-Key": key} if key else {})}
        while True:
            try:
                async with self._http.request(
                    method,
                    f"{self._url}/api/v1{path}",
                    json=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=8),
                ) as response:
                    self._history.answers[response.status] += 1
                    assert response.status != 500, await response.text()
                    if response.status in _LASTING:
                        return response.status, await response.json()
            except (aiohttp.ClientError, OSError, TimeoutError):
                self._history.answers[0] += 1
            self._url = next(self._urls)
            await asyncio.sleep(0.05)

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        status, answer = await self.until_answered(method, path, body, key)
        assert status < 300, (method, path, status, answer)
        return answer


class Agent:
    """Claims, works, completes and reports; forgets a claim now and then, as if it had died."""

    def __init__(self, caller: Caller, agent_id: str, chance: random.Random) -> None:
        self._caller = caller
        self._id = agent_id
        self._chance = chance

    async def work(self, history: History) -> None:
        while True:
            pending = await self._caller.ask(
                "GET", f"/agents/{self._id}/work-orders/pending?limit=20"
            )
            for order in self._chance.sample(pending, min(3, len(pending))):
                await self._do(order["id"], history)
            await asyncio.sleep(self._chance.uniform(0.01, 0.2))

    async def _do(self, order_id: str, history: History) -> None:
        status, claimed = await self._caller.until_answered(
            "POST", f"/work-orders/{order_id}/claim", {"agent_id": self._id}, key=uuid4().hex
        )
        if status != 200:
            return
        attempt = claimed["attempt"]
        unlucky = attempt <= _UNLUCKY_ATTEMPTS
        if unlucky and self._chance.random() < 0.03:
            return
        history.executed.add((order_id, self._id, attempt))
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        body = {"success": not unlucky or self._chance.random() < 0.8, "attempt": attempt}
        status, _ = await self._caller.until_answered(
            "POST", f"/work-orders/{order_id}/complete", body
        )
        history.endings[order_id].add((self._id, attempt, status))

    async def report(self, objects: list[str], count: int, history: History) -> None:
        for _ in range(count):
            event_id = str(uuid4())
            body = {
                "id": event_id,
                "deployment_object_id": self._chance.choice(objects),
                "event_type": "DEPLOY",
                "status": self._chance.choice(["SUCCESS", "FAILURE"]),
            }
            for _ in range(self._chance.choice([1, 1, 2])):
                await self._caller.ask("POST", f"/agents/{self._id}/events", body)
            history.events.add(event_id)
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def listening(history: History) -> AsyncIterator[str]:
    """A receiver of webhooks."""

    async def hear(request: web.Request) -> web.Response:
        body = await request.json()
        history.told[body["event_type"], body["data"].get("work_order_log_id", "")] += 1
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hear)
    async with serving(app) as address:
        yield f"http://{address}/"


async def order_work(
    admin: Caller, ids: list[str], count: int, seconds: float, history: History
) -> None:
    for _ in range(count):
        body = {
            "work_type": "custom",
            "yaml_content": "x",
            "target_agent_ids": random.sample(ids, 3),
            "max_retries": 1000,
            "backoff_seconds": 1,
            "claim_timeout_seconds": 4,
        }
        made = await admin.ask("POST", "/work-orders", body, key=uuid4().hex)
        history.orders.add(made["id"])
        await asyncio.sleep(seconds / count / 2)


async def push(admin: Caller, stack: str, count: int, history: History) -> None:
    for _ in range(count):
        path = f"/stacks/{stack}/deployment-objects"
        made = await admin.ask("POST", path, {"yaml_content": YAML}, key=uuid4().hex)
        history.pushes[stack].append((made["id"], made["sequence_id"]))
        await asyncio.sleep(0.05)
