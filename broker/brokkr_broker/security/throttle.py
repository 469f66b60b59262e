"""How many requests a caller may make: one token bucket each, a second deep."""

import time
from collections.abc import Callable, Hashable

_MAX_CALLERS = 20_000


class Throttle:
    """`rate` requests a second for each caller; 0 is no limit. The memory is bounded."""

    def __init__(self, rate: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def wait(self, caller: Hashable) -> float:
        """Take a token. Returns 0, or the seconds until there is one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.pop(caller, (float(self._rate), now))
        tokens = min(float(self._rate), tokens + (now - then) * self._rate)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        while len(self._buckets) > _MAX_CALLERS:
            self._buckets.pop(next(iter(self._buckets)))  # the one that has been quiet longest
        return 0.0 if allowed else (1 - tokens) / self._rate
