"""Old rows go, some at a time. Each step returns how many."""

from brokkr_broker.context import Context
from brokkr_broker.dal import audit, events, idempotency


async def sweep_audit(context: Context) -> int:
    days, count = context.config.broker.audit_log_retention_days, 0
    while gone := await audit.sweep(context.db, days=days):
        count += gone
    return count


async def sweep_idempotency(context: Context) -> int:
    count = 0
    while gone := await idempotency.sweep(context.db):
        count += gone
    return count


async def sweep_events(context: Context) -> int:
    days, count = context.config.broker.agent_events_retention_days, 0
    while days and (gone := await events.sweep(context.db, days=days)):
        count += gone
    return count
