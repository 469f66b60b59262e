"""One attempt at a work order, as the types of work see it: apply documents, look, read logs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, StackError
from brokkr_operator.observe import descend
from brokkr_operator.reconcile import plan
from brokkr_operator.reconcile.apply import Pass
from brokkr_operator.reconcile.memory import Memory
from brokkr_operator.reconcile.source import Source
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Object
from brokkr_operator.resources.workorder import Result, WorkOrder

RUNS_ONCE = {
    ("batch", "Job"),
    ("", "Pod"),
    ("shipwright.io", "BuildRun"),
    ("tekton.dev", "TaskRun"),
    ("tekton.dev", "PipelineRun"),
}
"""Kinds that come to an end: there they are work, elsewhere they are wishes."""

_FIRST_LOOK_SECONDS = 0.2
_LAST_LOOK_SECONDS = 3.0
_GONE_SECONDS = 60


@dataclass
class Work:
    """`record` writes down what was applied, so that a restart does not apply it again."""

    order: WorkOrder
    documents: list[Object]
    kube: Kube
    source: Source
    agent_id: str
    concurrency: int
    record: Callable[[Sequence[Entry]], Awaitable[None]]

    async def apply(self, documents: Sequence[Object]) -> list[Entry]:
        """What is in the cluster now. After a restart that is looked up. Raises StackError."""
        if self.order.inventory is not None:
            return list(self.order.inventory)
        steps = await self.source.plan(documents, plan.of_order(self.order, self.agent_id))
        for step in steps:
            await self._make_room(step)
        work = Pass(
            self.kube,
            Memory(),
            agent_id=self.agent_id,
            concurrency=self.concurrency,
            known={},
            intend=_nothing,
        )
        await work.run(steps)
        applied = [objects.entry_of(work.live[step.entry.key]) for step in steps]
        await self.record(applied)
        return applied

    async def _make_room(self, step: plan.Step) -> None:
        """Nothing of a stack is touched; what an earlier attempt has run is run anew."""
        live = await self.kube.find(step.entry)
        if live is None:
            return
        if stack := objects.label(live, names.STACK_LABEL):
            raise _refused(step, f"belongs to stack {stack}")
        if (step.entry.key.group, step.entry.key.kind) not in RUNS_ONCE:
            return
        owner = objects.annotation(live, names.OWNER_ANNOTATION)
        if owner != self.agent_id or not objects.is_applied(live, names.FIELD_MANAGER):
            raise _refused(step, "is there already, and was not made by a work order")
        same = objects.label(live, names.WORK_ORDER_LABEL) == self.order.order_id
        if same and objects.annotation(live, names.ATTEMPT_ANNOTATION) == str(self.order.attempt):
            return  # this very attempt, before a restart
        if not same and not has_ended(live):
            text = f"{step}: another work order still runs it"
            raise StackError(text, reason=Reason.CLAIMED, stalled=False)
        await self.remove(live)

    async def remove(self, live: Object) -> None:
        """Delete an object, and wait until it is gone. Raises KubeError."""
        entry = objects.entry_of(live)
        await self.kube.delete(live)
        async with asyncio.timeout(_GONE_SECONDS):
            while (found := await self.kube.find(entry)) is not None:
                if found["metadata"]["uid"] != live["metadata"]["uid"]:
                    return
                await asyncio.sleep(_FIRST_LOOK_SECONDS)

    async def until(self, look: Callable[[], Awaitable[Result | None]]) -> Result:
        """Look again and again, until there is a result."""
        delay = _FIRST_LOOK_SECONDS
        while (result := await look()) is None:
            await asyncio.sleep(delay)
            delay = min(_LAST_LOOK_SECONDS, delay * 1.5)
        return result

    async def explain(self, entries: Sequence[Entry]) -> str:
        """The logs of the pods below these objects that failed; empty where there is none."""
        parts = []
        try:
            for pod in await descend.pods_below(self.kube, entries):
                for name in _failed_containers(pod):
                    text = await descend.tail(self.kube, pod, name)
                    parts.append(f"--- {pod['metadata']['name']}/{name}\n{text.rstrip()}")
        except KubeError as e:
            parts.append(f"--- no more logs: {str(e)[:300]}")
        return "\n".join(parts)


def has_ended(live: Object) -> bool:
    """Whether something that runs once has run."""
    status = live.get("status") or {}
    if live["kind"] == "Pod":
        return status.get("phase") in ("Succeeded", "Failed")
    found = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    if live["kind"] == "Job":
        return "True" in (found.get("Complete"), found.get("Failed"))
    return found.get("Succeeded") in ("True", "False")


def _failed_containers(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    failed = [
        c["name"]
        for c in found
        if ((c.get("state") or {}).get("terminated") or {}).get("exitCode", 0) != 0
    ]
    if not failed and status.get("phase") == "Failed":
        return descend.containers(pod)
    return failed


def _refused(step: plan.Step, why: str) -> StackError:
    return StackError(f"{step}: {why}", reason=Reason.NOT_OWNED, stalled=True)


async def _nothing(_: frozenset[object]) -> None:
    return
