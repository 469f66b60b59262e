"""Answers that were given to requests with an Idempotency-Key."""

from typing import NamedTuple
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor

SQL = queries.load(__name__)


class Kept(NamedTuple):
    """`body` is sealed."""

    request_hash: bytes
    status: int
    body: bytes


async def claim(db: Executor, *, owner: UUID, key_hash: bytes, request_hash: bytes) -> bool:
    """Whether this request is the first with its key. Call it in a transaction."""
    return await db.fetchval(SQL.claim, owner, key_hash, request_hash) is not None


async def find(db: Executor, *, owner: UUID, key_hash: bytes) -> Kept | None:
    row = await db.fetchrow(SQL.find, owner, key_hash)
    return Kept(*row) if row and row["status"] is not None else None


async def keep(db: Executor, *, owner: UUID, key_hash: bytes, status: int, body: bytes) -> None:
    await db.execute(SQL.keep, owner, key_hash, status, body)


async def sweep(db: Executor) -> int:
    """Remove up to 10,000 rows that are older than a day. Returns how many went."""
    return len(await db.fetch(SQL.sweep))
