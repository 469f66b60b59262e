"""A supervised loop: a step that runs again and again until it is told to stop.

One failure never ends the loop: it is logged and tried again with a growing, jittered delay.
A wake-up runs the next step at once. Time and chance are arguments, so tests need not sleep.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

Step = Callable[[], Awaitable[None]]


class Loop:
    """Runs `step` every `interval` seconds (plus up to 20 % jitter), or at once when woken.

    An interval that may change while the loop runs is given as a function. After a wake-up it waits
    `gather` seconds for more of them, so that one step serves all.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        interval: float | Callable[[], float],
        max_delay: float = 60.0,
        gather: float = 0.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._step = step
        self._interval = interval
        self._max_delay = max_delay
        self._gather = gather
        self._jitter = jitter
        self._woken = asyncio.Event()
        self.failures = 0

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self._woken.clear()
            await self.run_once()
            await self._sleep(self.delay())

    async def run_once(self) -> None:
        try:
            await self._step()
        except Exception as e:
            self.failures += 1
            logger.warning(
                "loop step failed",
                extra={
                    "loop": self.name,
                    "failures": self.failures,
                    "reason": f"{type(e).__name__}: {e}"[:500],
                },
                exc_info=logger.isEnabledFor(logging.DEBUG),
            )
        else:
            self.failures = 0

    def delay(self) -> float:
        """Seconds until the next step: the interval, or an exponential back-off after failures."""
        if not self.failures:
            interval = self._interval() if callable(self._interval) else self._interval
            return interval * (1 + 0.2 * self._jitter())
        backoff = min(self._max_delay, 0.5 * 2.0 ** min(self.failures, 10))
        return backoff * (0.5 + 0.5 * self._jitter())

    async def _sleep(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._gather)
