"""Which agents are connected here, and waking them.

Wake-ups of one agent that wait together are one frame. Many agents are woken over a while, so that
they do not all ask at one moment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from brokkr_common.wire.channel import Close, Topic, Wake

logger = logging.getLogger(__name__)

_AT_ONCE = 50
_PAUSE_SECONDS = 0.005
_COME_BACK_PER_SECOND = 500
_EVERYTHING = frozenset(Topic)


class Peer(Protocol):
    """One agent's open channel."""

    agent_id: UUID
    key_hash: str

    async def tell(self, frame: str) -> None:
        """Send, or give up on a peer that does not read. Never waits for it."""

    async def close(self, code: int, reason: str) -> None: ...


class Channels:
    """One channel an agent: a newer one takes the place of the older."""

    def __init__(self, find: Callable[[Sequence[UUID]], Awaitable[Sequence[UUID]]]) -> None:
        """`find`: stacks to the agents that serve them."""
        self._find = find
        self._peers: dict[UUID, Peer] = {}
        self._pending: dict[UUID, frozenset[Topic]] = {}
        self._stacks: set[UUID] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._due = asyncio.Event()
        self._asked = asyncio.Event()

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, peer: Peer) -> None:
        older = self._peers.get(peer.agent_id)
        self._peers[peer.agent_id] = peer
        if older:
            self._end(older, Close.REPLACED, "another connection of this agent took over")

    def remove(self, peer: Peer) -> None:
        if self._peers.get(peer.agent_id) is peer:
            del self._peers[peer.agent_id]

    def wake(self, agents: Iterable[UUID], topics: frozenset[Topic]) -> None:
        for agent_id in agents:
            if agent_id in self._peers:
                self._pending[agent_id] = self._pending.get(agent_id, frozenset()) | topics
        if self._pending:
            self._due.set()

    def hear(self, topic: str, text: str) -> None:
        """Subscriber of the bus."""
        if not self._peers:
            return
        match topic:
            case "stack":
                self._stacks.update(map(UUID, text.split(",")))
                self._asked.set()
            case "agents":
                kinds, _, ids = text.partition(":")
                # NB: a newer broker beside us may name kinds that we do not know.
                topics = frozenset(topic for topic in Topic if topic in kinds.split("+"))
                self.wake(map(UUID, ids.split(",")), topics)
            case "key":
                for peer in [p for p in self._peers.values() if p.key_hash == text]:
                    self._end(peer, Close.REVOKED, "this key is not valid any more")
            case "lost":
                self.wake(list(self._peers), _EVERYTHING)

    async def run(self) -> None:
        """Find and wake, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resolve())
            group.create_task(self._send())

    async def close(self) -> None:
        """Say goodbye to all, and when to come back."""
        seconds = str(max(1.0, round(len(self._peers) / _COME_BACK_PER_SECOND, 1)))
        peers, self._peers = list(self._peers.values()), {}
        for peer in peers:
            self._end(peer, Close.GOING_AWAY, seconds)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _end(self, peer: Peer, code: int, reason: str) -> None:
        self.remove(peer)
        task = asyncio.create_task(peer.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _resolve(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            stacks, self._stacks = self._stacks, set()
            try:
                agents = await self._find(list(stacks))
            except Exception as e:  # whatever the database says: asking about all is always right
                logger.warning("wake-up not narrowed down", extra={"reason": repr(e)[:200]})
                agents = list(self._peers)
            self.wake(agents, frozenset({Topic.STATE}))

    async def _send(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._pending:
                for agent_id in list(self._pending)[:_AT_ONCE]:
                    topics = self._pending.pop(agent_id)
                    if peer := self._peers.get(agent_id):
                        await peer.tell(_frame(topics))
                if self._pending:
                    await asyncio.sleep(_PAUSE_SECONDS)


_FRAMES: dict[frozenset[Topic], str] = {}


def _frame(topics: frozenset[Topic]) -> str:
    known = _FRAMES.get(topics)
    if known is None:
        known = _FRAMES[topics] = msgspec.json.encode(Wake(sorted(topics))).decode()
    return known
