"""The audit trail."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from brokkr_common.wire import base


class ActorType(StrEnum):
    ADMIN = "admin"
    AGENT = "agent"
    GENERATOR = "generator"
    SYSTEM = "system"


class AuditEntry(base.Model, frozen=True, kw_only=True):
    """`timestamp` is when it happened, `created_at` when it was written down."""

    id: UUID
    timestamp: datetime
    actor_type: ActorType
    actor_id: UUID | None
    action: str
    resource_type: str
    resource_id: UUID | None
    details: dict[str, Any] | None
    ip_address: str | None
    user_agent: str | None
    created_at: datetime


class AuditPage(base.Model, frozen=True, kw_only=True):
    """`total` counts all that fit the filter, `count` those that are shown."""

    logs: list[AuditEntry]
    total: int
    count: int
    limit: int
    offset: int
