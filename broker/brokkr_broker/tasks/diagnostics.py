"""Diagnostics that nobody answered have expired or failed; old ones go."""

from brokkr_broker.context import Context
from brokkr_broker.dal import diagnostics


async def sweep(context: Context) -> int:
    """Returns how many requests have ended or gone."""
    count = await diagnostics.expire(context.db)
    hours = context.config.broker.diagnostic_max_age_hours
    while gone := await diagnostics.sweep(context.db, hours=hours):
        count += gone
    return count
