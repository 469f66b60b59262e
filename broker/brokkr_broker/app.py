"""The composition root: settings to context to routes."""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from brokkr_broker import keyfile
from brokkr_broker.api import ROUTES, middleware
from brokkr_broker.api.guard import guard
from brokkr_broker.config import BrokerConfig
from brokkr_broker.context import CONTEXT, Context
from brokkr_broker.dal import audit as audit_rows
from brokkr_broker.dal import events as event_rows
from brokkr_broker.dal import notices as notice_rows
from brokkr_broker.dal import targets
from brokkr_broker.db import pool
from brokkr_broker.db.batching import Batcher
from brokkr_broker.events.bus import Bus
from brokkr_broker.live.channels import Channels
from brokkr_broker.live.handlers import Handlers
from brokkr_broker.live.notices import Notices
from brokkr_broker.live.stream import Stream
from brokkr_broker.metrics import Metrics
from brokkr_broker.outbound import Sender
from brokkr_broker.rendering.pool import Workers
from brokkr_broker.security.throttle import Throttle
from brokkr_broker.services import agents, deployments, events
from brokkr_broker.services.audit import Trail
from brokkr_broker.services.configuration import Live
from brokkr_broker.services.failures import Failures
from brokkr_broker.services.keys import KeyRing
from brokkr_common import extensions, telemetry
from brokkr_common.loops import Step

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 5
_HOT = {"/agents/{id}/target-state", "/agents/{id}/heartbeat", "/agents/{id}/events", "/healthz"}
"""What every agent asks every few seconds: the router tries paths in the order of their adding."""


class _Telling:
    """What is told while it happens, wired together."""

    def __init__(self, db: pool.Executor) -> None:
        told = functools.partial(event_rows.told, db)
        self.channels = Channels(functools.partial(targets.serving, db))
        self.stream = Stream(told)
        self.handlers = Handlers(extensions.load("event_handlers"), told)
        self.notices = Notices(
            lambda texts: notice_rows.send(db, *texts),
            subscribers=(self.channels.hear, self.stream.hear),
        )
        self.parts = (self.channels, self.stream, self.handlers, self.notices)

    def stored(self, ids: Sequence[UUID]) -> None:
        """These events are."""
        self.notices.add("event", ids)
        self.handlers.add(ids)


@contextlib.asynccontextmanager
async def open_context(
    config: BrokerConfig, url: str, metrics: Metrics, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[Context]:
    """Everything a broker holds open, closed in reverse order at the end."""
    tracing = telemetry.start(config.telemetry, component="broker")
    db = await pool.connect(url, config.database, metrics.observe_query)
    trail = Trail(functools.partial(audit_rows.record, db))
    telling = _Telling(db)
    context = Context(
        live=Live(config, environ),
        metrics=metrics,
        tracing=tracing,
        db=db,
        keys=KeyRing(db, config.pak, ttl=config.broker.auth_cache_ttl_seconds),
        throttle=Throttle(config.api.rate_limit),
        trusted_proxies=[ip_network(network) for network in config.api.trusted_proxies],
        audit=trail,
        failures=Failures(trail),
        reports=Batcher(functools.partial(events.record, db, told=telling.stored)),
        heartbeats=Batcher(functools.partial(agents.record_heartbeats, db)),
        polls=Batcher(functools.partial(deployments.poll, db)),
        workers=Workers(limit=config.templates.workers, timeout=config.templates.timeout),
        sender=Sender([ip_network(network) for network in config.webhooks.blocked_networks]),
        channels=telling.channels,
        stream=telling.stream,
        notices=telling.notices,
        vault=functools.cache(functools.partial(keyfile.vault, config)),
    )
    running = [
        asyncio.create_task(_forever(part.run)) for part in (_listen(context, url), *telling.parts)
    ]
    try:
        yield context
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await context.workers.close()
        await context.sender.close()
        await context.reports.close()
        await context.heartbeats.close()
        await context.failures.sweep()
        await trail.close()
        await _close(db)
        await asyncio.to_thread(tracing.close)


async def _forever(run: Step) -> None:
    """A bug in one of these must not leave all agents without wake-ups."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("a listener ended, and is started again")
            await asyncio.sleep(1)


def _listen(context: Context, url: str) -> Bus:
    bus = Bus(
        functools.partial(asyncpg.connect, url, timeout=5), schema=context.config.database.schema
    )
    bus.subscribe(context.keys.hear)
    bus.subscribe(context.notices.hear)

    def hear(topic: str, sender: str) -> None:
        if topic == "config" and sender != context.live.name:
            context.reload_wanted.set()
        elif topic in ("webhook", "lost"):
            context.webhook_due.set()

    bus.subscribe(hear)
    return bus


async def _say_goodbye(app: web.Application) -> None:
    context = app[CONTEXT]
    context.stopping.set()
    await context.channels.close()


async def _close(db: "asyncpg.Pool[Any]") -> None:
    """A database that does not answer must not keep the broker from ending."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await db.close()
    except TimeoutError:
        db.terminate()


def create_app(context: Context) -> web.Application:
    """An application on an open context. Any number may live in one process."""
    app = web.Application(
        middlewares=[middleware.frame], client_max_size=context.config.api.max_body_size
    )
    app[CONTEXT] = context
    app.on_shutdown.append(_say_goodbye)
    for route in sorted(ROUTES, key=lambda route: route.path not in _HOT):
        app.router.add_route(route.method, route.url, guard(route))
    return app
