"""Diagnostics: what an agent saw of the pods of a deployment object, on demand."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from brokkr_common.wire import base

Json = Annotated[str, Meta(min_length=1, description="JSON, as text.")]


class DiagnosticStatus(StrEnum):
    PENDING = "pending"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


class DiagnosticRequest(base.Model, frozen=True, kw_only=True):
    id: UUID
    agent_id: UUID
    deployment_object_id: UUID
    status: DiagnosticStatus
    requested_by: str | None
    created_at: datetime
    claimed_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime


class DiagnosticCreate(base.Request, frozen=True, kw_only=True):
    agent_id: UUID
    requested_by: Annotated[str, Meta(max_length=255)] | None = None
    retention_minutes: Annotated[int, Meta(description="From 1 to 1440.")] = 60


class DiagnosticResult(base.Model, frozen=True, kw_only=True):
    id: UUID
    request_id: UUID
    pod_statuses: str
    events: str
    log_tails: str | None
    collected_at: datetime
    created_at: datetime


class DiagnosticSubmit(base.Request, frozen=True, kw_only=True):
    """`failed`: the agent could not collect; what it has says why."""

    pod_statuses: Json
    events: Json
    collected_at: datetime
    log_tails: str | None = None
    failed: bool = False


class Diagnostic(base.Model, frozen=True, kw_only=True):
    request: DiagnosticRequest
    result: DiagnosticResult | None
