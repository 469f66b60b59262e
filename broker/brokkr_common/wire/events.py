"""Agent events: what became of a deployment object in one cluster."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from brokkr_common.wire import base


class EventStatus(StrEnum):
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


class AgentEvent(base.Row, frozen=True, kw_only=True):
    agent_id: UUID
    deployment_object_id: UUID
    event_type: str
    status: str
    message: str | None


class StreamedEvent(AgentEvent, frozen=True, kw_only=True):
    """An event as it is streamed: with its stack."""

    stack_id: UUID


class Missed(base.Model, frozen=True, kw_only=True):
    """Events were left out: so many (null: not known), behind the one that `after` names."""

    count: int | None
    after: UUID | None


class EventCreate(base.Request, frozen=True, kw_only=True):
    """`id` is the agent's own: a repeated report of one id is stored once."""

    deployment_object_id: UUID
    event_type: Annotated[str, Meta(min_length=1, max_length=50)]
    status: EventStatus
    message: str | None = None
    agent_id: UUID | UnsetType = UNSET
    id: UUID | UnsetType = UNSET
