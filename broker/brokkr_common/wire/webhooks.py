"""Webhooks: who wants to hear of which events, and what was delivered."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from brokkr_common.wire import base

EVENT_TYPES = (
    "agent.registered", "agent.deregistered", "stack.created", "stack.deleted",
    "deployment.created", "deployment.applied", "deployment.failed", "deployment.deleted",
    "workorder.created", "workorder.claimed", "workorder.completed", "workorder.failed",
)  # fmt: skip

Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Header = Annotated[str, Meta(min_length=1, max_length=4096)]
Pattern = Annotated[str, Meta(min_length=1, max_length=100)]
Secret = Annotated[str, Meta(min_length=16, max_length=256)]
Retries = Annotated[int, Meta(ge=0, le=10)]
Timeout = Annotated[int, Meta(ge=1, le=300)]


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    ACQUIRED = "acquired"
    SUCCESS = "success"
    FAILED = "failed"
    DEAD = "dead"


class Filters(base.Request, frozen=True, kw_only=True, omit_defaults=True):
    """All that is given must fit. A label's pair is an annotation of the stack or the agent, or a
    label `key=value` or `key:value` of one of them."""

    agent_id: UUID | None = None
    stack_id: UUID | None = None
    labels: dict[base.Label, Annotated[str, Meta(max_length=64)]] | None = None


class Webhook(base.Model, frozen=True, kw_only=True):
    """URL, auth header and signing secret are never shown."""

    id: UUID
    name: str
    has_url: bool
    has_auth_header: bool
    event_types: list[str]
    filters: Filters | None
    target_labels: list[str] | None
    enabled: bool
    max_retries: int
    timeout_seconds: int
    created_at: datetime
    updated_at: datetime
    created_by: str | None


class WebhookCreated(Webhook, frozen=True, kw_only=True):
    """The secret is shown here and never again."""

    signing_secret: str


class WebhookCreate(base.Request, frozen=True, kw_only=True):
    """`validate`: call the URL first, and create nothing where it does not answer well."""

    name: base.Name
    url: Url
    event_types: Annotated[list[Pattern], Meta(min_length=1, max_length=100)]
    auth_header: Header | None = None
    signing_secret: Secret | None = None
    filters: Filters | None = None
    target_labels: Annotated[list[base.Label], Meta(max_length=100)] | None = None
    enabled: bool = True
    max_retries: Retries = 5
    timeout_seconds: Timeout = 30
    validate: bool = False


class WebhookUpdate(base.Request, frozen=True, kw_only=True):
    """What is left out stays; null clears `auth_header`, `filters`, `target_labels`."""

    name: base.Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    event_types: Annotated[list[Pattern], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    auth_header: Header | None | UnsetType = UNSET
    signing_secret: Secret | UnsetType = UNSET
    filters: Filters | None | UnsetType = UNSET
    target_labels: Annotated[list[base.Label], Meta(max_length=100)] | None | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    max_retries: Retries | UnsetType = UNSET
    timeout_seconds: Timeout | UnsetType = UNSET


class WebhookTest(base.Model, frozen=True, kw_only=True):
    success: bool
    status_code: int
    message: str


class Delivery(base.Model, frozen=True, kw_only=True):
    id: UUID
    subscription_id: UUID
    event_type: str
    event_id: UUID
    payload: str
    target_labels: list[str] | None
    status: DeliveryStatus
    acquired_by: UUID | None
    acquired_until: datetime | None
    attempts: int
    last_attempt_at: datetime | None
    next_retry_at: datetime | None
    last_error: str | None
    created_at: datetime
    completed_at: datetime | None


class PendingDelivery(base.Model, frozen=True, kw_only=True):
    """What an agent has to send, for the next 60 seconds. `signature` goes into the header of that
    name (`X-Brokkr-Signature`)."""

    id: UUID
    subscription_id: UUID
    event_type: str
    payload: str
    url: str
    auth_header: str | None
    signature: str
    timeout_seconds: int
    max_retries: int
    attempts: int


class DeliveryResult(base.Request, frozen=True, kw_only=True):
    success: bool
    status_code: int | None = None
    error: str | None = None
    duration_ms: int | None = None


class DeliveryOutcome(base.Model, frozen=True, kw_only=True):
    status: DeliveryStatus
    delivery_id: UUID
    attempts: int
    next_retry_at: datetime | None
