"""Deliver webhooks: claim what is due, send each by itself, say what became of it."""

import asyncio
import contextlib
import functools
import logging
from collections import Counter
from uuid import UUID

from brokkr_broker.context import Context
from brokkr_broker.dal import deliveries
from brokkr_broker.dal.deliveries import Due
from brokkr_broker.services import audit, webhooks
from brokkr_broker.services.audit import Origin
from brokkr_common.wire.webhooks import DeliveryStatus

logger = logging.getLogger(__name__)

_MOST = 200
_EACH = 20


class Dispatcher:
    """Woken by the database's word that there is an event; the interval is the safety net.

    Each subscription has so many calls under way at most: one that hangs delays no other.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._under_way: Counter[UUID] = Counter()
        self._sending: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Claim until nothing is due or enough is under way, then wait for a reason to look."""
        settings = self._context.config.broker
        self._context.webhook_due.clear()
        while room := min(settings.webhook_delivery_batch_size, _MOST - len(self._sending)):
            busy = [one for one, count in self._under_way.items() if count >= _EACH]
            claimed = await deliveries.claim(
                self._context.db, limit=room, each=_EACH // 2, busy=busy
            )
            for due in claimed:
                self._start(due)
            if not claimed:
                break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.webhook_delivery_interval_seconds):
                await self._context.webhook_due.wait()

    async def close(self) -> None:
        """Calls under way are given up; their claims run out, and they are sent again."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _start(self, due: Due) -> None:
        self._under_way[due.subscription_id] += 1
        task = asyncio.create_task(self._deliver(due))
        self._sending.add(task)
        task.add_done_callback(functools.partial(self._done, due.subscription_id))

    def _done(self, subscription_id: UUID, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        was_busy = self._under_way[subscription_id] >= _EACH or len(self._sending) >= _MOST - 1
        self._under_way[subscription_id] -= 1
        if not self._under_way[subscription_id]:
            del self._under_way[subscription_id]
        if was_busy:
            self._context.webhook_due.set()
        if not task.cancelled() and (e := task.exception()):
            logger.warning("delivery not settled", extra={"reason": repr(e)[:200]})

    async def _deliver(self, due: Due) -> None:
        context = self._context
        status = await webhooks.deliver(context.db, context.vault(), context.sender, due)
        context.metrics.deliveries.labels(status.value if status else "lost").inc()
        if status is DeliveryStatus.DEAD:
            details = {"delivery_id": due.id, "event_type": due.event_type}
            entry = audit.entry(
                "webhook.delivery_failed",
                actor=None,
                origin=Origin(),
                resource_id=due.subscription_id,
                details=details,
            )
            await context.audit.record(entry)


async def release(context: Context) -> int:
    count = await deliveries.release(context.db)
    if count:
        context.webhook_due.set()
    return count


async def clean_up(context: Context) -> int:
    days, count = context.config.broker.webhook_cleanup_retention_days, 0
    while gone := await deliveries.sweep(context.db, days=days):
        count += gone
    return count
