"""Agents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.agents import Agent
from brokkr_common.wire.stacks import Stack

SQL = queries.load(__name__)


async def list_(db: Executor, *, after: Position | None, limit: int) -> list[Agent]:
    return [Agent(**row) for row in await db.fetch(SQL.list_, *(after or (None, None)), limit)]


async def get(db: Executor, agent_id: UUID) -> Agent | None:
    row = await db.fetchrow(SQL.get, agent_id)
    return Agent(**row) if row else None


async def find(db: Executor, *, name: str, cluster_name: str) -> Agent | None:
    row = await db.fetchrow(SQL.find, name, cluster_name)
    return Agent(**row) if row else None


async def create(db: Executor, *, name: str, cluster_name: str, hash: str, head: str) -> Agent:
    return Agent(**await db.fetchrow(SQL.create, name, cluster_name, hash, head))


async def update(
    db: Executor,
    agent_id: UUID,
    *,
    name: str | None,
    cluster_name: str | None,
    status: str | None,
    unchanged_since: datetime | None,
) -> Agent | None:
    row = await db.fetchrow(SQL.update, agent_id, name, cluster_name, status, unchanged_since)
    return Agent(**row) if row else None


async def rotate(db: Executor, agent_id: UUID, *, hash: str, head: str) -> Agent | None:
    row = await db.fetchrow(SQL.rotate, agent_id, hash, head)
    return Agent(**row) if row else None


async def delete(db: Executor, agent_id: UUID, *, unchanged_since: datetime | None) -> bool:
    return await db.fetchval(SQL.delete, agent_id, unchanged_since) is not None


async def heartbeat(db: Executor, agent_ids: Sequence[UUID]) -> set[UUID]:
    """Stamp every agent; return the ids that are live."""
    return {row["id"] for row in await db.fetch(SQL.heartbeat, agent_ids)}


async def stacks(
    db: Executor, agent_id: UUID, *, after: Position | None, limit: int
) -> list[Stack]:
    rows = await db.fetch(SQL.stacks, agent_id, *(after or (None, None)), limit)
    return [Stack(**row) for row in rows]


async def count_active(db: Executor) -> int:
    count: int = await db.fetchval(SQL.count_active)
    return count


async def heartbeat_ages(db: Executor) -> list[Any]:
    """Rows of id, name and age (seconds) of every agent that has ever sent a heartbeat."""
    rows: list[Any] = await db.fetch(SQL.heartbeat_ages)
    return rows
