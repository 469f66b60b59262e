"""Who a request speaks for."""

from enum import Flag, auto
from uuid import UUID

import msgspec


class Role(Flag):
    """Kinds of callers. A route names those that it lets in."""

    ADMIN = auto()
    AGENT = auto()
    GENERATOR = auto()
    ANYONE = ADMIN | AGENT | GENERATOR


class Identity(msgspec.Struct, frozen=True):
    """The owner of a valid key. `id` is None for the admin."""

    role: Role
    id: UUID | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def is_agent(self, agent_id: UUID) -> bool:
        return self.role is Role.AGENT and self.id == agent_id

    def is_generator(self, generator_id: UUID) -> bool:
        return self.role is Role.GENERATOR and self.id == generator_id
