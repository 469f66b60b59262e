"""Keys: hashes to identities, and the admin's."""

from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor

SQL = queries.load(__name__)


async def find(db: Executor, hash: str) -> tuple[str, UUID | None, str] | None:
    """Kind (`admin`, `agent`, `generator`), id and short token of the key's live owner."""
    row = await db.fetchrow(SQL.find, hash)
    return (row["kind"], row["id"], row["pak_short"]) if row else None


async def initialize(db: Executor) -> bool:
    """Whether this call is the first start of this schema."""
    return await db.fetchval(SQL.initialize) is not None


async def set_admin(db: Executor, *, hash: str, short: str) -> None:
    await db.execute(SQL.set_admin, hash, short)


async def ping(db: Executor) -> None:
    await db.fetchval(SQL.ping)
