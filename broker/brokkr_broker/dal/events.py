"""Agent events."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.events import AgentEvent, StreamedEvent

SQL = queries.load(__name__)


class Report(msgspec.Struct, frozen=True):
    """One event to record."""

    id: UUID
    agent_id: UUID
    deployment_object_id: UUID
    event_type: str
    status: str
    message: str | None


class Told(msgspec.Struct, frozen=True):
    """An event for watchers, and whose stack it is of."""

    event: StreamedEvent
    generator_id: UUID | None


async def told(db: Executor, ids: Sequence[UUID]) -> list[Told]:
    """In the order in which they were stored."""
    return [_told(row) for row in await db.fetch(SQL.told, list(ids))]


async def told_since(
    db: Executor, event_id: UUID, *, after: Position | None, limit: int
) -> list[Told]:
    """What was stored after an event, or so shortly before that a watcher may not have seen it."""
    start = after or (None, None)
    return [_told(row) for row in await db.fetch(SQL.told_since, event_id, *start, limit)]


def _told(row: Mapping[str, Any]) -> Told:
    fields = dict(row)
    return Told(generator_id=fields.pop("generator_id"), event=StreamedEvent(**fields))


async def record(db: Executor, reports: Sequence[Report]) -> dict[UUID, AgentEvent]:
    """Store each id once; return what is stored now, by id."""
    columns = zip(*(msgspec.structs.astuple(report) for report in reports), strict=True)
    return {row["id"]: AgentEvent(**row) for row in await db.fetch(SQL.record, *map(list, columns))}


async def get(db: Executor, event_id: UUID) -> AgentEvent | None:
    row = await db.fetchrow(SQL.get, event_id)
    return AgentEvent(**row) if row else None


async def list_(
    db: Executor, *, agent_id: UUID | None, after: Position | None, limit: int
) -> list[AgentEvent]:
    """All events, or those of one agent."""
    start = after or (None, None)
    if agent_id is None:
        rows = await db.fetch(SQL.list_, *start, limit)
    else:
        rows = await db.fetch(SQL.list_of_agent, agent_id, *start, limit)
    return [AgentEvent(**row) for row in rows]


async def sweep(db: Executor, *, days: int) -> int:
    """Remove some thousand events that are older. Returns how many went."""
    return len(await db.fetch(SQL.sweep, days))
