"""Stacks: named units of Kubernetes objects, with labels and annotations."""

from uuid import UUID

from msgspec import UNSET, UnsetType

from brokkr_common.wire import base


class Stack(base.Row, frozen=True, kw_only=True):
    """`generator_id` is the nil UUID where the admin owns the stack."""

    name: str
    description: str | None
    generator_id: UUID


class StackCreate(base.Request, frozen=True, kw_only=True):
    name: base.Name
    description: str | None = None
    generator_id: UUID | None = None


class StackUpdate(base.Update, frozen=True, kw_only=True):
    name: base.Name | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    generator_id: UUID | UnsetType = UNSET


class StackLabel(base.Model, frozen=True, kw_only=True):
    id: UUID
    stack_id: UUID
    label: str


class StackAnnotation(base.Model, frozen=True, kw_only=True):
    id: UUID
    stack_id: UUID
    key: str
    value: str


class StackLabelCreate(base.Request, frozen=True, kw_only=True):
    label: base.Label
    stack_id: UUID | UnsetType = UNSET


class StackAnnotationCreate(base.Request, frozen=True, kw_only=True):
    key: base.Label
    value: base.Label
    stack_id: UUID | UnsetType = UNSET
