"""The audit trail: append, search, and let go of what is old."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.audit import AuditEntry

SQL = queries.load(__name__)


class Entry(msgspec.Struct, frozen=True):
    """One row to write; `details` is JSON."""

    id: UUID
    timestamp: datetime
    actor_type: str
    actor_id: UUID | None
    action: str
    resource_type: str
    resource_id: UUID | None
    details: str | None
    ip_address: str | None
    user_agent: str | None


class Filter(msgspec.Struct, frozen=True):
    """None fits everything."""

    actor_type: str | None = None
    actor_id: UUID | None = None
    action: str | None = None
    action_prefix: str | None = None
    resource_type: str | None = None
    resource_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def record(db: Executor, entries: Sequence[Entry]) -> None:
    columns = zip(*(msgspec.structs.astuple(entry) for entry in entries), strict=True)
    await db.execute(SQL.record, *map(list, columns))


async def search(
    db: Executor, wanted: Filter, *, after: Position | None, limit: int, offset: int
) -> list[AuditEntry]:
    values = msgspec.structs.astuple(wanted)
    rows = await db.fetch(SQL.search, *values, *(after or (None, None)), limit, offset)
    return [
        AuditEntry(**{**row, "details": row["details"] and msgspec.json.decode(row["details"])})
        for row in rows
    ]


async def count(db: Executor, wanted: Filter) -> int:
    number: int = await db.fetchval(SQL.count, *msgspec.structs.astuple(wanted))
    return number


async def sweep(db: Executor, *, days: int) -> int:
    """Remove up to 10,000 rows that are older. Returns how many went."""
    return len(await db.fetch(SQL.sweep, days))
