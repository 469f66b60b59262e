"""Diagnostics: requests and their results."""

from datetime import datetime
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.diagnostics import DiagnosticRequest, DiagnosticResult

SQL = queries.load(__name__)


async def create(
    db: Executor, *, agent_id: UUID, object_id: UUID, requested_by: str | None, minutes: int
) -> DiagnosticRequest:
    return DiagnosticRequest(
        **await db.fetchrow(SQL.create, agent_id, object_id, requested_by, minutes)
    )


async def get(db: Executor, request_id: UUID) -> DiagnosticRequest | None:
    row = await db.fetchrow(SQL.get, request_id)
    return DiagnosticRequest(**row) if row else None


async def result(db: Executor, request_id: UUID) -> DiagnosticResult | None:
    row = await db.fetchrow(SQL.result, request_id)
    return DiagnosticResult(**row) if row else None


async def pending(
    db: Executor, agent_id: UUID, *, after: Position | None, limit: int
) -> list[DiagnosticRequest]:
    rows = await db.fetch(SQL.pending, agent_id, *(after or (None, None)), limit)
    return [DiagnosticRequest(**row) for row in rows]


async def claim(db: Executor, request_id: UUID) -> DiagnosticRequest | None:
    row = await db.fetchrow(SQL.claim, request_id)
    return DiagnosticRequest(**row) if row else None


async def complete(
    db: Executor,
    request_id: UUID,
    *,
    pod_statuses: str,
    events: str,
    log_tails: str | None,
    collected_at: datetime,
    failed: bool,
) -> DiagnosticResult | None:
    """None where the request is not claimed."""
    values = (pod_statuses, events, log_tails, collected_at, failed)
    row = await db.fetchrow(SQL.complete, request_id, *values)
    return DiagnosticResult(**row) if row else None


async def expire(db: Executor) -> int:
    return len(await db.fetch(SQL.expire))


async def sweep(db: Executor, *, hours: int) -> int:
    return len(await db.fetch(SQL.sweep, hours))
