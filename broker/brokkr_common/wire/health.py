"""Health: what agents see of the workloads of a deployment object."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from brokkr_common.wire import base


class Health(StrEnum):
    """From the worst to the best is failing, degraded, healthy; unknown says nothing."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILING = "failing"
    UNKNOWN = "unknown"


class ResourceHealth(base.Model, frozen=True, kw_only=True, omit_defaults=True):
    kind: str
    name: str
    namespace: str = ""
    ready: bool
    message: str | None = None


class HealthSummary(base.Model, frozen=True, kw_only=True):
    pods_ready: int = 0
    pods_total: int = 0
    conditions: list[str] = []
    resources: list[ResourceHealth] | None = None


class ObjectReport(base.Request, frozen=True, kw_only=True):
    """`id` is a deployment object's. `summary` may also be JSON in a string."""

    id: UUID
    status: Health
    checked_at: datetime
    summary: HealthSummary | str | None = None


class HealthReport(base.Request, frozen=True, kw_only=True):
    """Stored as a whole or not at all. Of two records for one object the later check counts."""

    deployment_objects: Annotated[list[ObjectReport], Meta(max_length=1000)]


class HealthRecord(base.Model, frozen=True, kw_only=True):
    id: UUID
    agent_id: UUID
    deployment_object_id: UUID
    status: Health
    summary: dict[str, Any] | None
    checked_at: datetime
    created_at: datetime
    updated_at: datetime


class ObjectHealth(base.Model, frozen=True, kw_only=True):
    """Over all agents: the worst wins."""

    deployment_object_id: UUID
    overall_status: Health
    health_records: list[HealthRecord]


class ObjectHealthCounts(base.Model, frozen=True, kw_only=True):
    id: UUID
    status: Health
    healthy_agents: int
    degraded_agents: int
    failing_agents: int


class StackHealth(base.Model, frozen=True, kw_only=True):
    """Objects on which there are reports, newest first."""

    stack_id: UUID
    overall_status: Health
    deployment_objects: list[ObjectHealthCounts]
