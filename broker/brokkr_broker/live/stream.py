"""Agent events to watchers, as they are stored: each sees what it may, none holds up another."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from brokkr_broker import errors
from brokkr_broker.dal.events import Told
from brokkr_broker.security.identity import Identity, Role
from brokkr_common.wire.events import Missed, StreamedEvent

logger = logging.getLogger(__name__)

_QUEUE = 256
_MOST_WATCHERS = 1000
_MOST_IDS = 5000
_RETRY_SECONDS = 1.0


class Watcher:
    """A bounded queue. What does not fit is dropped, counted, and told in its place."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._queue: deque[StreamedEvent] = deque()
        self._missed = 0
        self._gap = False
        self._last: UUID | None = None
        self._ready = asyncio.Event()

    def put(self, told: Told) -> None:
        if not may_see(self._identity, told):
            return
        if self._gap or len(self._queue) >= _QUEUE:
            self._missed += 1
            self._gap = True
        else:
            self._queue.append(told.event)
        self._ready.set()

    def lose(self) -> None:
        """Something may have passed unseen."""
        self._gap = True
        self._ready.set()

    async def next(self) -> StreamedEvent | Missed:
        while True:
            if self._queue:
                event = self._queue.popleft()
                self._last = event.id
                return event
            if self._gap:
                missed, self._missed, self._gap = self._missed, 0, False
                return Missed(count=missed or None, after=self._last)
            self._ready.clear()
            await self._ready.wait()


class Stream:
    """`fetch` reads events by id, `ids` come from the database's word that they are stored."""

    def __init__(self, fetch: Callable[[Sequence[UUID]], Awaitable[Sequence[Told]]]) -> None:
        self._fetch = fetch
        self._watchers: set[Watcher] = set()
        self._ids: deque[UUID] = deque()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._watchers)

    def add(self, identity: Identity) -> Watcher:
        """Raises Unavailable where there are too many already."""
        if len(self._watchers) >= _MOST_WATCHERS:
            raise errors.Unavailable("too many watchers of the stream", code="too_many_watchers")
        watcher = Watcher(identity)
        self._watchers.add(watcher)
        return watcher

    def remove(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def hear(self, topic: str, text: str) -> None:
        """Subscriber of the bus."""
        if not self._watchers:
            return
        if topic == "event":
            self._ids.extend(map(UUID, text.split(",")))
            self._news.set()
        if topic == "lost" or len(self._ids) > _MOST_IDS:
            self._ids.clear()
            self._lose()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            ids = list(self._ids)
            self._ids.clear()
            try:
                found = await self._fetch(ids)
            except Exception as e:
                logger.warning("events not read", extra={"reason": repr(e)[:200]})
                self._lose()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for told in found:
                for watcher in self._watchers:
                    watcher.put(told)

    def _lose(self) -> None:
        for watcher in self._watchers:
            watcher.lose()


def may_see(identity: Identity, told: Told) -> bool:
    """The admin all, a generator what is of its stacks, an agent its own."""
    if identity.role is Role.GENERATOR:
        return told.generator_id == identity.id
    return identity.is_admin or told.event.agent_id == identity.id
