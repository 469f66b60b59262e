"""Webhook subscriptions. Secrets go in and out sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor, Position
from brokkr_common.wire.webhooks import Filters, Webhook

SQL = queries.load(__name__)


class Sealed(NamedTuple):
    url: bytes
    auth_header: bytes | None
    signing_secret: bytes
    timeout_seconds: int


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What is written; None is what stays as it is. `filters` is JSON."""

    name: str | None = None
    url: bytes | None = None
    auth_header: bytes | None = None
    signing_secret: bytes | None = None
    event_types: Sequence[str] | None = None
    filters: str | None = None
    target_labels: Sequence[str] | None = None
    enabled: bool | None = None
    max_retries: int | None = None
    timeout_seconds: int | None = None


def _webhook(row: Any) -> Webhook:
    filters = row["filters"]
    decoded = msgspec.json.decode(filters, type=Filters) if filters else None
    return Webhook(**{**row, "filters": decoded})


async def list_(db: Executor, *, after: Position | None, limit: int) -> list[Webhook]:
    rows = await db.fetch(SQL.list_, *(after or (None, None)), limit)
    return [_webhook(row) for row in rows]


async def get(db: Executor, webhook_id: UUID) -> Webhook | None:
    row = await db.fetchrow(SQL.get, webhook_id)
    return _webhook(row) if row else None


async def sealed(db: Executor, webhook_id: UUID) -> Sealed | None:
    row = await db.fetchrow(SQL.sealed, webhook_id)
    return Sealed(*row) if row else None


async def create(db: Executor, wanted: Columns, *, created_by: str) -> Webhook:
    return _webhook(
        await db.fetchrow(
            SQL.create,
            wanted.name,
            wanted.url,
            wanted.auth_header,
            wanted.signing_secret,
            wanted.event_types,
            wanted.filters,
            wanted.target_labels,
            wanted.enabled,
            wanted.max_retries,
            wanted.timeout_seconds,
            created_by,
        )
    )


async def update(
    db: Executor,
    webhook_id: UUID,
    change: Columns,
    *,
    cleared: Sequence[str],
    unchanged_since: datetime | None,
) -> Webhook | None:
    row = await db.fetchrow(
        SQL.update,
        webhook_id,
        change.name,
        change.url,
        change.auth_header,
        change.signing_secret,
        change.event_types,
        change.filters,
        change.target_labels,
        change.enabled,
        change.max_retries,
        cleared,
        change.timeout_seconds,
        unchanged_since,
    )
    return _webhook(row) if row else None


async def delete(db: Executor, webhook_id: UUID, *, unchanged_since: datetime | None) -> bool:
    return await db.fetchval(SQL.delete, webhook_id, unchanged_since) is not None
