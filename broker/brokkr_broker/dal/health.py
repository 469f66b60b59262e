"""What agents say of the health of deployment objects."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.health import HealthRecord

SQL = queries.load(__name__)


class Check(msgspec.Struct, frozen=True):
    """One record to store; `summary` is JSON."""

    id: UUID
    status: str
    summary: str | None
    checked_at: datetime


async def find_unknown(db: Executor, object_ids: Sequence[UUID]) -> UUID | None:
    found: UUID | None = await db.fetchval(SQL.unknown, object_ids)
    return found


async def record(db: Executor, agent_id: UUID, checks: Sequence[Check]) -> None:
    columns = zip(*(msgspec.structs.astuple(check) for check in checks), strict=True)
    await db.execute(SQL.record, agent_id, *map(list, columns))


async def forget_older(db: Executor, agent_id: UUID, object_ids: Sequence[UUID]) -> None:
    await db.execute(SQL.forget_older, agent_id, object_ids)


async def of_object(db: Executor, object_id: UUID, *, limit: int) -> list[HealthRecord]:
    return [
        HealthRecord(**_decoded(row)) for row in await db.fetch(SQL.of_object, object_id, limit)
    ]


def _decoded(row: Any) -> dict[str, Any]:
    summary = row["summary"]
    return {**row, "summary": msgspec.json.decode(summary) if summary else None}


async def of_stack(db: Executor, stack_id: UUID, *, limit: int) -> list[Any]:
    """Rows of id, healthy_agents, degraded_agents, failing_agents; newest object first."""
    rows: list[Any] = await db.fetch(SQL.of_stack, stack_id, limit)
    return rows
