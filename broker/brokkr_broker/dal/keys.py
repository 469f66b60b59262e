"""Keys: hashes to identities, and the admin's."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor

SQL = queries.load(__name__)


class Owner(NamedTuple):
    """Kind (`admin`, `agent`, `generator`), id and head of the key of a live owner."""

    kind: str
    id: UUID | None
    head: str


async def find(db: Executor, hashes: Sequence[str]) -> dict[str, Owner]:
    """Whose keys have these hashes, by hash."""
    rows = await db.fetch(SQL.find, hashes)
    return {row["hash"]: Owner(row["kind"], row["id"], row["pak_short"]) for row in rows}


async def initialize(db: Executor) -> bool:
    """Whether this call is the first start of this schema."""
    return await db.fetchval(SQL.initialize) is not None


async def set_admin(db: Executor, *, hash: str, head: str) -> None:
    await db.execute(SQL.set_admin, hash, head)


async def ping(db: Executor) -> bool:
    """Whether the database answers and takes writes."""
    return bool(await db.fetchval(SQL.ping))
