"""Work orders: the queue and its log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.work_orders import WorkOrder, WorkOrderLogEntry

SQL = queries.load(__name__)


class Locked(msgspec.Struct, frozen=True):
    """An order that nobody else can end meanwhile, and whose failure brought it here."""

    order: WorkOrder
    failed_by: UUID | None
    failed_attempt: int | None


async def create(
    db: Executor,
    *,
    work_type: str,
    yaml: str,
    max_retries: int,
    backoff_seconds: int,
    claim_timeout_seconds: int,
) -> WorkOrder:
    values = (work_type, yaml, max_retries, backoff_seconds, claim_timeout_seconds)
    return WorkOrder(**await db.fetchrow(SQL.create, *values))


async def address(
    db: Executor,
    order_id: UUID,
    *,
    agent_ids: Sequence[UUID],
    labels: Sequence[str],
    annotations: dict[str, str],
) -> None:
    """Raises the driver's foreign key error for an agent that is not live."""
    keys, values = list(annotations), list(annotations.values())
    await db.execute(SQL.address, order_id, list(agent_ids), list(labels), keys, values)


async def get(db: Executor, order_id: UUID) -> WorkOrder | None:
    row = await db.fetchrow(SQL.get, order_id)
    return WorkOrder(**row) if row else None


async def list_(
    db: Executor,
    *,
    status: str | None,
    work_type: str | None,
    after: Position | None,
    limit: int,
) -> list[WorkOrder]:
    rows = await db.fetch(SQL.list_, status, work_type, *(after or (None, None)), limit)
    return [WorkOrder(**row) for row in rows]


async def pending(
    db: Executor,
    agent_id: UUID,
    *,
    work_type: str | None,
    claimed: bool,
    after: Position | None,
    limit: int,
) -> list[WorkOrder]:
    start = after or (None, None)
    rows = await db.fetch(SQL.pending, agent_id, work_type, claimed, *start, limit)
    return [WorkOrder(**row) for row in rows]


async def claim(db: Executor, order_id: UUID, agent_id: UUID) -> WorkOrder | None:
    row = await db.fetchrow(SQL.claim, order_id, agent_id)
    return WorkOrder(**row) if row else None


async def renew(db: Executor, order_id: UUID, agent_id: UUID, attempt: int) -> WorkOrder | None:
    row = await db.fetchrow(SQL.renew, order_id, agent_id, attempt)
    return WorkOrder(**row) if row else None


async def lock(db: Executor, order_id: UUID) -> Locked | None:
    row = await db.fetchrow(SQL.lock, order_id)
    if row is None:
        return None
    fields: dict[str, Any] = dict(row)
    failed_by, failed_attempt = fields.pop("failed_by"), fields.pop("failed_attempt")
    return Locked(WorkOrder(**fields), failed_by, failed_attempt)


async def end(
    db: Executor, order_id: UUID, *, success: bool, message: str | None, by: UUID | None
) -> WorkOrderLogEntry:
    return WorkOrderLogEntry(**await db.fetchrow(SQL.end, order_id, success, message, by))


async def retry(db: Executor, order_id: UUID, *, error: str) -> None:
    await db.execute(SQL.retry, order_id, error)


async def delete(db: Executor, order_id: UUID) -> bool:
    """Out of the queue, or out of the log."""
    if await db.fetchval(SQL.delete, order_id) is not None:
        return True
    return await db.fetchval(SQL.delete_log, order_id) is not None


async def get_log(db: Executor, order_id: UUID) -> WorkOrderLogEntry | None:
    row = await db.fetchrow(SQL.get_log, order_id)
    return WorkOrderLogEntry(**row) if row else None


async def list_log(
    db: Executor,
    *,
    work_type: str | None,
    success: bool | None,
    agent_id: UUID | None,
    after: Position | None,
    limit: int,
) -> list[WorkOrderLogEntry]:
    start = after or (None, None)
    rows = await db.fetch(SQL.list_log, work_type, success, agent_id, *start, limit)
    return [WorkOrderLogEntry(**row) for row in rows]


async def release_due(db: Executor) -> list[UUID]:
    return [row["id"] for row in await db.fetch(SQL.release_due)]


async def release_stale(db: Executor) -> list[UUID]:
    return [row["id"] for row in await db.fetch(SQL.release_stale)]


async def end_stale(db: Executor) -> list[UUID]:
    return [row["id"] for row in await db.fetch(SQL.end_stale)]
