"""The story of one stack: read, plan, intend, apply, prune, judge, write down."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from brokkr_common import manifests
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, KubeNotFound, PayloadMissing, StackError, UnknownKind
from brokkr_operator.observe import readiness
from brokkr_operator.reconcile import announce, inventory, outcome, plan, prune, recovery
from brokkr_operator.reconcile.apply import Pass
from brokkr_operator.reconcile.outcome import Done, Failed, Outcome, Pause
from brokkr_operator.reconcile.plan import Step
from brokkr_operator.reconcile.prune import Owner
from brokkr_operator.resources import brokkrstack, names, objects, payload
from brokkr_operator.resources.brokkrstack import BrokkrStack, Status
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Object

logger = logging.getLogger(__name__)


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass
class Reconciler:
    """Handles and settings, and nothing that a restart could lose."""

    kube: Kube
    agent_id: str
    namespace: str
    concurrency: int
    limits: manifests.Limits = field(
        default_factory=lambda: manifests.Limits(bytes=payload.MAX_TEXT_BYTES)
    )
    now: Callable[[], datetime] = _utcnow

    async def reconcile(self, name: str) -> tuple[BrokkrStack, Outcome] | None:
        """Bring one stack to its desired state. None where there is nothing (of ours) to do.

        Raises KubeError where its status could not be written.
        """
        body = await self._find(name)
        if body is None:
            return None
        stack = brokkrstack.load(body)
        if stack.agent_id != self.agent_id or stack.deleting:
            return None
        try:
            result = await self._bring(stack)
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

    async def check_health(self, name: str) -> tuple[BrokkrStack, Outcome] | None:
        """A light pass: look at the objects, touch none."""
        body = await self._find(name)
        if body is None:
            return None
        stack = brokkrstack.load(body)
        if stack.absent or not stack.observed or stack.inventory is None:
            return None
        live: list[Object] = []
        for entry in stack.inventory:
            if readiness.changes(entry.key.group, entry.key.kind):
                found = await self.kube.find(entry)
                if found is None:
                    return await self.reconcile(name)
                live.append(found)
        verdict = _judge(live)
        new = {**stack.status, "health": outcome.health(verdict)}
        await self._patch(stack, new)
        return stack, Done(stack.inventory, verdict)

    async def _bring(self, stack: BrokkrStack) -> Outcome:
        if stack.suspend:
            return Pause(Reason.SUSPENDED, "Suspended: the agent leaves this stack alone")
        if not stack.targeted:
            return Pause(Reason.NOT_TARGETED, "Not targeted any more; its objects are kept")
        if stack.absent:
            return await self._take_away(stack)
        steps = await self._plan(stack)
        old = stack.inventory or ()
        intended = inventory.intend(old, [step.entry for step in steps])
        if stack.inventory is None or len(intended) > len(old):
            await self._write_intent(stack, intended)
        work = Pass(self.kube, agent_id=self.agent_id, concurrency=self.concurrency)
        try:
            await work.run(steps)
        except StackError as e:
            if e.stalled:
                await self._tidy_up(stack, work)
            done = inventory.settle(map(objects.entry_of, work.live.values()), intended)
            return Failed(Reason(e.reason), str(e), e.stalled, inventory=done)
        if work.met - {entry.key for entry in old if entry.uid}:
            intended = await self._recover(stack, intended)
        return await self._prune(stack, steps, work, intended)

    async def _plan(self, stack: BrokkrStack) -> list[Step]:
        documents = await self._documents(stack)
        scopes = plan.scopes_in(documents)
        steps = []
        for number, manifest in enumerate(documents, start=1):
            namespaced = await self._namespaced(number, manifest, scopes)
            steps.append(
                plan.step(
                    number, manifest, namespaced=namespaced, stack=stack, agent_id=self.agent_id
                )
            )
        plan.check_unique(steps)
        return steps

    async def _documents(self, stack: BrokkrStack) -> list[Object]:
        kind = await self.kube.discovery.find("v1", "Secret")
        pieces = []
        for name in stack.secrets:
            secret = await self.kube.find_in(kind, self.namespace, name)
            if secret is None:
                raise PayloadMissing(f"waiting for the YAML (Secret {self.namespace}/{name})")
            pieces.append(payload.piece(secret))
        text = payload.join(pieces)
        if manifests.checksum(text) != stack.checksum:
            raise PayloadMissing("waiting for the YAML (what is here has another checksum)")
        try:
            # NB: in a thread, so that a large text does not keep the event loop from its probes.
            return await asyncio.to_thread(manifests.parse, text, limits=self.limits)
        except manifests.ManifestError as e:
            raise StackError(str(e), reason=Reason.INVALID_MANIFEST, stalled=True) from e

    async def _namespaced(
        self, number: int, manifest: Object, scopes: dict[tuple[str, str], bool]
    ) -> bool:
        group, _ = objects.split_api_version(manifest["apiVersion"])
        defined_here = scopes.get((group, manifest["kind"]))
        if defined_here is not None:
            return defined_here
        try:
            kind = await self.kube.discovery.find(manifest["apiVersion"], manifest["kind"])
        except UnknownKind as e:
            name = manifest["metadata"]["name"]
            raise StackError(
                f"document {number} ({manifest['kind']} {name}): {e}",
                reason=Reason.UNKNOWN_KIND,
                stalled=True,
            ) from e
        return kind.namespaced

    async def _prune(
        self, stack: BrokkrStack, steps: Sequence[Step], work: Pass, known: Sequence[Entry]
    ) -> Outcome:
        planned = [step.entry for step in steps]
        gone = inventory.to_prune(known, planned)
        pruned = await prune.prune(self.kube, gone, self._owner(stack), wanted=planned)
        live = list(work.live.values())
        left = [entry for entry, _ in pruned.failed]
        settled = inventory.settle(map(objects.entry_of, live), left)
        if pruned.failed:
            return self._prune_failed(pruned, settled)
        return Done(settled, _judge(live), pruned.kept)

    async def _take_away(self, stack: BrokkrStack) -> Outcome:
        known = stack.inventory
        owner = self._owner(stack)
        if known is None:
            known = tuple(await recovery.scan(self.kube, owner))
            await self._write_intent(stack, known)
        pruned = await prune.prune(self.kube, inventory.to_prune(known, ()), owner)
        if pruned.failed:
            return self._prune_failed(pruned, [entry for entry, _ in pruned.failed])
        return Done((), readiness.Verdict(readiness.Health.HEALTHY), pruned.kept)

    def _prune_failed(self, pruned: prune.Pruned, left: Sequence[Entry]) -> Failed:
        entry, reason = pruned.failed[0]
        text = f"{entry.key} could not be removed: {reason}"
        return Failed(Reason.PRUNE_FAILED, text, stalled=False, inventory=left)

    async def _recover(self, stack: BrokkrStack, intended: Sequence[Entry]) -> list[Entry]:
        """Objects of ours were here that the inventory does not know: it has been lost."""
        found = await recovery.scan(self.kube, self._owner(stack))
        logger.info("inventory recovered", extra={"stack": stack.stack_name, "objects": len(found)})
        return inventory.intend(intended, found)

    async def _tidy_up(self, stack: BrokkrStack, work: Pass) -> None:
        """A pass that can never succeed takes back the namespaces it made, while they are empty."""
        made = await prune.prune(self.kube, work.created_namespaces, self._owner(stack))
        for text in [*made.kept, *(f"{e.key}: {reason}" for e, reason in made.failed)]:
            logger.info("namespace of a failed pass stays", extra={"reason": text})

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
        if "health" in changed:
            old = stack.status.get("health") or {}
            if {"message": None, **old} == changed["health"]:
                del changed["health"]
        if "report" in changed:  # NB: `delivered` is the reporter's to write
            changed["report"] = {"outbox": new["report"]["outbox"]}
        if not changed:
            return
        kind = await self.kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        try:
            await self.kube.merge(kind, stack.name, {"status": changed}, subresource="status")
        except KubeNotFound:
            return  # deleted meanwhile, by hand; its objects stay


def _judge(live: Sequence[Object]) -> readiness.Verdict:
    named = ((str(objects.key_of(o)), readiness.judge(o)) for o in live)
    return readiness.summarize(named)


def _only_waits(result: Outcome) -> bool:
    return isinstance(result, Failed) and result.reason is Reason.PROGRESSING
