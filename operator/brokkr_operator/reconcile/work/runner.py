"""Run the WorkOrders of this agent, each as a task of its own, and write down how they end.

Whatever happens, the resource says what there is to do: a restart takes up where it was.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, KubeNotFound, PayloadMissing, StackError, UnknownKind
from brokkr_operator.reconcile import plan
from brokkr_operator.reconcile.source import Source
from brokkr_operator.reconcile.work.work import RUNS_ONCE, Work
from brokkr_operator.resources import names, objects, workorder
from brokkr_operator.resources.objects import Entry
from brokkr_operator.resources.workorder import Result, WorkOrder

logger = logging.getLogger(__name__)

Type = Callable[[Work], Awaitable[Result]]

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 30.0
_MAX_MESSAGE = 32 * 1024


@dataclass
class Runner:
    """`types` are the kinds of work by name."""

    kube: Kube
    source: Source
    types: Mapping[str, Type]
    agent_id: str
    concurrency: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _undone: set[str] = field(default_factory=set)

    def look(self, order: WorkOrder) -> None:
        """There is news of an order: begin it, or end it."""
        task = self._tasks.get(order.name)
        if order.agent_id != self.agent_id or order.ended or order.deleting:
            return
        if order.cancelled and task and order.name not in self._undone:
            self._undone.add(order.name)
            task.cancel()
        elif task is None:
            self._start(order.name)

    def gone(self, name: str) -> None:
        """The resource was deleted by hand: the attempt is given up."""
        if task := self._tasks.get(name):
            self._undone.discard(name)
            task.cancel()

    async def run(self) -> None:
        """Until cancelled; then the work stops as well, to be taken up by whoever comes next."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks, self._tasks = self._tasks, {}
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _start(self, name: str) -> None:
        task = self._tasks[name] = asyncio.create_task(self._attend(name))
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(name) is not task:
            return
        del self._tasks[name]
        if task.cancelled() and name in self._undone:
            self._start(name)  # what remains is to take back what it has made
        else:
            self._undone.discard(name)

    async def _attend(self, name: str) -> None:
        """Until the attempt has ended. What the API server cannot do now is tried again."""
        delay = _FIRST_DELAY
        while True:
            try:
                await self._bring(name)
                return
            except (KubeError, StackError, PayloadMissing, UnknownKind, TimeoutError) as e:
                extra = {"resource": name, "reason": str(e)[:300], "retry_seconds": delay}
                logger.info("work order waits", extra=extra)
            except Exception:
                logger.exception("a bug met a work order", extra={"resource": name})
            await asyncio.sleep(delay)
            delay = min(_LONGEST_DELAY, delay * 2)

    async def _bring(self, name: str) -> None:
        kind = await self.kube.discovery.find(names.API_VERSION, workorder.KIND)
        body = await self.kube.find_in(kind, "", name)
        if body is None:
            return
        order = workorder.load(body)
        if order.ended:
            return
        if order.cancelled:
            await self._take_back(order)
            await self._write(order, workorder.over(order, None, self.now()))
            return
        if not order.phase:
            body = await self._write(order, workorder.begun(order, self.now()))
            if body is None:
                return
            order = workorder.load(body)
        result = await self._result(order)
        logger.info("work order ended", extra={"order": order.order_id, "success": result.success})
        await self._write(order, workorder.over(order, _short(result), self.now()))

    async def _result(self, order: WorkOrder) -> Result:
        """Raises what may be better later, as long as there is time."""
        started = order.moment("startedAt") or self.now()
        left = order.timeout_seconds - (self.now() - started).total_seconds()
        late = Result(False, f"not done within {order.timeout_seconds} s")
        if left <= 0:
            return late
        try:
            async with asyncio.timeout(left) as limit:
                return await self._work(order)
        except StackError as e:
            if not e.stalled:
                raise  # it may pass
            return Result(False, str(e), retryable=False)
        except TimeoutError:
            if not limit.expired():
                raise
            return late

    async def _work(self, order: WorkOrder) -> Result:
        run = self.types.get(order.work_type)
        if run is None:
            known = ", ".join(sorted(self.types))
            text = f"unknown work type {order.work_type!r}; this agent has {known}"
            return Result(False, text, retryable=False)
        text = await self.source.text(order.secrets, order.checksum)
        documents = await self.source.parse(text)

        async def record(applied: Sequence[Entry]) -> None:
            await self._write(order, {"inventory": [entry.dump() for entry in applied]})

        return await run(
            Work(order, documents, self.kube, self.source, self.agent_id, self.concurrency, record)
        )

    async def _take_back(self, order: WorkOrder) -> None:
        """End what this attempt still runs. What it has made for good stays."""
        for entry in await self._planned(order) if order.inventory is None else order.inventory:
            if (entry.key.group, entry.key.kind) not in RUNS_ONCE:
                continue
            live = await self.kube.find(entry)
            if live is None or objects.label(live, names.WORK_ORDER_LABEL) != order.order_id:
                continue
            if objects.annotation(live, names.ATTEMPT_ANNOTATION) == str(order.attempt):
                await self.kube.delete(live)

    async def _planned(self, order: WorkOrder) -> list[Entry]:
        """What an attempt that was cancelled in the middle may have applied."""
        try:
            text = await self.source.text(order.secrets, order.checksum)
            documents = await self.source.parse(text)
            steps = await self.source.plan(documents, plan.of_order(order, self.agent_id))
        except (PayloadMissing, StackError):
            return []
        return [step.entry for step in steps]

    async def _write(self, order: WorkOrder, status: dict[str, Any]) -> dict[str, Any] | None:
        kind = await self.kube.discovery.find(names.API_VERSION, workorder.KIND)
        try:
            return await self.kube.merge(kind, order.name, {"status": status}, subresource="status")
        except KubeNotFound:
            return None  # deleted by hand: nobody wants to know


def _short(result: Result) -> Result:
    message = result.message
    if len(message) > _MAX_MESSAGE:
        message = message[: _MAX_MESSAGE // 2] + "\n…\n" + message[-_MAX_MESSAGE // 2 :]
    return Result(result.success, message, result.retryable)
