"""Kubernetes Events for people: one for every transition, none for a pass that changed nothing.

The same news again is the same Event, counted.
"""

import hashlib
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeError
from brokkr_operator.resources import brokkrstack, conditions, names
from brokkr_operator.resources.brokkrstack import BrokkrStack, Status
from brokkr_operator.resources.objects import Object

logger = logging.getLogger(__name__)

_NAMESPACE = "default"  # where Kubernetes keeps the Events of cluster-scoped objects


async def transition(kube: Kube, stack: BrokkrStack, new: Status, *, now: datetime) -> None:
    """Best effort: an Event that cannot be written is not worth a retry."""
    for event in describe(stack, new, now=now):
        try:
            await _write(kube, event)
        except KubeError as e:
            logger.debug("event not written", extra={"reason": str(e)})


async def _write(kube: Kube, event: Object) -> None:
    try:
        await kube.create(event)
    except KubeConflict:
        kind = await kube.discovery.find("v1", "Event")
        name = event["metadata"]["name"]
        known = await kube.find_in(kind, _NAMESPACE, name)
        again = {
            "count": (known or {}).get("count", 0) + 1,
            "lastTimestamp": event["lastTimestamp"],
        }
        await kube.merge(kind, name, again, namespace=_NAMESPACE)


def describe(stack: BrokkrStack, new: Status, *, now: datetime) -> Iterator[Object]:
    """The Events between two statuses: what a reader would call news."""
    before = conditions.find(stack.status.get("conditions") or [], "Ready") or {}
    after = conditions.find(new.get("conditions") or [], "Ready") or {}
    same = all(before.get(field) == after.get(field) for field in ("status", "reason", "message"))
    if not same or stack.status.get("lastAppliedSequence") != new.get("lastAppliedSequence"):
        kind = "Normal" if after.get("status") == "True" else "Warning"
        text = after.get("message", "")
        if after.get("status") == "True":
            text = f"Version {new.get('lastAppliedSequence')}: {text}"
        yield _event(stack, kind, after.get("reason", ""), text, now)
    drift: dict[str, Any] = new.get("drift") or {}
    if drift.get("count", 0) > (stack.status.get("drift") or {}).get("count", 0):
        found = ", ".join(drift["objects"])
        if drift.get("differing"):
            yield _event(stack, "Warning", "DriftFound", f"Changed by others: {found}", now)
        else:
            text = f"Changed by others, and put back: {found}"
            yield _event(stack, "Normal", "DriftCorrected", text, now)


def _event(stack: BrokkrStack, kind: str, reason: str, message: str, now: datetime) -> Object:
    moment = conditions.timestamp(now)
    same = hashlib.sha256(f"{stack.uid}/{reason}/{message}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{stack.name}.{same}", "namespace": _NAMESPACE},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": brokkrstack.KIND,
            "name": stack.name,
            "uid": stack.uid,
        },
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": "brokkr-agent"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
