"""Old rows go, some at a time."""

from brokkr_broker.context import Context
from brokkr_broker.dal import audit, idempotency


async def sweep_audit(context: Context) -> None:
    days = context.config.broker.audit_log_retention_days
    while await audit.sweep(context.db, days=days):
        pass


async def sweep_idempotency(context: Context) -> None:
    while await idempotency.sweep(context.db):
        pass
