"""Kubernetes Events for people: one for every transition, none for a pass that changed nothing."""

import logging
from datetime import datetime

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError
from brokkr_operator.resources import brokkrstack, conditions, names
from brokkr_operator.resources.brokkrstack import BrokkrStack, Status
from brokkr_operator.resources.objects import Object

logger = logging.getLogger(__name__)

_NAMESPACE = "default"  # where Kubernetes keeps the Events of cluster-scoped objects


async def transition(kube: Kube, stack: BrokkrStack, new: Status, *, now: datetime) -> None:
    """Best effort: an Event that cannot be written is not worth a retry."""
    event = describe(stack, new, now=now)
    if event is None:
        return
    try:
        await kube.create(event)
    except KubeError as e:
        logger.debug("event not written", extra={"reason": str(e)})


def describe(stack: BrokkrStack, new: Status, *, now: datetime) -> Object | None:
    """The Event between two statuses, or None where nothing changed for a reader."""
    before = conditions.find(stack.status.get("conditions") or [], "Ready") or {}
    after = conditions.find(new.get("conditions") or [], "Ready") or {}
    same = all(before.get(field) == after.get(field) for field in ("status", "reason", "message"))
    if same and stack.status.get("lastAppliedSequence") == new.get("lastAppliedSequence"):
        return None
    moment = conditions.timestamp(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{stack.name}.{int(now.timestamp() * 1e6):x}",
            "namespace": _NAMESPACE,
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": brokkrstack.KIND,
            "name": stack.name,
            "uid": stack.uid,
        },
        "type": "Normal" if after.get("status") == "True" else "Warning",
        "reason": after.get("reason", ""),
        "message": after.get("message", ""),
        "source": {"component": "brokkr-agent"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
