"""Remove objects that a stack does not want any more, and nothing else.

Every removal is decided on the live object, and the API server is told to delete exactly that
object in exactly that state.
"""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.discovery import Kind
from brokkr_operator.errors import KubeConflict, KubeError, KubeNotFound, UnknownKind
from brokkr_operator.reconcile import ordering
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.objects import Entry, Key, Object

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_CONCURRENCY = 16
_BY_CONTROLLERS = {"Event", "Endpoints", "EndpointSlice", "PodMetrics", "ControllerRevision"}
_PROTECTED = {"default", "kube-system", "kube-public", "kube-node-lease"}
_BY_CLUSTER = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


class Owner(msgspec.Struct, frozen=True):
    """In whose name objects are removed."""

    agent_id: str
    stack_id: str


class Pruned(msgspec.Struct, frozen=True):
    """What failed (to be tried again), what was left on purpose, and what was removed."""

    failed: list[tuple[Entry, str]]
    kept: list[str]
    removed: list[Key]


def refusal(live: Object, entry: Entry, owner: Owner) -> str | None:
    """Why an object must not be removed, or None where it may."""
    metadata = live["metadata"]
    if metadata.get("ownerReferences"):
        return "has an owner in the cluster"
    if entry.key.kind == "Namespace" and metadata["name"] in _PROTECTED:
        return "is the cluster's own"
    if objects.annotation(live, names.OWNER_ANNOTATION) != owner.agent_id:
        return "belongs to somebody else"
    if objects.label(live, names.STACK_LABEL) != owner.stack_id:
        return "belongs to another stack"
    if not objects.is_applied(live, names.FIELD_MANAGER):
        return "was never applied by an agent"
    if entry.uid and metadata["uid"] != entry.uid:
        return "was made anew by somebody else"
    if objects.annotation(live, names.PRUNE_ANNOTATION) == "disabled":
        return f"is annotated {names.PRUNE_ANNOTATION}: disabled"
    return None


async def prune(
    kube: Kube, entries: Sequence[Entry], owner: Owner, *, wanted: Sequence[Entry] = ()
) -> Pruned:
    """Remove entries, which come in the order of removal; those of one rank together.

    `wanted` is what the stack still has: a namespace or a definition under it stays as well.
    """
    failed: list[tuple[Entry, str]] = []
    kept: list[str] = []
    removed: list[Key] = []
    limit = asyncio.Semaphore(_CONCURRENCY)
    still = frozenset(entry.key for entry in wanted)

    async def one(entry: Entry) -> None:
        async with limit:
            try:
                reason = await remove(kube, entry, owner, wanted=still)
            except KubeError as e:
                failed.append((entry, str(e)))
                return
        if reason:
            kept.append(f"{entry.key} {reason}")
        else:
            removed.append(entry.key)

    for rank in sorted({_rank(entry) for entry in entries}, reverse=True):
        group = [entry for entry in entries if _rank(entry) == rank]
        if failed and rank <= ordering.DEFINITION:
            failed += [(entry, "waits for its contents") for entry in group]
        else:
            await asyncio.gather(*map(one, group))
    return Pruned(failed, sorted(kept), removed)


async def remove(
    kube: Kube, entry: Entry, owner: Owner, *, wanted: frozenset[Key] = frozenset()
) -> str | None:
    """Remove one object, or say why it stays. Raises KubeError."""
    for _ in range(_ATTEMPTS):
        live = await kube.find(entry)
        if live is None or "deletionTimestamp" in live["metadata"]:
            return None
        reason = refusal(live, entry, owner) or await _contents(kube, live, owner, wanted)
        if reason:
            return reason
        try:
            await kube.delete(live)
        except KubeConflict:
            continue  # it changed under our hands: look again
        logger.info("removed", extra={"object": str(entry.key), "stack": owner.stack_id})
        return None
    raise KubeConflict(f"{entry.key} keeps changing")


async def _contents(kube: Kube, live: Object, owner: Owner, wanted: frozenset[Key]) -> str | None:
    """What would go down with a namespace or a definition, and must not."""
    namespace = ""
    if live["kind"] == "Namespace" and live["apiVersion"] == "v1":
        namespace = live["metadata"]["name"]
        every = await kube.discovery.every()
        kinds = [k for k in every if k.namespaced and k.kind not in _BY_CONTROLLERS]
    elif live["kind"] == "CustomResourceDefinition":
        kinds = _defined(live["spec"])
    else:
        return None
    for kind in kinds:
        try:
            async for item in kube.list_(kind, namespace=namespace):
                if await _blocks(kube, item, owner, wanted):
                    return f"still holds {objects.key_of(item)}"
        except KubeNotFound:
            continue  # its definition went meanwhile, and its objects with it
    return None


def _defined(spec: Object) -> list[Kind]:
    """The kind behind a definition; all its versions show the same objects."""
    served = next((v["name"] for v in spec["versions"] if v.get("served")), None)
    if served is None:
        return []
    names_ = spec["names"]
    namespaced = spec["scope"] == "Namespaced"
    version = f"{spec['group']}/{served}"
    return [Kind(version, names_["kind"], names_["plural"], namespaced, frozenset())]


async def _blocks(kube: Kube, item: Object, owner: Owner, wanted: frozenset[Key]) -> bool:
    metadata = item["metadata"]
    if (item["kind"], metadata["name"]) in _BY_CLUSTER:
        return False
    for reference in metadata.get("ownerReferences") or ():
        # Its owner lives (or lived) beside it and is judged itself. A cluster-scoped one does not.
        try:
            kind = await kube.discovery.find(reference["apiVersion"], reference["kind"])
        except UnknownKind:
            return True
        return not kind.namespaced
    ours = (
        objects.annotation(item, names.OWNER_ANNOTATION) == owner.agent_id
        and objects.label(item, names.STACK_LABEL) == owner.stack_id
        and objects.is_applied(item, names.FIELD_MANAGER)
    )
    if not ours or objects.annotation(item, names.PRUNE_ANNOTATION) == "disabled":
        return True
    return objects.key_of(item) in wanted


def _rank(entry: Entry) -> int:
    return ordering.rank(entry.key.group, entry.key.kind)
