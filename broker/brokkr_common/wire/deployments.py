"""Deployment objects: the immutable, numbered versions of a stack's YAML."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from brokkr_common.wire import base


class TargetStateMode(StrEnum):
    """`incremental` leaves out what the agent reported as applied; `full` leaves out nothing."""

    INCREMENTAL = "incremental"
    FULL = "full"


class DeploymentObject(base.Row, frozen=True, kw_only=True):
    sequence_id: Annotated[int, Meta(description="Global and rising: the newest of a stack wins.")]
    stack_id: UUID
    yaml_content: str
    yaml_checksum: Annotated[str, Meta(description="SHA-256 (hex) of the text as it was sent.")]
    submitted_at: datetime
    is_deletion_marker: bool


class TargetObject(DeploymentObject, frozen=True, kw_only=True):
    """A deployment object as an agent sees it: with the name of its stack."""

    stack_name: str


class DeploymentCreate(base.Request, frozen=True, kw_only=True):
    yaml_content: str = ""
    is_deletion_marker: bool = False
