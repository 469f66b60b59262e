"""Manifests to a plan: what to apply, in which order, marked as ours. Pure."""

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from brokkr_operator.errors import StackError
from brokkr_operator.reconcile import ignore, ordering
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key, Object
from brokkr_operator.resources.workorder import WorkOrder

_FOREIGN_METADATA = (
    "creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion",
    "selfLink", "uid",
)  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """One object to apply. `document` counts from 1, in the order of the YAML."""

    document: int
    rank: int
    entry: Entry
    manifest: Object
    ignored: list[ignore.Pointer] = []

    def __str__(self) -> str:
        return f"document {self.document} ({self.entry.key})"


def identify(manifest: Object, *, namespaced: bool) -> Entry:
    """The identity of a manifest in the cluster. Namespaced kinds default to `default`."""
    group, version = objects.split_api_version(manifest["apiVersion"])
    namespace = manifest["metadata"].get("namespace") or "default" if namespaced else ""
    return Entry(Key(group, manifest["kind"], namespace, manifest["metadata"]["name"]), version)


class Marks(msgspec.Struct, frozen=True):
    """What says whose an object is."""

    labels: dict[str, str]
    annotations: dict[str, str]


def of_stack(stack: BrokkrStack, agent_id: str) -> Marks:
    return Marks(
        {names.STACK_LABEL: stack.stack_id, names.OBJECT_LABEL: stack.deployment_object_id},
        {
            names.STACK_LABEL: stack.stack_id,
            names.OWNER_ANNOTATION: agent_id,
            names.CHECKSUM_ANNOTATION: stack.checksum,
        },
    )


def of_order(order: WorkOrder, agent_id: str) -> Marks:
    return Marks(
        {names.WORK_ORDER_LABEL: order.order_id},
        {names.OWNER_ANNOTATION: agent_id, names.ATTEMPT_ANNOTATION: str(order.attempt)},
    )


def step(number: int, manifest: Object, *, namespaced: bool, marks: Marks) -> Step:
    entry = identify(manifest, namespaced=namespaced)
    marked = mark(manifest, entry.key.namespace, marks)
    rank = ordering.rank(entry.key.group, entry.key.kind)
    return Step(number, rank, entry, marked, _ignored(number, entry, manifest))


def _ignored(number: int, entry: Entry, manifest: Object) -> list[ignore.Pointer]:
    try:
        return ignore.pointers(manifest)
    except StackError as e:
        text = f"document {number} ({entry.key}): {e}"
        raise StackError(text, reason=e.reason, stalled=e.stalled) from e


def check_unique(steps: Sequence[Step]) -> None:
    """Raises StackError where two documents are one object."""
    seen: dict[Key, Step] = {}
    for current in steps:
        if first := seen.get(current.entry.key):
            raise StackError(
                f"{current}: is in document {first.document} already",
                reason=Reason.INVALID_MANIFEST,
                stalled=True,
            )
        seen[current.entry.key] = current


def mark(manifest: Object, namespace: str, marks: Marks) -> Object:
    """A copy that says whose it is. The manifest's own labels and annotations stay."""
    marked = copy.copy(manifest)
    marked.pop("status", None)
    metadata = {k: v for k, v in manifest["metadata"].items() if k not in _FOREIGN_METADATA}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **marks.labels}
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        **marks.annotations,
        names.LAST_CONFIG_ANNOTATION: fingerprint(manifest),
    }
    marked["metadata"] = metadata
    return marked


def fingerprint(manifest: Object) -> str:
    """SHA-256 of the manifest's canonical JSON: says whether the configuration itself changed."""
    return hashlib.sha256(msgspec.json.encode(manifest, order="sorted")).hexdigest()


def by_rank(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps grouped by rank, the lowest first."""
    groups: dict[int, list[Step]] = {}
    for current in steps:
        groups.setdefault(current.rank, []).append(current)
    return [groups[rank] for rank in sorted(groups)]


def scopes_in(manifests: Sequence[Object]) -> dict[tuple[str, str], bool]:
    """Group and kind to `namespaced`, for the kinds that the bundle itself defines."""
    scopes: dict[tuple[str, str], bool] = {}
    for manifest in manifests:
        if manifest["kind"] == "CustomResourceDefinition":
            spec: Any = manifest.get("spec") or {}
            kind = (spec.get("names") or {}).get("kind", "")
            scopes[spec.get("group", ""), kind] = spec.get("scope") == "Namespaced"
    return scopes
