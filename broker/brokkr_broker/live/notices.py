"""Say that there is a new version or event: here at once, to other brokers in a moment.

What is rare is told by triggers, in the transaction that changed it. These two come by the
thousand, and a notification makes commits wait for each other; so many of them share a statement
of their own. One that is lost costs latency, not truth.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from uuid import UUID, uuid4

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.02
_IDS_PER_NOTICE = 200  # NB: a payload has less than 8,000 bytes


class Notices:
    """`send` takes pairs of topic and text to the bus of every broker, this one included."""

    def __init__(
        self,
        send: Callable[[Sequence[tuple[str, str]]], Awaitable[None]],
        *,
        subscribers: Sequence[Callable[[str, str], None]],
    ) -> None:
        self._send = send
        self._subscribers = subscribers
        self._name = uuid4().hex[:12]
        self._pending: dict[str, dict[UUID, None]] = {}
        self._due = asyncio.Event()

    def add(self, topic: str, ids: Sequence[UUID]) -> None:
        """`stack`: has a new version. `event`: is stored."""
        self._pending.setdefault(topic, {}).update(dict.fromkeys(ids))
        self._tell(topic, ",".join(map(str, ids)))
        self._due.set()

    def hear(self, topic: str, text: str) -> None:
        """Subscriber of the bus: hands on what is not our own."""
        sender, slash, ids = text.rpartition("/")
        if not slash or sender != self._name:
            self._tell(topic, ids)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            pending, self._pending = self._pending, {}
            try:
                await self._send(list(self._texts(pending)))
            except Exception as e:
                logger.warning("notices not sent", extra={"reason": repr(e)[:200]})
            await asyncio.sleep(_PAUSE_SECONDS)

    def _texts(self, pending: dict[str, dict[UUID, None]]) -> Iterator[tuple[str, str]]:
        for topic, found in pending.items():
            ids = list(map(str, found))
            for start in range(0, len(ids), _IDS_PER_NOTICE):
                yield topic, f"{self._name}/{','.join(ids[start : start + _IDS_PER_NOTICE])}"

    def _tell(self, topic: str, text: str) -> None:
        for subscriber in self._subscribers:
            subscriber(topic, text)
