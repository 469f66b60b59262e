"""The outbox of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.webhooks import Delivery

SQL = queries.load(__name__)


class Due(msgspec.Struct, frozen=True):
    """One to send, held until `acquired_until`."""

    id: UUID
    subscription_id: UUID
    event_type: str
    payload: str
    acquired_until: datetime
    attempts: int
    max_retries: int
    timeout_seconds: int
    url_encrypted: bytes
    auth_header_encrypted: bytes | None
    signing_secret_encrypted: bytes


class Held(NamedTuple):
    acquired_by: UUID | None
    acquired_until: datetime | None
    attempts: int
    max_retries: int


class Settled(NamedTuple):
    attempts: int
    next_retry_at: datetime | None


async def list_(
    db: Executor,
    webhook_id: UUID,
    *,
    status: str | None,
    after: Position | None,
    limit: int,
    offset: int,
) -> list[Delivery]:
    start = after or (None, None)
    rows = await db.fetch(SQL.list_, webhook_id, status, *start, limit, offset)
    return [Delivery(**row) for row in rows]


async def get(db: Executor, delivery_id: UUID) -> Delivery | None:
    row = await db.fetchrow(SQL.get, delivery_id)
    return Delivery(**row) if row else None


async def claim(db: Executor, *, limit: int, each: int, busy: Sequence[UUID]) -> list[Due]:
    """Up to `limit` that are due, up to `each` of one subscription, none of the busy ones."""
    return [Due(**row) for row in await db.fetch(SQL.claim, limit, each, busy)]


async def claim_for_agent(db: Executor, agent_id: UUID) -> list[Due]:
    return [Due(**row) for row in await db.fetch(SQL.claim_for_agent, agent_id)]


async def settle(
    db: Executor,
    delivery_id: UUID,
    *,
    held_until: datetime,
    status: str,
    error: str | None,
    delay: float | None,
) -> Settled | None:
    """None where somebody else holds it by now. `delay`: seconds until the next try."""
    row = await db.fetchrow(SQL.settle, delivery_id, held_until, status, error, delay)
    return Settled(*row) if row else None


async def held(db: Executor, delivery_id: UUID) -> Held | None:
    row = await db.fetchrow(SQL.held, delivery_id)
    return Held(*row) if row else None


async def revive(db: Executor, delivery_id: UUID) -> Delivery | None:
    row = await db.fetchrow(SQL.revive, delivery_id)
    return Delivery(**row) if row else None


async def release(db: Executor) -> int:
    return len(await db.fetch(SQL.release))


async def sweep(db: Executor, *, days: int) -> int:
    return len(await db.fetch(SQL.sweep, days))
