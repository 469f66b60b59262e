"""What an agent does besides keeping stacks: work orders, diagnostics, webhook deliveries."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from brokkr_common.loops import Loop, Step
from brokkr_common.wire.channel import Topic
from brokkr_operator.reconcile.work.runner import Runner
from brokkr_operator.report.deliveries import Deliveries
from brokkr_operator.report.diagnostics import Diagnostics
from brokkr_operator.report.orders import Results
from brokkr_operator.resources.workorder import WorkOrder
from brokkr_operator.sync.orders import Orders
from brokkr_operator.sync.store import Store

_CLAIMS_SECONDS = 1.0
_SLOWEST = 10.0


@dataclass
class Errands:
    """Loops that poll the broker, and hear its wake-ups. `paused` agents take nothing new."""

    store: Store[WorkOrder]
    orders: Orders
    results: Results
    runner: Runner
    diagnostics: Diagnostics
    deliveries: Deliveries
    interval: Callable[[], float]
    paused: Callable[[], bool]
    ordering: Loop = field(init=False)
    keeping: Loop = field(init=False)
    diagnosing: Loop = field(init=False)
    delivering: Loop = field(init=False)

    def __post_init__(self) -> None:
        def every(name: str, step: Step) -> Loop:
            return Loop(name, step, interval=self.interval, max_delay=_SLOWEST)

        self.ordering = every("work orders", self.orders.run)
        self.keeping = Loop("claims", self._keep, interval=_CLAIMS_SECONDS, max_delay=_SLOWEST)
        self.diagnosing = every("diagnostics", self._unless_paused(self.diagnostics.run))
        self.delivering = every("webhooks", self._unless_paused(self.deliveries.run))

    async def _keep(self) -> None:
        await self.results.flush()
        await self.orders.retire()

    def _unless_paused(self, step: Step) -> Step:
        async def run() -> None:
            if not self.paused():
                await step()

        return run

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """To be run until the agent ends."""
        loops = (self.ordering, self.keeping, self.diagnosing, self.delivering)
        return [self.runner.run(), *(loop.run() for loop in loops)]

    def wake(self, topics: frozenset[Topic]) -> None:
        loops = {
            Topic.WORK: self.ordering,
            Topic.DIAGNOSTIC: self.diagnosing,
            Topic.WEBHOOK: self.delivering,
        }
        for topic in topics & loops.keys():
            loops[topic].wake()

    def wake_after(self, topic: Topic, delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, self.wake, frozenset({topic}))

    def resume(self) -> None:
        """The agent was paused, and is not any more."""
        self.wake(frozenset(Topic))

    def saw(self, kind: str | None, body: dict[str, Any]) -> None:
        """An event of the watch of WorkOrders."""
        if kind == "DELETED":
            metadata = body["metadata"]
            self.store.remove(metadata["name"], metadata["uid"])
            self.runner.gone(metadata["name"])
            return
        old, order = self.store.put(body)
        self.runner.look(order)
        if order.ended and not order.delivered:
            self.keeping.wake()
        if order.ended and old and not old.ended:
            self.ordering.wake()  # there is room for another
