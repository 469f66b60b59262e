"""Who a key belongs to."""

from uuid import UUID

from brokkr_common.wire import base


class Whoami(base.Model, frozen=True, kw_only=True):
    admin: bool
    agent: UUID | None = None
    generator: UUID | None = None
    readonly: bool = False


class KeyOwner(base.Model, frozen=True, kw_only=True):
    id: UUID
    name: str
