"""Stacks."""

from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.stacks import Stack

SQL = queries.load(__name__)


async def list_(db: Executor, *, generator_id: UUID | None, limit: int) -> list[Stack]:
    return [Stack(**row) for row in await db.fetch(SQL.list_, generator_id, limit)]


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
) -> Stack | None:
    row = await db.fetchrow(SQL.update, stack_id, name, description, set_description)
    return Stack(**row) if row else None


async def delete(db: Executor, stack_id: UUID) -> bool:
    return await db.fetchval(SQL.delete, stack_id) is not None


async def serves(db: Executor, *, agent_id: UUID, stack_id: UUID) -> bool:
    return bool(await db.fetchval(SQL.serves, agent_id, stack_id))


async def count(db: Executor) -> int:
    number: int = await db.fetchval(SQL.count)
    return number
