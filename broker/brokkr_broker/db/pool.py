"""The connection pool. Every connection sees the tenant's schema and no other."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from brokkr_broker import config

Executor = Any
"""A pool or one of its connections: whatever has `fetch`, `fetchrow`, `fetchval`, `execute`."""


Position = tuple[datetime, UUID]
"""Where a page of a list by creation begins: behind the row of this moment and id."""


Observer = Callable[[str, float], None]
"""Is told of every statement, with the seconds that it took."""


class _Connection(asyncpg.Connection):
    observe: Observer

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        with self._running(query):
            return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        with self._running(query):
            return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        with self._running(query):
            return await super().fetchval(query, *args, **options)

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        with self._running(query):
            return await super().execute(query, *args, **options)

    def _running(self, query: str) -> "_Running":
        return _Running(self, query)

    async def reset(self, *, timeout: float | None = None) -> None:
        """Nothing to reset: no statement of ours leaves a session setting behind.

        The default costs a round trip and four statements each time a connection goes back.
        """


class _Running:
    """Around one statement: its time, and the end of a connection that has lost its way."""

    __slots__ = ("_connection", "_query", "_started")

    def __init__(self, connection: _Connection, query: str) -> None:
        self._connection = connection
        self._query = query

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: object, e: BaseException | None, trace: object) -> None:
        self._connection.observe(self._query, time.perf_counter() - self._started)
        if isinstance(e, asyncpg.InternalClientError):
            # NB: a server that died in the middle of a statement can leave the driver waiting for
            # the rest of it, for ever, on a connection that looks well.
            self._connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError("the connection was out of step") from e


async def connect(
    url: str, settings: config.Database, observe: Observer = lambda *_: None
) -> "asyncpg.Pool[Any]":
    """Open the pool with one connection; it grows to `database.pool_size` under load."""
    connection = type("Connection", (_Connection,), {"observe": staticmethod(observe)})
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=settings.pool_size,
        max_inactive_connection_lifetime=float(settings.idle_timeout),
        statement_cache_size=settings.statement_cache_size,
        command_timeout=float(settings.command_timeout),
        timeout=5,
        connection_class=connection,
        server_settings=session_settings(settings.schema),
    )


def session_settings(schema: str) -> dict[str, str]:
    return {
        # Nothing but the tenant's own: what is missing there must not be found in another's.
        "search_path": f'"{schema}"',
        "application_name": "brokkr-broker",
        # Every hot statement is a handful of index look-ups. The planner must not change its mind
        # about that while its statistics are still those of an empty table.
        "enable_bitmapscan": "off",
        "enable_seqscan": "off",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }


@contextlib.asynccontextmanager
async def transaction(pool: Executor) -> AsyncIterator[Executor]:
    """A connection inside a transaction: committed at the end, rolled back on an error.

    On a connection that is in one already, it is a part of that one.
    """
    if isinstance(pool, asyncpg.Pool):
        async with pool.acquire() as connection, connection.transaction():
            yield connection
    else:
        async with pool.transaction():
            yield pool
