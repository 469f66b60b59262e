"""The story of one stack: read, plan, intend, apply, prune, judge, write down."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, KubeNotFound, PayloadMissing, StackError, UnknownKind
from brokkr_operator.observe import assessment
from brokkr_operator.observe.pods import Pods
from brokkr_operator.reconcile import announce, inventory, outcome, prune, recovery
from brokkr_operator.reconcile.apply import Pass
from brokkr_operator.reconcile.claims import Claims, Moves
from brokkr_operator.reconcile.memory import Memory
from brokkr_operator.reconcile.outcome import Done, Failed, Outcome, Pause
from brokkr_operator.reconcile.plan import Step
from brokkr_operator.reconcile.prune import Owner
from brokkr_operator.reconcile.source import Source
from brokkr_operator.resources import brokkrstack, names, objects
from brokkr_operator.resources.brokkrstack import BrokkrStack, Status
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key, Object

logger = logging.getLogger(__name__)

Drift = Literal["correct", "report", "off"]


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass
class Reconciler:
    """Handles and settings, and nothing that a restart may not lose.

    `complete` says whether the whole target state is in the cluster's resources; until then
    nothing is removed, since what one stack lets go another may have been given.

    `unproven` has, by stack, the namespaces of versions that were never applied as a whole. Should
    one turn out to be refused for good, they go; after a restart they stay until the next version.
    """

    kube: Kube
    source: Source
    claims: Claims
    pods: Pods
    agent_id: str
    concurrency: int
    complete: Callable[[], Awaitable[bool]]
    drift: Drift = "correct"
    memory: Memory = field(default_factory=Memory)
    unproven: dict[str, list[Entry]] = field(default_factory=dict)
    now: Callable[[], datetime] = _utcnow

    async def reconcile(
        self, name: str, *, only: frozenset[Key] | None = None
    ) -> tuple[BrokkrStack, Outcome] | None:
        """Bring one stack to its desired state. None where there is nothing (of ours) to do.

        `only` limits the pass to objects of a settled stack that somebody else has touched.
        Raises KubeError where its status could not be written.
        """
        body = await self._find(name)
        if body is None:
            return None
        stack = brokkrstack.load(body)
        if stack.agent_id != self.agent_id or stack.deleting:
            return None
        try:
            result = await self._bring(stack, only if stack.settled else None)
        except (StackError, KubeError, PayloadMissing) as e:
            result = outcome.of_error(e)
        except Exception as e:
            logger.exception("a bug met a stack", extra={"stack": stack.stack_name})
            result = outcome.of_error(e)
        if _only_waits(result) and not stack.status:
            return stack, result  # a new stack whose YAML is on its way: nothing to tell yet
        body = await self._find(name)
        if body is None:
            return None
        return await self._write_down(brokkrstack.load(body), stack, result)

    async def check_health(
        self, name: str, *, mend: bool = True
    ) -> tuple[BrokkrStack, Outcome] | None:
        """A light pass: look at the objects, touch none, but to `mend` what is missing.

        While the wanted version cannot be applied, it is the older one's health.
        """
        body = await self._find(name)
        if body is None:
            return None
        stack = brokkrstack.load(body)
        if stack.absent or not stack.observed or stack.inventory is None:
            return None
        if stack.applied_sequence is None and not mend:
            return None
        here = [entry for entry in stack.inventory if mend or entry.uid]
        report = await assessment.assess(self.kube, self.pods, here, {})
        if mend and report.missing and self.drift == "correct":
            return await self.reconcile(name)
        await self._patch(stack, {**stack.status, "health": report.dump()})
        return stack, Done(stack.inventory, report)

    async def is_gone(self, stack: BrokkrStack) -> bool:
        """Whether this resource is there no more."""
        body = await self._find(stack.name)
        return body is None or body["metadata"]["uid"] != stack.uid

    async def _bring(self, stack: BrokkrStack, only: frozenset[Key] | None) -> Outcome:
        if stack.suspend:
            return Pause(Reason.SUSPENDED, "Suspended: the agent leaves this stack alone")
        if not stack.targeted:
            return Pause(Reason.NOT_TARGETED, "Not targeted any more; its objects are kept")
        if stack.absent:
            return await self._take_away(stack)
        steps = await self.source.steps(stack, remembered=only is not None)
        chosen = [s for s in steps if only is None or s.entry.key in only]
        await self.claims.check(stack, chosen)
        old = stack.inventory or ()
        intended = inventory.intend(old, [step.entry for step in steps])

        async def renew(keys: frozenset[Key]) -> None:
            # NB: else a crash would leave objects whose uid is not the known one, and so not ours.
            intended[:] = inventory.without_uids(intended, keys)
            await self._write_intent(stack, intended)

        work = Pass(
            self.kube,
            self.memory,
            agent_id=self.agent_id,
            concurrency=self.concurrency,
            known={entry.key: entry.uid for entry in old if entry.uid},
            intend=renew,
        )
        if stack.settled and self.drift != "correct":
            await (work.compare(chosen) if self.drift == "report" else work.look(chosen))
            return await self._prune(stack, steps, work, old)
        if stack.inventory is None or len(intended) > len(old):
            await self._write_intent(stack, intended)
        return await self._apply(stack, steps, chosen, work, intended)

    async def _apply(
        self,
        stack: BrokkrStack,
        steps: Sequence[Step],
        chosen: Sequence[Step],
        work: Pass,
        intended: list[Entry],
    ) -> Outcome:
        try:
            await work.run(chosen)
        except StackError as e:
            self.unproven.setdefault(stack.stack_id, []).extend(work.created_namespaces)
            gone = await self._tidy_up(stack, intended) if e.stalled else frozenset()
            done = inventory.settle(map(objects.entry_of, work.live.values()), intended)
            left = [entry for entry in done if entry.key not in gone]
            return Failed(Reason(e.reason), str(e), e.stalled, inventory=left)
        self.unproven.pop(stack.stack_id, None)
        if work.met - {entry.key for entry in stack.inventory or () if entry.uid}:
            intended = await self._recover(stack, intended)
        return await self._prune(stack, steps, work, intended)

    async def _prune(
        self, stack: BrokkrStack, steps: Sequence[Step], work: Pass, known: Sequence[Entry]
    ) -> Outcome:
        planned = [step.entry for step in steps]
        gone = inventory.to_prune(known, planned)
        # NB: what was only compared may be somebody else's by now; its entry stays as it was.
        applied = [objects.entry_of(o) for o in work.live.values() if not work.differing]
        moves = await self._moves(stack, gone)
        if moves is None:
            text = "what is gone from the YAML is removed once the whole target state is here"
            left = inventory.settle(applied, known)
            return Failed(Reason.WAITING, text, stalled=False, inventory=left)
        going = [e for e in gone if e.key not in moves.waiting and e.key not in moves.taken]
        leaving = {e.key for e in going} | moves.taken
        staying = [e for e in known if e.key not in leaving]
        pruned = await self._remove(stack, going, planned)
        left = [*staying, *(entry for entry, _ in pruned.failed)]
        settled = inventory.settle(applied, left)
        if pruned.failed:
            return self._prune_failed(pruned, settled)
        report = await assessment.assess(self.kube, self.pods, settled, work.live)
        return Done(
            settled,
            report,
            [*pruned.kept, *_notes(moves.waiting)],
            drifted=tuple(work.written) if stack.settled else (),
            differing=tuple(work.differing),
            waits=bool(moves.waiting),
            removed=bool(pruned.removed),
        )

    async def _take_away(self, stack: BrokkrStack) -> Outcome:
        known = stack.inventory
        if known is None:
            known = tuple(await recovery.scan(self.kube, self._owner(stack)))
            await self._write_intent(stack, known)
        gone = inventory.to_prune(known, ())
        moves = await self._moves(stack, gone)
        if moves is None:
            text = "nothing is removed until the whole target state is here"
            return Failed(Reason.WAITING, text, stalled=False)
        going = [e for e in gone if e.key not in moves.waiting and e.key not in moves.taken]
        pruned = await self._remove(stack, going, ())
        waiting = [e for e in gone if e.key in moves.waiting]
        left = [*waiting, *(entry for entry, _ in pruned.failed)]
        if pruned.failed:
            return self._prune_failed(pruned, left)
        if waiting:
            text = f"kept: {', '.join(_notes(moves.waiting))}"
            return Failed(Reason.WAITING, text, stalled=False, inventory=left)
        return Done((), assessment.NOTHING, pruned.kept, removed=True)

    async def _moves(self, stack: BrokkrStack, gone: Sequence[Entry]) -> Moves | None:
        """What other stacks take over; None while nobody can say what may be removed."""
        if gone and not await self.complete():
            return None
        return await self.claims.moves(stack, gone)

    async def _remove(
        self, stack: BrokkrStack, gone: Sequence[Entry], planned: Sequence[Entry]
    ) -> prune.Pruned:
        pruned = await prune.prune(self.kube, gone, self._owner(stack), wanted=planned)
        for key in pruned.removed:
            self.memory.forget(key)
        return pruned

    def _prune_failed(self, pruned: prune.Pruned, left: Sequence[Entry]) -> Failed:
        entry, reason = pruned.failed[0]
        text = f"{entry.key} could not be removed: {reason}"
        return Failed(Reason.PRUNE_FAILED, text, stalled=False, inventory=left)

    async def _recover(self, stack: BrokkrStack, intended: Sequence[Entry]) -> list[Entry]:
        """Objects of ours were here that the inventory does not know: it has been lost."""
        found = await recovery.scan(self.kube, self._owner(stack))
        logger.info("inventory recovered", extra={"stack": stack.stack_name, "objects": len(found)})
        return inventory.intend(intended, found)

    async def _tidy_up(self, stack: BrokkrStack, known: Sequence[Entry]) -> frozenset[Key]:
        """A version that can never be applied takes back the namespaces it made, if empty.

        Empty is without anything of this stack as well: part of the version may have run for hours.
        Returns those that went. What cannot be removed now is tried again after the next attempt.
        """
        made = self.unproven.pop(stack.stack_id)
        pruned = await self._remove(stack, made, known)
        for text in [*pruned.kept, *(f"{e.key}: {reason}" for e, reason in pruned.failed)]:
            logger.info("namespace of a failed pass stays", extra={"reason": text})
        self.unproven[stack.stack_id] = [entry for entry, _ in pruned.failed]
        return frozenset(pruned.removed)

    def _owner(self, stack: BrokkrStack) -> Owner:
        return Owner(self.agent_id, stack.stack_id)

    async def _find(self, name: str) -> dict[str, Any] | None:
        try:
            kind = await self.kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        except UnknownKind:
            return None  # somebody deleted the definition; sync brings it back
        return await self.kube.find_in(kind, "", name)

    async def _write_intent(self, stack: BrokkrStack, intended: Sequence[Entry]) -> None:
        """Before anything is touched: what is here, and what is about to be."""
        entries = [entry.dump() for entry in intended]
        written = {"inventory": entries, "objects": len(entries)}
        kind = await self.kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        body = await self.kube.merge(kind, stack.name, {"status": written}, subresource="status")
        if body["metadata"]["uid"] != stack.uid:
            raise StackError("made anew meanwhile", reason=Reason.PROGRESSING, stalled=False)

    async def _write_down(
        self, fresh: BrokkrStack, attempted: BrokkrStack, result: Outcome
    ) -> tuple[BrokkrStack, Outcome] | None:
        """Status about the spec that was attempted, on top of the status as it is now."""
        if fresh.uid != attempted.uid:
            return None
        subject = msgspec.structs.replace(
            attempted, status=fresh.status, resource_version=fresh.resource_version
        )
        new = outcome.status(subject, result, now=self.now())
        await self._patch(subject, new)
        await announce.transition(self.kube, subject, new, now=self.now())
        return attempted, result

    async def _patch(self, stack: BrokkrStack, new: Status) -> None:
        changed: Status = {k: v for k, v in new.items() if stack.status.get(k) != v}
        for field_ in ("health", "drift"):
            if field_ in changed:
                changed[field_] = _with_removals(stack.status.get(field_), changed[field_])
        if "report" in changed:  # NB: `delivered` is the reporter's to write
            changed["report"] = {"outbox": new["report"]["outbox"]}
        if not changed:
            return
        kind = await self.kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        try:
            await self.kube.merge(kind, stack.name, {"status": changed}, subresource="status")
        except KubeNotFound:
            return  # deleted meanwhile, by hand; its objects stay


def _with_removals(old: Object | None, new: Object) -> Object:
    """A merge patch removes only what it sets to null."""
    return {**dict.fromkeys(old or {}), **new}


def _notes(waiting: dict[Key, str]) -> list[str]:
    return [f"{key} for stack {name}" for key, name in sorted(waiting.items())]


def _only_waits(result: Outcome) -> bool:
    return isinstance(result, Failed) and result.reason is Reason.PROGRESSING
