"""Templates: versioned text with a JSON Schema for its parameters."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from brokkr_common.wire import base

Text = Annotated[str, Meta(min_length=1)]


class Template(base.Row, frozen=True, kw_only=True):
    """One version. `generator_id` is null for the system's templates, which everybody may use."""

    generator_id: UUID | None
    name: str
    description: str | None
    version: Annotated[int, Meta(description="From 1; never used twice for one name and owner.")]
    template_content: str
    parameters_schema: Annotated[str, Meta(description="A JSON Schema, as text.")]
    checksum: Annotated[str, Meta(description="SHA-256 (hex) of the template's text.")]


class TemplateCreate(base.Request, frozen=True, kw_only=True):
    name: base.Name
    template_content: Text
    parameters_schema: Text
    description: str | None = None


class TemplateUpdate(base.Update, frozen=True, kw_only=True):
    """What is left out stays as it is in the newest version. Name and owner always stay."""

    description: str | None | UnsetType = UNSET
    template_content: Text | UnsetType = UNSET
    parameters_schema: Text | UnsetType = UNSET
    name: Any = UNSET
    generator_id: Any = UNSET
    version: Any = UNSET
    checksum: Any = UNSET


class Instantiate(base.Request, frozen=True, kw_only=True):
    """The newest version of the template that the id belongs to, or that of `template_version`."""

    template_id: UUID
    parameters: dict[str, Any] = {}
    template_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET


class TemplateLabel(base.Model, frozen=True, kw_only=True):
    id: UUID
    template_id: UUID
    label: str


class TemplateAnnotation(base.Model, frozen=True, kw_only=True):
    id: UUID
    template_id: UUID
    key: str
    value: str


class TemplateLabelCreate(base.Request, frozen=True, kw_only=True):
    label: base.Label
    template_id: UUID | UnsetType = UNSET


class TemplateAnnotationCreate(base.Request, frozen=True, kw_only=True):
    key: base.Label
    value: base.Label
    template_id: UUID | UnsetType = UNSET
