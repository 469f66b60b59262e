"""Base classes and the field types that every resource uses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Label = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^\S+$")]
NIL_ID = UUID(int=0)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that the broker answers. Unknown fields are ignored: newer brokers may add some."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A thing that a client sends. Unknown fields are refused: they are typing errors."""


class Row(Model, frozen=True, kw_only=True):
    """What every stored row has. Times are UTC with microseconds (RFC 3339)."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class Update(Request, frozen=True, kw_only=True):
    """A partial update. The read-only fields of a row may be sent back; they change nothing."""

    id: UUID | UnsetType = UNSET
    created_at: Any = UNSET
    updated_at: Any = UNSET
    deleted_at: Any = UNSET
