"""Set and remove labels and annotations, for every kind of owner."""

from typing import Any
from uuid import UUID

from brokkr_broker import errors
from brokkr_broker.dal.labels import Table
from brokkr_broker.db.pool import Executor


async def add(table: Table[Any], db: Executor, owner_id: UUID, *values: str, owner: str) -> Any:
    created = await table.create(db, owner_id, *values)
    if created is None:
        raise errors.NotFound(f"no {owner} has this id", code=f"{owner}_not_found")
    return created


async def remove(
    table: Table[Any], db: Executor, owner_id: UUID, name: str, *, owner: str, what: str
) -> None:
    if not await table.delete(db, owner_id, name):
        raise errors.NotFound(f"the {owner} has no such {what}", code=f"{owner}_{what}_not_found")
