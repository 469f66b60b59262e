"""What a broker does by itself. Every broker of a database does it; nothing of it minds that.

A task is a step that is run again and again by `loops`; the context is opened and closed elsewhere.
A run that did something is counted, and says so in the log.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from brokkr_broker.context import Context
from brokkr_broker.services import failures
from brokkr_broker.tasks import configuration, diagnostics, retention, webhooks, work_orders
from brokkr_common.loops import Loop

logger = logging.getLogger(__name__)

Sweep = Callable[[Context], Awaitable[int]]
_HOUR = 3600.0
_DAY = 24 * _HOUR
_SWEEPS: dict[str, tuple[Sweep, float]] = {
    "agent_events": (retention.sweep_events, _HOUR),
    "audit_retention": (retention.sweep_audit, _DAY),
    "idempotency_keys": (retention.sweep_idempotency, _HOUR),
    "webhook_claims": (webhooks.release, 10.0),
    "webhook_cleanup": (webhooks.clean_up, _HOUR),
    "work_orders": (work_orders.sweep, 10.0),
}
"""By name: a step that returns how much it did, and the seconds between two of them."""


@contextlib.asynccontextmanager
async def running(context: Context) -> AsyncIterator[None]:
    """All tasks, until the end of the block."""
    bound = functools.partial
    loops = [
        Loop(name, bound(_run, context, name, step), interval=interval)
        for name, (step, interval) in _SWEEPS.items()
    ]
    loops.append(
        Loop(
            "diagnostics",
            bound(_run, context, "diagnostics", diagnostics.sweep),
            interval=lambda: context.config.broker.diagnostic_cleanup_interval_seconds,
        )
    )
    dispatcher = webhooks.Dispatcher(context)
    loops += [
        Loop("webhooks", dispatcher.step, interval=0),
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
        await dispatcher.close()


async def _run(context: Context, name: str, step: Sweep) -> None:
    count = await step(context)
    if count:
        context.metrics.background.labels(name).inc(count)
        logger.info("background task", extra={"task": name, "count": count})
