"""Templates, and where rendered deployment objects come from."""

from datetime import datetime
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.templates import Template

SQL = queries.load(__name__)


async def list_(
    db: Executor, *, generator_id: UUID | None, after: Position | None, limit: int
) -> list[Template]:
    """All templates, or those that a generator may use."""
    start = after or (None, None)
    if generator_id is None:
        rows = await db.fetch(SQL.list_, *start, limit)
    else:
        rows = await db.fetch(SQL.list_of_generator, generator_id, *start, limit)
    return [Template(**row) for row in rows]


async def get(db: Executor, template_id: UUID) -> Template | None:
    row = await db.fetchrow(SQL.get, template_id)
    return Template(**row) if row else None


async def version(db: Executor, template_id: UUID, number: int | None) -> Template | None:
    """The newest version of the template that the id belongs to, or the one with a number."""
    row = await db.fetchrow(SQL.version, template_id, number)
    return Template(**row) if row else None


async def lock(db: Executor, *, generator_id: UUID | None, name: str) -> None:
    await db.execute(SQL.lock, generator_id, name)


async def create(
    db: Executor,
    *,
    generator_id: UUID | None,
    name: str,
    description: str | None,
    content: str,
    schema: str,
    checksum: str,
) -> Template:
    """The next version. Take the lock first."""
    values = (generator_id, name, description, content, schema, checksum)
    return Template(**await db.fetchrow(SQL.create, *values))


async def delete(db: Executor, template_id: UUID, *, unchanged_since: datetime | None) -> bool:
    return await db.fetchval(SQL.delete, template_id, unchanged_since) is not None


async def missing_labels(db: Executor, *, template_id: UUID, stack_id: UUID) -> list[str]:
    return [row["label"] for row in await db.fetch(SQL.missing_labels, template_id, stack_id)]


async def missing_annotations(
    db: Executor, *, template_id: UUID, stack_id: UUID
) -> list[tuple[str, str]]:
    rows = await db.fetch(SQL.missing_annotations, template_id, stack_id)
    return [(row["key"], row["value"]) for row in rows]


async def record(
    db: Executor, *, deployment_object_id: UUID, template: Template, parameters: str
) -> None:
    await db.execute(SQL.record, deployment_object_id, template.id, template.version, parameters)
