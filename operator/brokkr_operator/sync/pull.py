"""One pass: ask the broker for the full target state, and mirror it."""

import asyncio
import logging
import time
from uuid import UUID

from brokkr_operator import metrics
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.errors import BrokerError
from brokkr_operator.sync.mirror import Mirror

logger = logging.getLogger(__name__)

_COMPLETE_SECONDS = 5


class Pull:
    """Remembers the tag of the last state that was mirrored in full, to save work."""

    def __init__(self, broker: Broker, mirror: Mirror, *, agent_id: UUID) -> None:
        self._broker = broker
        self._mirror = mirror
        self._agent_id = agent_id
        self._etag: str | None = None
        self._wanted: list[tuple[str, str]] = []
        self._lost: set[str] = set()
        self._complete = asyncio.Event()
        self.paused = True  # until the broker has said otherwise
        self.last_error: str | None = None

    @property
    def stacks(self) -> int:
        return len(self._wanted)

    async def complete(self) -> bool:
        """Whether the resources show one whole target state, no half of one. Waits a little.

        What one stack lets go, another may have been given in the same state.
        """
        try:
            async with asyncio.timeout(_COMPLETE_SECONDS):
                await self._complete.wait()
        except TimeoutError:
            return False
        return self._mirror.matches(self._wanted)  # nobody has taken a resource away since

    def restore(self, stack_id: str) -> None:
        """The YAML of a stack is not in the cluster: fetch and write it again."""
        self._lost.add(stack_id)
        self._etag = None

    async def run(self) -> bool:
        """Returns whether the broker wanted something new. Raises BrokerError, KubeError."""
        await self._mirror.load()
        await self._mirror.retire()
        if self.paused:
            return False
        started = time.perf_counter()
        try:
            news = await self._pull()
        except BrokerError as e:
            metrics.poll_requests.labels("error").inc()
            self.last_error = str(e)
            raise
        metrics.poll_requests.labels("success").inc()
        metrics.poll_duration.observe(time.perf_counter() - started)
        metrics.last_poll.set_to_current_time()
        self.last_error = None
        return news

    async def _pull(self) -> bool:
        if not self._mirror.matches(self._wanted):
            self._etag = None  # somebody took a resource away: it is written anew
        answer = await self._broker.target_state(self._agent_id, etag=self._etag)
        if answer is None:
            return False
        targets, etag = answer
        lost = frozenset(self._lost)
        self._complete.clear()
        await self._mirror.write(targets, restore=lost)
        self._complete.set()
        self._lost -= lost
        self._etag = etag
        self._wanted = [(str(t.stack_id), str(t.id)) for t in targets]
        logger.info("target state mirrored", extra={"stacks": len(targets)})
        return True
