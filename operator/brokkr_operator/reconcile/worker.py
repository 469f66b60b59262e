"""Take stacks from the queue, look at them, and decide when to look again."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence

from brokkr_operator import metrics
from brokkr_operator.errors import KubeError
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.readiness import Health
from brokkr_operator.observe.sightings import Sightings
from brokkr_operator.reconcile.outcome import Done, Failed, Outcome, Pause
from brokkr_operator.reconcile.stack import Reconciler
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key
from brokkr_operator.workqueue import Lane, WorkQueue

logger = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS = 0.5
_LAST_LOOK_SECONDS = 10.0
_NEWS_SECONDS = 0.2  # news of health come in flocks
_FIGHT_SECONDS = 60.0  # corrections closer together than this are a fight
_FREE_CORRECTIONS = 5


class Worker:
    """Shared by the agent's worker tasks; what it remembers only saves work."""

    def __init__(
        self,
        reconciler: Reconciler,
        queue: WorkQueue,
        holdings: Holdings,
        seen: Sightings,
        *,
        find: Callable[[str], BrokkrStack | None],
        restore: Callable[[str], None],
        lost: Callable[[BrokkrStack], None],
        resync_interval: float,
        health_interval: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reconciler = reconciler
        self._queue = queue
        self._holdings = holdings
        self._find = find
        self._seen = seen
        self._restore = restore
        self._lost = lost
        self._resync = resync_interval
        self._health = health_interval
        self._clock = clock
        self._jitter = jitter
        self._full: dict[str, float] = {}
        self._looks: dict[str, float] = {}
        self._touched: dict[str, set[Key]] = {}
        self._corrections: dict[str, tuple[int, float]] = {}
        self._waiting: set[str] = set()

    def touched(self, name: str, key: Key) -> None:
        """Somebody may have changed or deleted an object of a stack."""
        if self._reconciler.drift == "off" or self._queue.until_retry(name):
            return self.moved(name)
        self._touched.setdefault(name, set()).add(key)
        count, last = self._corrections.get(name, (0, 0.0))
        excess = count - _FREE_CORRECTIONS
        if excess > 0 and self._clock() - last < _FIGHT_SECONDS:
            self._queue.add_after(name, min(_FIGHT_SECONDS, 2.0**excess))
        else:
            self._queue.add(name)
        return None

    def moved(self, name: str) -> None:
        """There is news of a stack's health."""
        self._queue.add_after(name, _NEWS_SECONDS)

    async def run(self, lane: Lane) -> None:
        """Work until cancelled."""
        while True:
            name = await self._queue.take(lane)
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
        if self._queue.until_retry(name) and self._is_observed(name):
            await self._look_at_failed(name)
            return
        touched = frozenset(k for k in self._touched.pop(name, ()) if not self._is_as_left(k))
        if not self._is_recent(name):
            seen = await self._reconciler.reconcile(name)
            # NB: so that stacks which start together do not come due together for ever.
            self._full[name] = self._clock() - self._resync * 0.1 * self._jitter()
        elif touched:
            seen = await self._reconciler.reconcile(name, only=touched)
        else:
            seen = await self._reconciler.check_health(name)
        if seen is None:
            self._drop(name)
            # NB: a watch that was away for long does not say what went meanwhile.
            if (known := self._find(name)) and await self._reconciler.is_gone(known):
                self._lost(known)
            return
        stack, result = seen
        self._hold(stack, result)
        self._plan_next(stack, result)
        if isinstance(result, Failed) and stack.applied_sequence is not None:
            await self._look_at_failed(name)

    async def _look_at_failed(self, name: str) -> None:
        """What its objects do changes its health; it is tried again at its time and not before."""
        await self._reconciler.check_health(name, mend=False)
        self._queue.add_after(name, self._queue.until_retry(name))

    def _is_as_left(self, key: Key) -> bool:
        """Whether the last change of an object that was seen is one that we know."""
        state = self._seen.get(key)
        memory = self._reconciler.memory
        return state is not None and memory.is_state(key, state.uid, state.resource_version)

    def _is_recent(self, name: str) -> bool:
        """Whether everything was compared a short while ago, and the spec is still that one."""
        recent = self._clock() - self._full.get(name, -1e9) < self._resync
        return recent and self._is_observed(name) and name in self._looks

    def _is_observed(self, name: str) -> bool:
        stack = self._find(name)
        return stack is not None and stack.observed

    def _drop(self, name: str) -> None:
        self._queue.drop(name)
        self._holdings.drop(name)
        for memory in (self._full, self._looks, self._touched, self._corrections):
            memory.pop(name, None)
        self._waiting.discard(name)
        self._wake_waiting()

    def _hold(self, stack: BrokkrStack, result: Outcome) -> None:
        inventory: Sequence[Entry] | None = getattr(result, "inventory", None)
        if inventory is None:
            inventory = stack.inventory or ()
        self._holdings.put(stack.name, inventory)

    def _wake_waiting(self) -> None:
        """Something has changed hands, perhaps: whoever waits for another stack looks again."""
        waiting, self._waiting = self._waiting, set()
        for name in waiting:
            self._full.pop(name, None)  # a look at its health would not be enough
            self._queue.renew(name)

    def _plan_next(self, stack: BrokkrStack, result: Outcome) -> None:
        match result:
            case Pause():
                self._queue.forget(stack.name)
                self._looks.pop(stack.name, None)
            case Failed():
                self._looks.pop(stack.name, None)
                if result.reason is Reason.PROGRESSING:
                    self._restore(stack.stack_id)
                if result.reason in (Reason.CLAIMED, Reason.WAITING):
                    self._waiting.add(stack.name)
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
                if not stack.settled or result.removed:
                    self._wake_waiting()
                self._note_drift(stack, result)
                if result.waits:
                    self._waiting.add(stack.name)
                self._queue.forget(stack.name)
                self._queue.add_after(stack.name, self._next_look(stack.name, result))

    def _note_drift(self, stack: BrokkrStack, result: Done) -> None:
        if not result.drifted:
            return
        metrics.drift.inc(len(result.drifted))
        count, last = self._corrections.get(stack.name, (0, 0.0))
        now = self._clock()
        self._corrections[stack.name] = (count + 1 if now - last < _FIGHT_SECONDS else 1, now)
        logger.info("drift corrected", extra={"stack": stack.stack_name, "n": len(result.drifted)})

    def _next_look(self, name: str, result: Done) -> float:
        """Often while something is moving, rarely once it stands; never later than the resync."""
        if result.report.health in (Health.HEALTHY, Health.UNKNOWN):
            self._looks[name] = 0.0
            delay = self._health
        else:
            last = self._looks.get(name, 0.0)
            delay = min(max(last * 1.5, _FIRST_LOOK_SECONDS), max(_LAST_LOOK_SECONDS, self._health))
            self._looks[name] = delay
        until_resync = self._resync - (self._clock() - self._full.get(name, 0.0))
        return max(0.1, min(delay, until_resync))


async def crew(worker: Worker, size: int) -> None:
    """`size` workers side by side, until cancelled; half as many for what failed before."""
    async with asyncio.TaskGroup() as group:
        for _ in range(size):
            group.create_task(worker.run(Lane.FIRST))
        for _ in range(max(1, size // 2)):
            group.create_task(worker.run(Lane.AGAIN))
