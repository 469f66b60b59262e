"""What a broker does by itself. Every broker of a database does it; nothing of it minds that.

A task is a step that is run again and again by `loops`; the context is opened and closed elsewhere.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from brokkr_broker.context import Context
from brokkr_broker.services import failures
from brokkr_broker.tasks import configuration, retention
from brokkr_common.loops import Loop

_HOUR = 3600.0
_DAY = 24 * _HOUR


@contextlib.asynccontextmanager
async def running(context: Context) -> AsyncIterator[None]:
    """All tasks, until the end of the block."""
    bound = functools.partial
    loops = [
        Loop("audit retention", bound(retention.sweep_audit, context), interval=_DAY),
        Loop("idempotency keys", bound(retention.sweep_idempotency, context), interval=_HOUR),
        Loop("failed logins", context.failures.sweep, interval=failures.WINDOW_SECONDS),
        Loop("settings file", bound(configuration.watch, context), interval=_HOUR),
        Loop("settings of others", bound(configuration.follow, context), interval=0),
    ]
    if lifetime := context.config.database.max_lifetime:
        loops.append(Loop("connections", context.db.expire_connections, interval=lifetime))
    running = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
