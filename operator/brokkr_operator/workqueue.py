"""Names that need a look: each at most once in line, never twice at work, now or after a delay.

The rules are those of client-go's rate-limited work queue, for one event loop.
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from enum import Enum


class Lane(Enum):
    """Names that failed last time have a lane of their own: what hangs hinders no other."""

    FIRST = "first"
    AGAIN = "again"


class WorkQueue:
    """Clock and chance are arguments, so tests need not sleep."""

    def __init__(
        self,
        *,
        max_delay: float,
        clock: Callable[[], float] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._jitter = jitter
        self._max_delay = max_delay
        self._ready: dict[Lane, asyncio.Queue[str]] = {lane: asyncio.Queue() for lane in Lane}
        self._waiting: set[str] = set()
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}
        self._earlier = asyncio.Event()

    def add(self, name: str) -> None:
        """As soon as possible; if it is being worked on, once more after that."""
        self._due.pop(name, None)
        if name in self._working:
            self._again.add(name)
        elif name not in self._waiting:
            self._waiting.add(name)
            lane = Lane.AGAIN if self._failures.get(name) else Lane.FIRST
            self._ready[lane].put_nowait(name)

    def add_after(self, name: str, delay: float) -> None:
        """In `delay` seconds, unless it is wanted earlier anyway."""
        moment = self._clock() + delay
        if name in self._waiting or name in self._again or self._due.get(name, moment) < moment:
            return
        self._due[name] = moment
        heapq.heappush(self._heap, (moment, name))
        self._earlier.set()

    def retry(self, name: str) -> float:
        """After a failure: back off exponentially, up to `max_delay`. Returns the delay.

        Source: the book's retries of Kubernetes calls, one second at first, doubled each time.
        """
        count = self._failures.get(name, 0)
        self._failures[name] = count + 1
        delay = min(self._max_delay, 2.0 ** min(count, 16)) * (0.5 + 0.5 * self._jitter())
        self._retry_at[name] = self._clock() + delay
        self.add_after(name, delay)
        return delay

    def until_retry(self, name: str) -> float:
        """Seconds until what has failed is to be tried again; 0 where it is time, or went well."""
        return max(0.0, self._retry_at.get(name, 0.0) - self._clock())

    def renew(self, name: str) -> None:
        """There is something new about it: what failed before says nothing about that."""
        self.forget(name)
        self.add(name)

    def forget(self, name: str) -> None:
        """It went well, or is gone: the next failure starts from the first delay."""
        self._failures.pop(name, None)
        self._retry_at.pop(name, None)

    def drop(self, name: str) -> None:
        """Nothing is to be done for it any more."""
        self.forget(name)
        self._due.pop(name, None)

    async def take(self, lane: Lane = Lane.FIRST) -> str:
        name = await self._ready[lane].get()
        self._waiting.discard(name)
        self._working.add(name)
        return name

    def done(self, name: str) -> None:
        self._working.discard(name)
        if name in self._again:
            self._again.discard(name)
            self.add(name)

    async def run(self) -> None:
        """Move names from later to now, until cancelled."""
        while True:
            self._earlier.clear()
            timeout = self._promote()
            try:
                async with asyncio.timeout(timeout):
                    await self._earlier.wait()
            except TimeoutError:
                continue

    def _promote(self) -> float | None:
        """Line up what is due; return the seconds until the next."""
        while self._heap:
            moment, name = self._heap[0]
            if self._due.get(name) != moment:
                heapq.heappop(self._heap)  # was wanted earlier meanwhile
            elif moment > self._clock():
                return moment - self._clock()
            else:
                heapq.heappop(self._heap)
                self.add(name)
        return None
