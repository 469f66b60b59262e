"""The rules a route can ask for: which roles come in, and whether only for themselves."""

from uuid import UUID

import msgspec

from brokkr_broker.security.identity import Identity, Role


class Rule(msgspec.Struct, frozen=True):
    """`own` roles get in only where the `{id}` of the path is their own."""

    roles: Role
    own: Role = Role(0)
    code: str = "forbidden"

    def admits(self, identity: Identity, path_id: UUID | None) -> bool:
        if identity.role in self.own:
            return path_id is not None and identity.id == path_id
        return identity.role in self.roles


PUBLIC = None
ANYONE = Rule(Role.ANYONE)
ADMIN = Rule(Role.ADMIN, code="admin_required")
ADMIN_OR_AGENT = Rule(Role.ADMIN | Role.AGENT, code="agent_pak_mismatch")
ADMIN_OR_GENERATOR = Rule(Role.ADMIN | Role.GENERATOR)
NO_AGENTS = Rule(Role.ADMIN | Role.GENERATOR, code="templates_not_accessible")
AGENT_ITSELF = Rule(Role.AGENT, own=Role.AGENT, code="agent_pak_required")
ANY_AGENT = Rule(Role.AGENT, code="agent_pak_required")
ADMIN_OR_AGENT_ITSELF = Rule(Role.ADMIN | Role.AGENT, own=Role.AGENT, code="agent_pak_mismatch")
ADMIN_OR_GENERATOR_ITSELF = Rule(
    Role.ADMIN | Role.GENERATOR, own=Role.GENERATOR, code="generator_not_owned"
)
