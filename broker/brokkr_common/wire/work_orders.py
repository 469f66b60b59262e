"""Work orders: one-time work that exactly one agent does."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from brokkr_common.wire import base

Attempt = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Type = Annotated[str, Meta(min_length=1, max_length=50)]


class WorkOrderStatus(StrEnum):
    """The last two are those of the log: nothing more will happen."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    RETRY_PENDING = "RETRY_PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class WorkOrder(base.Model, frozen=True, kw_only=True):
    """`attempt` counts the claims; a completion names the one it belongs to."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    work_type: str
    yaml_content: str
    status: WorkOrderStatus
    claimed_by: UUID | None
    claimed_at: datetime | None
    claim_timeout_seconds: int
    max_retries: int
    retry_count: int
    backoff_seconds: int
    next_retry_after: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    attempt: int


class Targeting(base.Request, frozen=True, kw_only=True):
    """An agent may take the order if it is named, or has one of the labels or annotations."""

    agent_ids: Annotated[list[UUID], Meta(max_length=1000)] = []
    labels: Annotated[list[base.Label], Meta(max_length=1000)] = []
    annotations: dict[base.Label, base.Label] = {}


class WorkOrderCreate(base.Request, frozen=True, kw_only=True):
    """`target_agent_ids` is an older place of `targeting.agent_ids`."""

    work_type: Type
    yaml_content: Annotated[str, Meta(min_length=1)]
    max_retries: Annotated[int, Meta(description="From 0 to 1000.")] = 3
    backoff_seconds: Annotated[int, Meta(description="From 1.")] = 60
    claim_timeout_seconds: Annotated[int, Meta(description="From 1.")] = 3600
    targeting: Targeting = Targeting()
    target_agent_ids: Annotated[list[UUID], Meta(max_length=1000)] = []


class Claim(base.Request, frozen=True, kw_only=True):
    agent_id: UUID


class Renewal(base.Request, frozen=True, kw_only=True):
    """Proof that the work of this attempt goes on: the claim's time begins anew."""

    attempt: Attempt
    agent_id: UUID | UnsetType = UNSET


class Completion(base.Request, frozen=True, kw_only=True):
    """`attempt` is the one of the claim. Without it, only the claimant is checked."""

    success: bool
    message: str | None = None
    retryable: bool = True
    attempt: Attempt | None = None


class WorkOrderLogEntry(base.Model, frozen=True, kw_only=True):
    """What became of an order; its id is the order's."""

    id: UUID
    work_type: str
    created_at: datetime
    claimed_at: datetime | None
    completed_at: datetime
    claimed_by: UUID | None
    success: bool
    retries_attempted: int
    result_message: str | None
    yaml_content: str
    attempt: int


class RetryScheduled(base.Model, frozen=True, kw_only=True):
    status: str = "retry_scheduled"
