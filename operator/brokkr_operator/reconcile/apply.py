"""Apply a plan: namespaces, definitions, a dry run of all the rest, then the rest by rank.

An object that is already as wanted is not written. An object of another agent is not taken.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import (
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeUnavailable,
    StackError,
    UnknownKind,
)
from brokkr_operator.observe import readiness
from brokkr_operator.reconcile import ordering
from brokkr_operator.reconcile.plan import Step, by_rank
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key, Object

logger = logging.getLogger(__name__)

_ESTABLISH_SECONDS = 30
_GONE_SECONDS = 60
_VOLATILE = ("managedFields", "resourceVersion", "generation")
R = TypeVar("R")


class Pass:
    """One pass over a plan.

    `live` has the objects that are as wanted, `created_namespaces` what a failed pass may take
    back, `met` the objects that were here before and carried our marks.
    """

    def __init__(self, kube: Kube, *, agent_id: str, concurrency: int) -> None:
        self._kube = kube
        self._agent_id = agent_id
        self._limit = asyncio.Semaphore(concurrency)
        self.live: dict[Key, Object] = {}
        self.created_namespaces: list[Entry] = []
        self.met: set[Key] = set()

    async def run(self, steps: Sequence[Step]) -> None:
        """Raises StackError, naming document and object; `live` has what was done until then."""
        await self._each(by_rank(steps, where=lambda r: r == ordering.NAMESPACE), self._bring)
        definitions = by_rank(steps, where=lambda r: r == ordering.DEFINITION)
        await self._each(definitions, self._bring)
        await self._each(definitions, self._establish)
        rest = by_rank(steps, where=lambda r: r > ordering.DEFINITION)
        pending: list[Step] = []

        async def check(step: Step) -> None:
            if await self._differs(step):
                pending.append(step)

        await self._each([[step for group in rest for step in group]], check)
        await self._each(by_rank(pending, where=lambda _: True), self._write)

    async def _each(
        self, groups: Sequence[Sequence[Step]], action: Callable[[Step], Awaitable[None]]
    ) -> None:
        """Group after group; inside one in parallel. The first error by document is raised."""
        for group in groups:
            results = await asyncio.gather(
                *(self._guarded(action, step) for step in group), return_exceptions=True
            )
            failures = [r for r in results if isinstance(r, BaseException)]
            if failures:
                raise _first(failures)

    async def _guarded(self, action: Callable[[Step], Awaitable[None]], step: Step) -> None:
        async with self._limit:
            try:
                await action(step)
            except KubeError as e:
                raise _meaning(step, e) from e
            except UnknownKind as e:
                raise StackError(f"{step}: {e}", reason=Reason.UNKNOWN_KIND, stalled=True) from e

    async def _bring(self, step: Step) -> None:
        if await self._differs(step):
            await self._write(step)

    async def _differs(self, step: Step) -> bool:
        """Dry-run; whether the object has to be written. Raises what the API server refuses."""
        try:
            wanted, is_new = await self._patiently(
                lambda: self._kube.apply(step.manifest, dry_run=True)
            )
        except KubeInvalid as e:
            if await self._replaceable(step, e):
                return True
            raise
        if is_new:
            return True
        live = await self._kube.find(step.entry)
        if live is None:
            return True
        self._check_owner(step, live)
        if comparable(live) != comparable(wanted):
            return True
        self.live[step.entry.key] = live
        return False

    def _check_owner(self, step: Step, live: Object) -> None:
        owner = objects.annotation(live, names.OWNER_ANNOTATION)
        if owner not in (None, "", self._agent_id):
            raise StackError(
                f"{step}: belongs to agent {owner}", reason=Reason.NOT_OWNED, stalled=True
            )
        wanted_stack = objects.label(step.manifest, names.STACK_LABEL)
        if owner and objects.label(live, names.STACK_LABEL) == wanted_stack:
            self.met.add(step.entry.key)

    async def _write(self, step: Step) -> None:
        try:
            live, is_new = await self._kube.apply(step.manifest)
        except KubeInvalid as e:
            if not await self._replaceable(step, e):
                raise
            live, is_new = await self._replace(step)
        self.live[step.entry.key] = live
        if is_new and step.rank == ordering.NAMESPACE:
            self.created_namespaces.append(objects.entry_of(live))

    async def _replaceable(self, step: Step, refused: KubeInvalid) -> bool:
        """Only immutable fields stand in the way, and the object is ours to make anew."""
        live = await self._kube.find(step.entry)
        if live is None or not _is_immutable(refused) or not self._owns(step, live):
            return False
        finished = step.entry.key.kind == "Job" and _is_finished(live)
        if not finished and objects.annotation(step.manifest, names.REPLACE_ANNOTATION) != "true":
            return False
        return await self._could_be_made(step)

    def _owns(self, step: Step, live: Object) -> bool:
        same_stack = objects.label(live, names.STACK_LABEL) == objects.label(
            step.manifest, names.STACK_LABEL
        )
        return same_stack and objects.annotation(live, names.OWNER_ANNOTATION) == self._agent_id

    async def _could_be_made(self, step: Step) -> bool:
        """Whether the API server takes the manifest as a new object (of another name).

        NB: nothing is deleted for a successor that would then be refused.
        """
        metadata = {**step.manifest["metadata"], "name": f"{step.entry.key.name[:50]}-brokkr"}
        try:
            await self._kube.apply({**step.manifest, "metadata": metadata}, dry_run=True)
        except KubeError:
            return False
        return True

    async def _replace(self, step: Step) -> tuple[Object, bool]:
        live = await self._kube.find(step.entry)
        if live is not None:
            logger.info("made anew", extra={"object": str(step.entry.key)})
            await self._kube.delete(live)
            await self._wait_gone(step, live)
        return await self._kube.apply(step.manifest)

    async def _wait_gone(self, step: Step, live: Object) -> None:
        try:
            async with asyncio.timeout(_GONE_SECONDS):
                while (left := await self._kube.find(step.entry)) is not None:
                    if left["metadata"]["uid"] != live["metadata"]["uid"]:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise KubeUnavailable(f"not gone {_GONE_SECONDS} s after its deletion") from None

    async def _establish(self, step: Step) -> None:
        """Wait until a definition is served, and forget what discovery knew of its group."""
        try:
            async with asyncio.timeout(_ESTABLISH_SECONDS):
                while True:
                    live = await self._kube.find(step.entry)
                    verdict = readiness.judge(live) if live else None
                    if live and verdict and verdict.health is readiness.Health.HEALTHY:
                        break
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StackError(
                f"{step}: not established after {_ESTABLISH_SECONDS} s",
                reason=Reason.APPLY_FAILED,
                stalled=False,
            ) from None
        self.live[step.entry.key] = live
        if not self._known(live):
            self._kube.discovery.forget(live["spec"]["group"])

    def _known(self, live: Object) -> bool:
        spec = live["spec"]
        return self._kube.discovery.knows(spec["group"], spec["names"]["kind"])

    async def _patiently(self, call: Callable[[], Awaitable[R]]) -> R:
        """A definition is served a moment after it says it is."""
        for delay in (0.05, 0.1, 0.2, 0.5, 1.0):
            try:
                return await call()
            except (KubeNotFound, UnknownKind):
                await asyncio.sleep(delay)
        return await call()


def comparable(obj: Object) -> dict[str, Any]:
    """An object without what changes by looking at it, and without its status."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _VOLATILE}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


def _is_immutable(e: KubeInvalid) -> bool:
    """Every cause that the API server gives is an immutable field."""
    causes = e.details.get("causes") or [{"message": str(e)}]
    return all("immutable" in (cause.get("message") or "") for cause in causes)


def _is_finished(job: Object) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _first(failures: Sequence[BaseException]) -> BaseException:
    """A bug before a stack's error; of those, one that only a person can mend before the others."""
    bugs = [f for f in failures if not isinstance(f, StackError)]
    if bugs:
        return bugs[0]
    return min(failures, key=lambda f: (not getattr(f, "stalled", False), str(f)))


def _meaning(step: Step, e: KubeError) -> StackError:
    reasons: dict[type[KubeError], tuple[Reason, bool]] = {
        KubeInvalid: (Reason.REJECTED, True),
        KubeForbidden: (Reason.REJECTED, True),
        KubeUnavailable: (Reason.API_UNAVAILABLE, False),
        KubeConflict: (Reason.APPLY_FAILED, False),
        KubeNotFound: (Reason.APPLY_FAILED, False),
    }
    reason, stalled = reasons.get(type(e), (Reason.APPLY_FAILED, False))
    text = str(e)
    if isinstance(e, KubeInvalid) and _is_immutable(e):
        text += f' (annotate the object {names.REPLACE_ANNOTATION}: "true" to have it made anew)'
    return StackError(f"{step}: {text}", reason=reason, stalled=stalled)
