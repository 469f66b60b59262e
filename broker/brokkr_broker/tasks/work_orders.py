"""Retries whose time has come go back to the queue; so do claims that have run out."""

from collections.abc import Sequence
from uuid import UUID

from brokkr_broker.context import Context
from brokkr_broker.dal import work_orders
from brokkr_broker.services import audit
from brokkr_broker.services.audit import Origin
from brokkr_broker.services.work_orders import TIMED_OUT


async def sweep(context: Context) -> int:
    """Returns how many orders have moved. Any number of brokers may do it at once."""
    due = await work_orders.release_due(context.db)
    stale = await work_orders.release_stale(context.db)
    ended = await work_orders.end_stale(context.db)
    await _record(context, "workorder.retry", stale)
    await _record(context, "workorder.failed", ended)
    return len(due) + len(stale) + len(ended)


async def _record(context: Context, action: str, order_ids: Sequence[UUID]) -> None:
    details = {"message": TIMED_OUT}
    await context.audit.record(
        *(
            audit.entry(action, actor=None, origin=Origin(), resource_id=order_id, details=details)
            for order_id in order_ids
        )
    )
