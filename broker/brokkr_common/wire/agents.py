"""Agents (one per target cluster), their labels, annotations and targets."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, UnsetType

from brokkr_common.wire import base


class AgentStatus(StrEnum):
    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"


class Agent(base.Row, frozen=True, kw_only=True):
    name: str
    cluster_name: str
    last_heartbeat: datetime | None
    status: AgentStatus


class AgentCreate(base.Request, frozen=True, kw_only=True):
    """`generator_ids` is taken from clients that send it; an agent needs no registration."""

    name: base.Name
    cluster_name: base.Name
    generator_ids: list[UUID] | None = None


class AgentUpdate(base.Update, frozen=True, kw_only=True):
    name: base.Name | UnsetType = UNSET
    cluster_name: base.Name | UnsetType = UNSET
    status: AgentStatus | UnsetType = UNSET
    last_heartbeat: datetime | None | UnsetType = UNSET


class AgentCreated(base.Model, frozen=True, kw_only=True):
    """The key is shown here and never again."""

    agent: Agent
    initial_pak: str


class AgentRotated(base.Model, frozen=True, kw_only=True):
    agent: Agent
    pak: str


class AgentTarget(base.Model, frozen=True, kw_only=True):
    id: UUID
    agent_id: UUID
    stack_id: UUID


class TargetCreate(base.Request, frozen=True, kw_only=True):
    stack_id: UUID
    agent_id: UUID | UnsetType = UNSET


class AgentLabel(base.Model, frozen=True, kw_only=True):
    id: UUID
    agent_id: UUID
    label: str


class AgentAnnotation(base.Model, frozen=True, kw_only=True):
    id: UUID
    agent_id: UUID
    key: str
    value: str


class AgentLabelCreate(base.Request, frozen=True, kw_only=True):
    label: base.Label
    agent_id: UUID | UnsetType = UNSET


class AgentAnnotationCreate(base.Request, frozen=True, kw_only=True):
    key: base.Label
    value: base.Label
    agent_id: UUID | UnsetType = UNSET
