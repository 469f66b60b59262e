"""Take stacks from the queue, look at them, and decide when to look again."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from brokkr_operator.errors import KubeError
from brokkr_operator.observe.readiness import Health
from brokkr_operator.reconcile.outcome import Done, Failed, Outcome, Pause
from brokkr_operator.reconcile.stack import Reconciler
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS = 0.5
_LAST_LOOK_SECONDS = 10.0


class Worker:
    """Shared by the agent's worker tasks; what it remembers only saves work."""

    def __init__(
        self,
        reconciler: Reconciler,
        queue: WorkQueue,
        *,
        find: Callable[[str], BrokkrStack | None],
        restore: Callable[[str], None],
        resync_interval: float,
        health_interval: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reconciler = reconciler
        self._queue = queue
        self._find = find
        self._restore = restore
        self._resync = resync_interval
        self._health = health_interval
        self._clock = clock
        self._jitter = jitter
        self._full: dict[str, float] = {}
        self._looks: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            name = await self._queue.take()
            try:
                await self._look(name)
            except KubeError as e:
                delay = self._queue.retry(name)
                extra = {"resource": name, "reason": str(e)[:300], "retry_seconds": round(delay, 1)}
                logger.warning("stack could not be looked at", extra=extra)
            except Exception:
                logger.exception("a bug met a stack", extra={"resource": name})
                self._queue.retry(name)
            finally:
                self._queue.done(name)

    async def _look(self, name: str) -> None:
        if self._is_recent(name):
            seen = await self._reconciler.check_health(name)
        else:
            seen = await self._reconciler.reconcile(name)
            # NB: so that stacks which start together do not come due together for ever.
            self._full[name] = self._clock() - self._resync * 0.1 * self._jitter()
        if seen is None:
            self._queue.drop(name)
            self._full.pop(name, None)
            self._looks.pop(name, None)
            return
        stack, result = seen
        self._plan_next(stack, result)

    def _is_recent(self, name: str) -> bool:
        """Whether everything was compared a short while ago, and the spec is still that one."""
        stack = self._find(name)
        recent = self._clock() - self._full.get(name, -1e9) < self._resync
        return recent and stack is not None and stack.observed and name in self._looks

    def _plan_next(self, stack: BrokkrStack, result: Outcome) -> None:
        match result:
            case Pause():
                self._queue.forget(stack.name)
                self._looks.pop(stack.name, None)
            case Failed():
                self._looks.pop(stack.name, None)
                if result.reason is Reason.PROGRESSING:
                    self._restore(stack.stack_id)
                delay = self._queue.retry(stack.name)
                logger.warning(
                    "stack not as wanted",
                    extra={
                        "stack": stack.stack_name,
                        "reason": result.message[:300],
                        "retry_seconds": round(delay, 1),
                    },
                )
            case Done():
                self._queue.forget(stack.name)
                self._queue.add_after(stack.name, self._next_look(stack.name, result))

    def _next_look(self, name: str, result: Done) -> float:
        """Often while something is moving, rarely once it stands; never later than the resync."""
        if result.health.health in (Health.HEALTHY, Health.UNKNOWN):
            self._looks[name] = 0.0
            delay = self._health
        else:
            last = self._looks.get(name, 0.0)
            delay = min(max(last * 1.5, _FIRST_LOOK_SECONDS), _LAST_LOOK_SECONDS)
            self._looks[name] = delay
        until_resync = self._resync - (self._clock() - self._full.get(name, 0.0))
        return max(0.1, min(delay, until_resync))


async def crew(worker: Worker, size: int) -> None:
    """`size` workers side by side, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for _ in range(size):
            group.create_task(worker.run())
