"""The health port: /healthz, /readyz, /health and /metrics."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import prometheus_client
from aiohttp import web

from brokkr_common import __version__
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import OperatorError
from brokkr_operator.leader import Leader
from brokkr_operator.runtime import Runtime

_TIMEOUT_SECONDS = 3


class Probes:
    """Answers from the first moment on; knows the runtime once there is one."""

    def __init__(self) -> None:
        self.kube: Kube | None = None
        self.leader: Leader | None = None
        self.runtime: Runtime | None = None
        self._started = time.monotonic()

    async def serve(self, port: int) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/health", self.health)
        app.router.add_get("/metrics", self.metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", port).start()
        return runner

    async def healthz(self, _request: web.Request) -> web.Response:
        dead = [t for t in (self.runtime.tasks if self.runtime else ()) if t.done()]
        return web.Response(status=500, text="a loop ended") if dead else web.Response(text="OK")

    async def readyz(self, _request: web.Request) -> web.Response:
        state = await self._state()
        ready = state["status"] == "healthy"
        return web.Response(status=200 if ready else 503, text="Ready" if ready else "Not ready")

    async def health(self, _request: web.Request) -> web.Response:
        state = await self._state()
        return web.json_response(state, status=200 if state["status"] == "healthy" else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=prometheus_client.generate_latest(), headers=headers)

    async def _state(self) -> dict[str, Any]:
        kubernetes: dict[str, Any] = {"connected": False, "error": "starting"}
        broker: dict[str, Any] = {"connected": False, "last_heartbeat": None}
        if self.kube:
            kubernetes = await self._kubernetes(self.kube)
        if self.runtime:
            beat = self.runtime.last_beat
            broker["connected"] = self.runtime.broker_error is None
            broker["last_heartbeat"] = beat.isoformat() if beat else None
        # NB: a replica that stands by is ready to lead, and leaves the broker to the leader.
        stands_by = self.leader is not None and not self.leader.leads
        healthy = kubernetes["connected"] and (broker["connected"] or stands_by)
        return {
            "status": "healthy" if healthy else "unhealthy",
            "leader": self.runtime is not None,
            "kubernetes": kubernetes,
            "broker": broker,
            "uptime_seconds": int(time.monotonic() - self._started),
            "version": __version__,
            "timestamp": datetime.now(UTC).isoformat(),
        }

    async def _kubernetes(self, kube: Kube) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await kube.ping()
        except (OperatorError, TimeoutError) as e:
            return {"connected": False, "error": str(e) or "timeout"}
        return {"connected": True}
