"""Stacks."""

from datetime import datetime
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.stacks import Stack

SQL = queries.load(__name__)


async def list_(
    db: Executor, *, generator_id: UUID | None, after: Position | None, limit: int
) -> list[Stack]:
    """All stacks, or those of one generator."""
    start = after or (None, None)
    if generator_id is None:
        rows = await db.fetch(SQL.list_, *start, limit)
    else:
        rows = await db.fetch(SQL.list_of_generator, generator_id, *start, limit)
    return [Stack(**row) for row in rows]


async def get(db: Executor, stack_id: UUID) -> Stack | None:
    """The stack, deleted or not."""
    row = await db.fetchrow(SQL.get, stack_id)
    return Stack(**row) if row else None


async def create(
    db: Executor, *, name: str, description: str | None, generator_id: UUID | None
) -> Stack:
    return Stack(**await db.fetchrow(SQL.create, name, description, generator_id))


async def update(
    db: Executor,
    stack_id: UUID,
    *,
    name: str | None,
    description: str | None,
    set_description: bool,
    unchanged_since: datetime | None,
) -> Stack | None:
    changes = (name, description, set_description, unchanged_since)
    row = await db.fetchrow(SQL.update, stack_id, *changes)
    return Stack(**row) if row else None


async def delete(db: Executor, stack_id: UUID, *, unchanged_since: datetime | None) -> bool:
    return await db.fetchval(SQL.delete, stack_id, unchanged_since) is not None


async def serves(db: Executor, *, agent_id: UUID, stack_id: UUID) -> bool:
    return bool(await db.fetchval(SQL.serves, agent_id, stack_id))


async def count(db: Executor) -> int:
    number: int = await db.fetchval(SQL.count)
    return number
