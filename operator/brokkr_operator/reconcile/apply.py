"""Apply a plan: namespaces, definitions, a dry run of all the rest, then the rest by rank.

An object that is already as wanted is not written. An object of another agent is not taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

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
from brokkr_operator.reconcile import ignore, ordering, replace
from brokkr_operator.reconcile.memory import Memory
from brokkr_operator.reconcile.plan import Step, by_rank
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key, Object

_ESTABLISH_SECONDS = 30
_VOLATILE = ("managedFields", "resourceVersion", "generation")
_NO_DRY_RUN = "does not support dry run"
R = TypeVar("R")


class Pass:
    """One pass over a plan.

    `known` are the uids of the inventory. `intend` is told, before anything is written, which of
    these objects will be others from now on.

    `live` has the objects that were looked at, as they are now; `written` what was not as wanted
    before, `differing` what still is not (of a pass that only compares); `created_namespaces` what
    a failed pass may take back; `met` what was here before and carried our marks.
    """

    def __init__(
        self,
        kube: Kube,
        memory: Memory,
        *,
        agent_id: str,
        concurrency: int,
        known: Mapping[Key, str],
        intend: Callable[[frozenset[Key]], Awaitable[None]],
    ) -> None:
        self._kube = kube
        self._memory = memory
        self._agent_id = agent_id
        self._limit = asyncio.Semaphore(concurrency)
        self._known_uids = known
        self._intend = intend
        self._renewed: set[Key] = set()
        self._before: dict[Key, Object] = {}
        self.live: dict[Key, Object] = {}
        self.written: list[Key] = []
        self.differing: list[Key] = []
        self.created_namespaces: list[Entry] = []
        self.met: set[Key] = set()

    async def run(self, steps: Sequence[Step]) -> None:
        """Raises StackError, naming document and object; `live` has what was done until then."""
        await self._bring([s for s in steps if s.rank == ordering.NAMESPACE])
        definitions = [s for s in steps if s.rank == ordering.DEFINITION]
        await self._bring(definitions)
        await self._each([definitions], self._establish)
        await self._bring([s for s in steps if s.rank > ordering.DEFINITION])

    async def _bring(self, steps: Sequence[Step]) -> None:
        """Check all of them, then write what is not as wanted."""
        pending: list[Step] = []

        async def check(step: Step) -> None:
            if await self._differs(step):
                pending.append(step)

        await self._each([steps], check)
        if renewed := self._renewed & {step.entry.key for step in pending}:
            await self._intend(frozenset(renewed))
        await self._each(by_rank(pending), self._write)

    async def compare(self, steps: Sequence[Step]) -> None:
        """Write nothing; `differing` has what is not as wanted. Raises StackError."""

        async def check(step: Step) -> None:
            try:
                differs = await self._differs(step)
            except (KubeInvalid, KubeNotFound):
                differs = True
            if differs:
                self.differing.append(step.entry.key)

        await self._each([steps], check)

    async def look(self, steps: Sequence[Step]) -> None:
        """Compare nothing; `live` has what is there. Raises StackError."""

        async def check(step: Step) -> None:
            if live := await self._kube.find(step.entry):
                self.live[step.entry.key] = live

        await self._each([steps], check)

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

    async def _differs(self, step: Step) -> bool:
        """Whether the object has to be written. Raises what the API server refuses."""
        key = step.entry.key
        live: Object | None = None
        if step.ignored or self._memory.knows(key, step.manifest):
            live = await self._kube.find(step.entry)
            if live and self._memory.knows(key, step.manifest) and self._memory.matches(key, live):
                self.live[key] = live
                return False
        try:
            wanted, is_new = await self._dry_run(_with_ignored(step, live))
        except KubeInvalid as e:
            if _NO_DRY_RUN in str(e):
                # NB: some admission webhooks have none; then writing is comparing.
                if live := live or await self._kube.find(step.entry):
                    self._check_owner(step, live)
                    self._before[key] = live
                return True
            if await replace.is_possible(self._kube, step, e, agent_id=self._agent_id):
                self._note_renewal(key, "")
                return True
            raise
        live = None if is_new else live or await self._kube.find(step.entry)
        self._note_renewal(key, live["metadata"]["uid"] if live else "")
        if live is None:
            return True
        self._check_owner(step, live)
        if step.rank == ordering.NAMESPACE and "deletionTimestamp" in live["metadata"]:
            text = f"{step}: is being deleted; applied once it is gone"
            raise StackError(text, reason=Reason.APPLY_FAILED, stalled=False)
        self.live[key] = self._before[key] = live
        if comparable(live) != comparable(wanted):
            return True
        self._memory.note(key, live, step.manifest)
        return False

    def _note_renewal(self, key: Key, uid: str) -> None:
        if self._known_uids.get(key, uid) != uid:
            self._renewed.add(key)

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
        key = step.entry.key
        before = self._before.get(key)
        if step.ignored:
            before = await self._kube.find(step.entry)
        try:
            live, is_new = await self._kube.apply(_with_ignored(step, before).manifest)
        except KubeInvalid as e:
            if not await replace.is_possible(self._kube, step, e, agent_id=self._agent_id):
                raise
            live, is_new = await replace.replace(self._kube, step, agent_id=self._agent_id)
        self.live[key] = live
        self._memory.note(key, live, step.manifest)
        if before is None or _version(before) != _version(live):
            self.written.append(key)
        if is_new and step.rank == ordering.NAMESPACE:
            self.created_namespaces.append(objects.entry_of(live))

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

    async def _dry_run(self, step: Step) -> tuple[Object, bool]:
        """Patiently: a definition is served a moment after it says it is."""
        for delay in (0.05, 0.1, 0.2, 0.5, 1.0):
            try:
                return await self._kube.apply(step.manifest, dry_run=True)
            except (KubeNotFound, UnknownKind):
                await asyncio.sleep(delay)
        return await self._kube.apply(step.manifest, dry_run=True)


def comparable(obj: Object) -> dict[str, Any]:
    """An object without what changes by looking at it, and without its status."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _VOLATILE}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


def _with_ignored(step: Step, live: Object | None) -> Step:
    if not step.ignored or live is None:
        return step
    return msgspec.structs.replace(step, manifest=ignore.adopt(step.manifest, live, step.ignored))


def _version(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]


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
    if isinstance(e, KubeInvalid) and replace.is_immutable(e):
        text += f' (annotate the object {names.REPLACE_ANNOTATION}: "true" to have it made anew)'
    return StackError(f"{step}: {text}", reason=reason, stalled=stalled)
