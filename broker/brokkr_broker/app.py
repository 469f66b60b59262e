"""The composition root: settings to context to routes."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

import asyncpg
from aiohttp import web

from brokkr_broker.api import ROUTES, middleware
from brokkr_broker.config import BrokerConfig
from brokkr_broker.context import CONTEXT, Context
from brokkr_broker.db import pool
from brokkr_broker.db.batching import Batcher
from brokkr_broker.events.bus import Bus
from brokkr_broker.metrics import Metrics
from brokkr_broker.rendering.pool import Workers
from brokkr_broker.services import agents, deployments, events
from brokkr_broker.services.keys import KeyRing

_CLOSE_SECONDS = 5


@contextlib.asynccontextmanager
async def open_context(config: BrokerConfig, url: str, metrics: Metrics) -> AsyncIterator[Context]:
    """Everything a broker holds open, closed in reverse order at the end."""
    db = await pool.connect(url, config.database)
    keys = KeyRing(db, ttl=config.broker.auth_cache_ttl_seconds)
    bus = Bus(functools.partial(asyncpg.connect, url, timeout=5), schema=config.database.schema)
    bus.subscribe(keys.hear)
    reports = Batcher(functools.partial(events.record, db))
    heartbeats = Batcher(functools.partial(agents.record_heartbeats, db))
    polls = Batcher(functools.partial(deployments.poll, db))
    workers = Workers(limit=config.templates.workers, timeout=config.templates.timeout)
    listening = asyncio.create_task(bus.run())
    try:
        yield Context(
            config, metrics, db, keys, reports, heartbeats, polls, workers, asyncio.Event()
        )
    finally:
        await workers.close()
        await reports.close()
        await heartbeats.close()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await _close(db)


async def _close(db: "asyncpg.Pool[asyncpg.Record]") -> None:
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
    for route in ROUTES:
        handler = middleware.guard(route.handler, route.allow)
        app.router.add_route(route.method, route.url, handler)
    return app
