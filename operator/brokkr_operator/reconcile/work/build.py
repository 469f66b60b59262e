"""`build`: a Shipwright Build, run once, to the digest of its image. Source: seed 003, builds."""

from typing import Any

from brokkr_operator.errors import StackError
from brokkr_operator.observe.readiness import Health
from brokkr_operator.reconcile.work import custom
from brokkr_operator.reconcile.work.work import Work
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Object
from brokkr_operator.resources.workorder import Result, WorkOrder

API_VERSION = "shipwright.io/v1beta1"


async def run(work: Work) -> Result:
    """Raises StackError, KubeError."""
    documents, name, namespace = _documents(work.documents)
    applied = await work.apply([*documents, _build_run(work.order, name, namespace)])
    run = next(e for e in applied if e.key.kind == "BuildRun")

    async def look() -> Result | None:
        live = await work.kube.find(run)
        if live is None or live["metadata"]["uid"] != run.uid:
            return Result(False, f"{run.key} is gone", retryable=False)
        verdict = custom.succeeded(live)
        if verdict.health is Health.FAILING:
            return await custom.failed(work, [run], f"{run.key}: {verdict.message}")
        if verdict.health is not Health.HEALTHY:
            return None
        digest = ((live.get("status") or {}).get("output") or {}).get("digest")
        return Result(True, digest or f"{run.key} succeeded, and names no digest")

    return await work.until(look)


def _documents(documents: list[Object]) -> tuple[list[Object], str, str]:
    """What to apply, and which Build to run: that of a WorkOrder document, or the only one."""
    rest, wanted = [], None
    for document in documents:
        if document["kind"] == "WorkOrder" and document["apiVersion"].startswith(f"{names.GROUP}/"):
            wanted = document
        else:
            rest.append(document)
    builds = [d for d in rest if d["kind"] == "Build" and _group(d) == "shipwright.io"]
    if wanted is not None:
        reference: Any = ((wanted.get("spec") or {}).get("buildRef")) or {}
        name = reference.get("name") if isinstance(reference, dict) else reference
        if not name:
            raise _invalid("the WorkOrder document has no spec.buildRef.name")
        place = (reference.get("namespace") if isinstance(reference, dict) else None) or next(
            (b["metadata"].get("namespace") for b in builds if b["metadata"]["name"] == name), None
        )
        return rest, name, place or wanted["metadata"].get("namespace") or "default"
    if len(builds) != 1:
        raise _invalid(f"a build needs one Build of {API_VERSION}, or a WorkOrder that names one")
    metadata = builds[0]["metadata"]
    return rest, metadata["name"], metadata.get("namespace") or "default"


def _group(document: Object) -> str:
    return objects.split_api_version(document["apiVersion"])[0]


def _build_run(order: WorkOrder, build: str, namespace: str) -> Object:
    name = f"{build}-{order.order_id[:8]}"
    return {
        "apiVersion": API_VERSION,
        "kind": "BuildRun",
        "metadata": {
            "name": name if order.attempt == 1 else f"{name}-{order.attempt}",
            "namespace": namespace,
            "labels": {"shipwright.io/build": build},
        },
        "spec": {"build": {"name": build}},
    }


def _invalid(text: str) -> StackError:
    return StackError(text, reason=Reason.INVALID_MANIFEST, stalled=True)
