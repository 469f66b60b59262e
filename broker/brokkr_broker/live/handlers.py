"""Event handlers of extensions: told of every event that this broker has stored, one by one.

Bounded, and not repeated: whoever must hear of each event takes a webhook.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from brokkr_broker.dal.events import Told
from brokkr_common.wire.events import StreamedEvent

logger = logging.getLogger(__name__)

Handler = Callable[[StreamedEvent], Awaitable[None]]

_QUEUE = 10_000
_AT_ONCE = 500
_SECONDS = 10


class Handlers:
    def __init__(
        self,
        handlers: Mapping[str, Handler],
        fetch: Callable[[Sequence[UUID]], Awaitable[Sequence[Told]]],
    ) -> None:
        self._handlers = handlers
        self._fetch = fetch
        self._ids: asyncio.Queue[UUID] = asyncio.Queue(_QUEUE)

    def add(self, ids: Sequence[UUID]) -> None:
        if not self._handlers:
            return
        for position, event_id in enumerate(ids):
            if self._ids.full():
                logger.warning("events not handled", extra={"count": len(ids) - position})
                return
            self._ids.put_nowait(event_id)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ids = [await self._ids.get()]
            while not self._ids.empty() and len(ids) < _AT_ONCE:
                ids.append(self._ids.get_nowait())
            try:
                found = await self._fetch(ids)
            except Exception as e:
                extra = {"count": len(ids), "reason": repr(e)[:200]}
                logger.warning("events not handled", extra=extra)
                continue
            for told in found:
                for name, handler in self._handlers.items():
                    await _call(name, handler, told.event)


async def _call(name: str, handler: Handler, event: StreamedEvent) -> None:
    try:
        async with asyncio.timeout(_SECONDS):
            await handler(event)
    except Exception:
        logger.exception("an event handler failed", extra={"extension": name})
