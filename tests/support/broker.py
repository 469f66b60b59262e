"""A real broker on a real port, and clients with the keys a test needs."""

import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from brokkr_broker.app import create_app, open_context
from brokkr_broker.config import Api, Broker, BrokerConfig
from brokkr_broker.context import Context
from brokkr_broker.metrics import Metrics
from brokkr_broker.services import keys

WEBHOOK_KEY = "11" * 32
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


class Client:
    """Calls with one key. `ask` wants success and returns the JSON."""

    def __init__(self, http: aiohttp.ClientSession, url: str, pak: str | None) -> None:
        self._http = http
        self._url = url
        self.pak = pak

    async def call(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any, Any]:
        headers = {**({"Authorization": f"Bearer {self.pak}"} if self.pak else {})}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        async with self._http.request(
            method, self._url + path, headers=headers, **options
        ) as response:
            streams = response.content_type == "text/event-stream"
            raw = b"" if streams else await response.read()
            is_json = response.content_type == "application/json"
            value = await response.json() if raw and is_json else raw
            return response.status, value, response.headers

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        status, value, _ = await self.call(method, path, body, **options)
        assert status < 300, f"{method} {path}: {status} {value}"
        return value


class RunningBroker:
    """The admin's client, and factories for everything else."""

    def __init__(
        self, context: Context, http: aiohttp.ClientSession, url: str, pak: str | None
    ) -> None:
        self.context = context
        self.http = http
        self.url = url
        self.client = functools.partial(Client, http, f"{url}/api/v1")
        self.root = Client(http, url, None)
        self.admin = self.client(pak)

    async def agent(self, name: str | None = None) -> tuple[str, Client]:
        name = name or f"agent-{uuid4().hex[:6]}"
        made = await self.admin.ask("POST", "/agents", {"name": name, "cluster_name": "c"})
        return made["agent"]["id"], self.client(made["initial_pak"])

    async def generator(self) -> tuple[str, Client]:
        made = await self.admin.ask("POST", "/generators", {"name": f"ci-{uuid4().hex[:6]}"})
        return made["generator"]["id"], self.client(made["pak"])

    async def stack(self, *, agent_id: str | None = None, by: Client | None = None) -> str:
        client = by or self.admin
        stack = await client.ask("POST", "/stacks", {"name": f"stack-{uuid4().hex[:6]}"})
        if agent_id:
            await self.admin.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack["id"]})
        stack_id: str = stack["id"]
        return stack_id

    async def push(self, stack_id: str, yaml: str = YAML, **fields: Any) -> Any:
        body = {"yaml_content": yaml, **fields}
        return await self.admin.ask("POST", f"/stacks/{stack_id}/deployment-objects", body)

    async def report(self, agent: Client, agent_id: str, object_id: str, status: str) -> Any:
        body = {"deployment_object_id": object_id, "event_type": "DEPLOY", "status": status}
        return await agent.ask("POST", f"/agents/{agent_id}/events", body)

    async def state(self, agent: Client, agent_id: str, mode: str = "full") -> list[str]:
        found = await agent.ask("GET", f"/agents/{agent_id}/target-state?mode={mode}")
        return [o["id"] for o in found]


@contextlib.asynccontextmanager
async def running_broker(
    database: str,
    *,
    preset_hash: str = "",
    config: BrokerConfig | None = None,
    environ: Mapping[str, str] | None = None,
    **api: Any,
) -> AsyncIterator[RunningBroker]:
    config = config or BrokerConfig(
        api=Api(**api), broker=Broker(webhook_encryption_key=WEBHOOK_KEY)
    )
    metrics = Metrics(CollectorRegistry())
    async with open_context(config, database, metrics, environ or {}) as context:
        pak = await keys.initialize(context.db, config.pak, preset_hash=preset_hash)
        runner = web.AppRunner(create_app(context), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession() as http:
                yield RunningBroker(context, http, f"http://{host}:{port}", pak)
        finally:
            await runner.cleanup()
