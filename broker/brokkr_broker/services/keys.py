"""Keys to identities, remembered for a while, and the admin's key."""

import functools
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from brokkr_broker import errors
from brokkr_broker.config import Pak
from brokkr_broker.dal import agents, generators, keys
from brokkr_broker.dal.keys import Owner
from brokkr_broker.db.batching import Batcher
from brokkr_broker.db.pool import Executor, transaction
from brokkr_broker.security import pak
from brokkr_broker.security.identity import Identity, Role
from brokkr_common.wire.agents import AgentRotated
from brokkr_common.wire.generators import GeneratorWithKey

_ROLES = {"admin": Role.ADMIN, "agent": Role.AGENT, "generator": Role.GENERATOR}
_MAX_ENTRIES = 20_000


class _Entry(msgspec.Struct, frozen=True):
    identity: Identity
    head: str
    expires: float


class KeyRing:
    """A bounded cache of valid keys by hash.

    Entries go when the database says that a key changed, and all of them when its word may have
    been missed; the time to live is the backstop. Unknown keys that arrive together cost one
    statement together, so a flood of them does not crowd out other callers.
    """

    def __init__(
        self,
        db: Executor,
        form: Pak,
        *,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._form = form
        self._lookups: Batcher[str, Owner | None] = Batcher(functools.partial(_find, db))
        self._ttl = ttl
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._changes = 0

    async def identify(self, text: str) -> Identity | None:
        """Whose key is this? None where it is nobody's."""
        parsed = pak.parse(text)
        if parsed is None:
            return None
        head, hash = parsed
        entry = self._entries.get(hash)
        if entry is None or entry.expires <= self._clock():
            entry = await self._look_up(hash)
        if entry is None or not pak.fits(head, entry.head, self._form):
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
        found = await self._lookups.submit(hash)
        if found is None:
            self._entries.pop(hash, None)
            return None
        identity = Identity(_ROLES[found.kind], found.id)
        entry = _Entry(identity, found.head, self._clock() + self._ttl)
        if changes == self._changes:  # else what was read may be older than what was heard
            while len(self._entries) >= _MAX_ENTRIES:
                self._entries.pop(next(iter(self._entries)))
            self._entries[hash] = entry
        return entry


async def _find(db: Executor, hashes: Sequence[str]) -> list[Owner | None | Exception]:
    found = await keys.find(db, list(set(hashes)))
    return [found.get(hash) for hash in hashes]


async def initialize(db: Executor, form: Pak, *, preset_hash: str) -> str | None:
    """On the first start of a schema, give the admin a key; return it if it was made here."""
    async with transaction(db) as connection:
        if not await keys.initialize(connection):
            return None
        if preset_hash:
            await keys.set_admin(connection, hash=preset_hash, head="")
            return None
        return await rotate_admin(connection, form)


async def rotate_admin(db: Executor, form: Pak) -> str:
    """Returns the new key."""
    key = pak.generate(form)
    await keys.set_admin(db, hash=key.hash, head=key.head)
    return key.text


async def rotate_agent(db: Executor, form: Pak, agent_id: UUID) -> AgentRotated:
    key = pak.generate(form)
    agent = await agents.rotate(db, agent_id, hash=key.hash, head=key.head)
    if agent is None:
        raise errors.NotFound("no agent has this id", code="agent_not_found")
    return AgentRotated(agent=agent, pak=key.text)


async def rotate_generator(db: Executor, form: Pak, generator_id: UUID) -> GeneratorWithKey:
    key = pak.generate(form)
    generator = await generators.rotate(db, generator_id, hash=key.hash, head=key.head)
    if generator is None:
        raise errors.NotFound("no generator has this id", code="generator_not_found")
    return GeneratorWithKey(generator=generator, pak=key.text)
