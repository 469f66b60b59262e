"""Delete an object and make it anew, where nothing else can bring a change of immutable fields."""

import asyncio
import logging

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeError, KubeInvalid, KubeUnavailable
from brokkr_operator.reconcile.plan import Step
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.objects import Object

logger = logging.getLogger(__name__)

_GONE_SECONDS = 60


async def is_possible(kube: Kube, step: Step, refused: KubeInvalid, *, agent_id: str) -> bool:
    """Only immutable fields stand in the way, the object is ours to make anew, and it could be."""
    live = await kube.find(step.entry)
    if live is None or not is_immutable(refused) or not _may_go(step, live, agent_id):
        return False
    return await _could_be_made(kube, step)


async def replace(kube: Kube, step: Step, *, agent_id: str) -> tuple[Object, bool]:
    """Raises KubeConflict where the object changed hands since it was looked at."""
    live = await kube.find(step.entry)
    if live is not None:
        if not _may_go(step, live, agent_id):
            raise KubeConflict("is not ours to make anew any more", status=409)
        logger.info("made anew", extra={"object": str(step.entry.key)})
        await kube.delete(live)
        await _wait_gone(kube, step, live)
    return await kube.apply(step.manifest)


def is_immutable(e: KubeInvalid) -> bool:
    """Every cause that the API server gives is an immutable field."""
    causes = e.details.get("causes") or [{"message": str(e)}]
    return all("immutable" in (cause.get("message") or "") for cause in causes)


def _may_go(step: Step, live: Object, agent_id: str) -> bool:
    """It is this stack's, and somebody said that it may be made anew, or it is a finished Job."""
    finished = step.entry.key.kind == "Job" and _is_finished(live)
    if not finished and objects.annotation(step.manifest, names.REPLACE_ANNOTATION) != "true":
        return False
    same_stack = objects.label(live, names.STACK_LABEL) == objects.label(
        step.manifest, names.STACK_LABEL
    )
    ours = objects.annotation(live, names.OWNER_ANNOTATION) == agent_id
    return same_stack and ours and objects.is_applied(live, names.FIELD_MANAGER)


async def _could_be_made(kube: Kube, step: Step) -> bool:
    """Whether the API server takes the manifest as a new object (of another name).

    NB: nothing is deleted for a successor that would then be refused.
    """
    metadata = {**step.manifest["metadata"], "name": f"{step.entry.key.name[:50]}-brokkr"}
    try:
        await kube.apply({**step.manifest, "metadata": metadata}, dry_run=True)
    except KubeError:
        return False
    return True


async def _wait_gone(kube: Kube, step: Step, live: Object) -> None:
    try:
        async with asyncio.timeout(_GONE_SECONDS):
            while (left := await kube.find(step.entry)) is not None:
                if left["metadata"]["uid"] != live["metadata"]["uid"]:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise KubeUnavailable(f"not gone {_GONE_SECONDS} s after its deletion") from None


def _is_finished(job: Object) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
