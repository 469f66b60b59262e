"""Generators: the identities of CI systems. They own stacks."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from brokkr_common.wire import base


class Generator(base.Row, frozen=True, kw_only=True):
    name: str
    description: str | None
    last_active_at: datetime | None
    is_active: bool


class GeneratorCreate(base.Request, frozen=True, kw_only=True):
    name: base.Name
    description: str | None = None


class GeneratorUpdate(base.Update, frozen=True, kw_only=True):
    name: base.Name | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    last_active_at: Any = UNSET


class GeneratorWithKey(base.Model, frozen=True, kw_only=True):
    """The key is shown here and never again."""

    generator: Generator
    pak: str
