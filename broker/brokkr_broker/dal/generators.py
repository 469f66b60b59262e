"""Generators."""

from datetime import datetime
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.generators import Generator

SQL = queries.load(__name__)


async def list_(db: Executor, *, after: Position | None, limit: int) -> list[Generator]:
    rows = await db.fetch(SQL.list_, *(after or (None, None)), limit)
    return [Generator(**row) for row in rows]


async def get(db: Executor, generator_id: UUID) -> Generator | None:
    row = await db.fetchrow(SQL.get, generator_id)
    return Generator(**row) if row else None


async def create(
    db: Executor, *, name: str, description: str | None, hash: str, head: str
) -> Generator:
    return Generator(**await db.fetchrow(SQL.create, name, description, hash, head))


async def update(
    db: Executor,
    generator_id: UUID,
    *,
    name: str | None,
    description: str | None,
    set_description: bool,
    is_active: bool | None,
    unchanged_since: datetime | None,
) -> Generator | None:
    changes = (name, description, set_description, is_active, unchanged_since)
    row = await db.fetchrow(SQL.update, generator_id, *changes)
    return Generator(**row) if row else None


async def rotate(db: Executor, generator_id: UUID, *, hash: str, head: str) -> Generator | None:
    row = await db.fetchrow(SQL.rotate, generator_id, hash, head)
    return Generator(**row) if row else None


async def delete(db: Executor, generator_id: UUID, *, unchanged_since: datetime | None) -> bool:
    return await db.fetchval(SQL.delete, generator_id, unchanged_since) is not None
