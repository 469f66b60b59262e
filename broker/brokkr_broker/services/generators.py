"""Generators: register, change, delete."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.config import Pak
from brokkr_broker.dal import generators
from brokkr_broker.db.pool import Executor
from brokkr_broker.security import pak
from brokkr_common.wire.generators import (
    Generator,
    GeneratorCreate,
    GeneratorUpdate,
    GeneratorWithKey,
)


def not_found() -> errors.NotFound:
    return errors.NotFound("no generator has this id", code="generator_not_found")


async def get(db: Executor, generator_id: UUID) -> Generator:
    generator = await generators.get(db, generator_id)
    if generator is None:
        raise not_found()
    return generator


async def create(db: Executor, form: Pak, wanted: GeneratorCreate) -> GeneratorWithKey:
    key = pak.generate(form)
    generator = await generators.create(
        db, name=wanted.name, description=wanted.description, hash=key.hash, head=key.head
    )
    return GeneratorWithKey(generator=generator, pak=key.text)


async def update(
    db: Executor, generator_id: UUID, change: GeneratorUpdate, *, unchanged_since: datetime | None
) -> Generator:
    generator = await generators.update(
        db,
        generator_id,
        name=change.name or None,
        description=change.description or None,
        set_description=change.description is not UNSET,
        is_active=None if change.is_active is UNSET else change.is_active,
        unchanged_since=unchanged_since,
    )
    if generator is None:
        await get(db, generator_id)
        raise errors.PreconditionFailed
    return generator


async def delete(db: Executor, generator_id: UUID, *, unchanged_since: datetime | None) -> None:
    if not await generators.delete(db, generator_id, unchanged_since=unchanged_since):
        await get(db, generator_id)
        raise errors.PreconditionFailed
