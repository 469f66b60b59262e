"""Keys to identities, remembered for a while, and the admin's key."""

import time
from collections.abc import Callable
from uuid import UUID

import msgspec

from brokkr_broker import errors
from brokkr_broker.dal import agents, generators, keys
from brokkr_broker.db.pool import Executor, transaction
from brokkr_broker.security import pak
from brokkr_broker.security.identity import Identity, Role
from brokkr_common.wire.agents import AgentRotated
from brokkr_common.wire.generators import GeneratorWithKey

_ROLES = {"admin": Role.ADMIN, "agent": Role.AGENT, "generator": Role.GENERATOR}
_MAX_ENTRIES = 20_000


class _Entry(msgspec.Struct, frozen=True):
    identity: Identity
    short: str
    expires: float


class KeyRing:
    """A bounded cache of valid keys by hash.

    Entries go when the database says that a key changed, and all of them when its word may have
    been missed; the time to live is the backstop.
    """

    def __init__(
        self, db: Executor, *, ttl: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._ttl = ttl
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._changes = 0

    async def identify(self, text: str) -> Identity | None:
        """Whose key is this? None where it is nobody's."""
        parsed = pak.parse(text)
        if parsed is None:
            return None
        short, hash = parsed
        entry = self._entries.get(hash)
        if entry is None or entry.expires <= self._clock():
            entry = await self._look_up(hash)
        if entry is None or entry.short not in ("", short):
            return None
        return entry.identity

    def hear(self, topic: str, identifier: str) -> None:
        """Subscriber of the bus."""
        if topic == "key":
            self._changes += 1
            self._entries.pop(identifier, None)
        elif topic == "lost":
            self._changes += 1
            self._entries.clear()

    async def _look_up(self, hash: str) -> _Entry | None:
        changes = self._changes
        found = await keys.find(self._db, hash)
        if found is None:
            self._entries.pop(hash, None)
            return None
        kind, owner_id, short = found
        entry = _Entry(Identity(_ROLES[kind], owner_id), short, self._clock() + self._ttl)
        if changes == self._changes:  # else what was read may be older than what was heard
            while len(self._entries) >= _MAX_ENTRIES:
                self._entries.pop(next(iter(self._entries)))
            self._entries[hash] = entry
        return entry


async def initialize(db: Executor, *, preset_hash: str) -> str | None:
    """On the first start of a schema, give the admin a key; return it if it was made here."""
    async with transaction(db) as connection:
        if not await keys.initialize(connection):
            return None
        if preset_hash:
            await keys.set_admin(connection, hash=preset_hash, short="")
            return None
        return await _new_admin_key(connection)


async def rotate_admin(db: Executor) -> str:
    return await _new_admin_key(db)


async def rotate_agent(db: Executor, agent_id: UUID) -> AgentRotated:
    key = pak.generate()
    agent = await agents.rotate(db, agent_id, hash=key.hash, short=key.short)
    if agent is None:
        raise errors.NotFound("no agent has this id", code="agent_not_found")
    return AgentRotated(agent=agent, pak=key.text)


async def rotate_generator(db: Executor, generator_id: UUID) -> GeneratorWithKey:
    key = pak.generate()
    generator = await generators.rotate(db, generator_id, hash=key.hash, short=key.short)
    if generator is None:
        raise errors.NotFound("no generator has this id", code="generator_not_found")
    return GeneratorWithKey(generator=generator, pak=key.text)


async def _new_admin_key(db: Executor) -> str:
    key = pak.generate()
    await keys.set_admin(db, hash=key.hash, short=key.short)
    return key.text
