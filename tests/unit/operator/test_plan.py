"""Manifests to steps, and inventories to what is pruned."""

import pytest

from brokkr_operator.errors import PayloadMissing, StackError
from brokkr_operator.reconcile import inventory, plan, prune
from brokkr_operator.reconcile.prune import Owner
from brokkr_operator.resources import names, payload
from brokkr_operator.resources.objects import Entry, Key
from support.stacks import stack

STACK = stack()


def _manifest(kind: str, name: str, api_version: str = "v1", **metadata: object) -> plan.Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


def _steps(*manifests: plan.Object) -> list[plan.Step]:
    return [
        plan.step(n, m, namespaced=m["kind"] != "Namespace", marks=plan.of_stack(STACK, "agent"))
        for n, m in enumerate(manifests, start=1)
    ]


def test_ranks_put_everything_after_what_it_needs() -> None:
    kinds = [
        ("Gadget", "example.com/v1"), ("Job", "batch/v1"), ("Deployment", "apps/v1"),
        ("Service", "v1"), ("RoleBinding", "rbac.authorization.k8s.io/v1"),
        ("Role", "rbac.authorization.k8s.io/v1"), ("ConfigMap", "v1"),
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1"), ("Namespace", "v1"),
        ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
    ]  # fmt: skip
    steps = _steps(*(_manifest(kind, "x", version) for kind, version in kinds))
    order = [s.entry.key.kind for group in plan.by_rank(steps) for s in group]
    assert order == [
        "Namespace", "CustomResourceDefinition", "ConfigMap", "Role", "RoleBinding", "Service",
        "Deployment", "Job", "Gadget", "ValidatingWebhookConfiguration",
    ]  # fmt: skip


def test_marks_are_merged_and_foreign_metadata_goes() -> None:
    manifest = _manifest(
        "ConfigMap", "a", labels={"mine": "1"}, annotations={"note": "2"}, uid="x",
        resourceVersion="3", managedFields=[], creationTimestamp=None,
    )  # fmt: skip
    [step] = _steps(manifest)
    metadata = step.manifest["metadata"]
    assert metadata.keys() == {"name", "namespace", "labels", "annotations"}
    assert metadata["namespace"] == "default"
    assert metadata["labels"]["mine"] == "1"
    assert metadata["labels"][names.STACK_LABEL] == "stack"
    assert metadata["annotations"]["note"] == "2"
    assert metadata["annotations"][names.OWNER_ANNOTATION] == "agent"
    assert manifest["metadata"]["uid"] == "x", "the given manifest is not changed"


def test_one_object_twice_is_refused_with_both_documents() -> None:
    steps = _steps(_manifest("ConfigMap", "a"), _manifest("ConfigMap", "a", namespace="default"))
    with pytest.raises(StackError, match=r"document 2 .* is in document 1 already"):
        plan.check_unique(steps)


def test_scopes_of_kinds_that_the_bundle_defines() -> None:
    definition = _manifest("CustomResourceDefinition", "x")
    definition["spec"] = {"group": "g", "scope": "Namespaced", "names": {"kind": "K"}}
    assert plan.scopes_in([definition]) == {("g", "K"): True}


def _entry(name: str, kind: str = "ConfigMap", uid: str = "") -> Entry:
    return Entry(Key("", kind, "" if kind == "Namespace" else "default", name), "v1", uid)


def test_pruning_is_old_minus_new_backwards() -> None:
    old = [_entry("n", "Namespace", "1"), _entry("a", uid="2"), _entry("b", uid="3")]
    gone = inventory.to_prune(old, [_entry("a")])
    assert [e.key.name for e in gone] == ["b", "n"]


def test_intent_forgets_nothing_and_keeps_uids() -> None:
    old = [_entry("a", uid="1"), _entry("b", uid="2")]
    assert inventory.intend(old, [_entry("b"), _entry("c")]) == [*old, _entry("c")]


def test_what_could_not_be_removed_is_kept_in_mind() -> None:
    assert inventory.settle([_entry("a", uid="9")], [_entry("b", uid="2")]) == [
        _entry("a", uid="9"),
        _entry("b", uid="2"),
    ]


def _live(**changes: object) -> plan.Object:
    metadata = {
        "name": "a",
        "uid": "1",
        "labels": {names.STACK_LABEL: "stack"},
        "annotations": {names.OWNER_ANNOTATION: "agent"},
        "managedFields": [{"manager": names.FIELD_MANAGER, "operation": "Apply"}],
        **changes,
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (_live(), None),
        (_live(ownerReferences=[{"uid": "x"}]), "has an owner in the cluster"),
        (_live(annotations={names.OWNER_ANNOTATION: "other"}), "belongs to somebody else"),
        (_live(annotations=None), "belongs to somebody else"),
        (_live(labels={names.STACK_LABEL: "other"}), "belongs to another stack"),
        (_live(labels={}), "belongs to another stack"),
        (_live(managedFields=[{"manager": "kubectl"}]), "was never applied by an agent"),
        (_live(uid="2"), "was made anew by somebody else"),
        (
            _live(
                annotations={names.OWNER_ANNOTATION: "agent", names.PRUNE_ANNOTATION: "disabled"}
            ),
            "is annotated brokkr.io/prune: disabled",
        ),
    ],
)
def test_what_is_never_removed(live: plan.Object, reason: str | None) -> None:
    assert prune.refusal(live, _entry("a", uid="1"), Owner("agent", "stack")) == reason


def test_the_clusters_own_namespaces_are_never_removed() -> None:
    live = _live(name="kube-system")
    entry = _entry("kube-system", "Namespace", "1")
    assert prune.refusal(live, entry, Owner("agent", "stack")) == "is the cluster's own"


def test_a_payload_comes_back_as_it_was() -> None:
    text = "ä" * 3_000_000
    pieces = payload.split(text)
    assert payload.split(text) == pieces, "the same text gives the same Secrets"
    assert payload.join(pieces) == text
    random = "".join(chr(33 + (i * i * 7919 + i // 3) % 90) for i in range(3_000_000))
    assert all(len(p) <= payload.PIECE_BYTES for p in payload.split(random))


@pytest.mark.parametrize("pieces", [[], [b"x"], [payload.split("text")[0][:-3]]])
def test_a_damaged_payload_is_missing(pieces: list[bytes]) -> None:
    with pytest.raises(PayloadMissing):
        payload.join(pieces)
