"""A typed view of a WorkOrder: one attempt at an order of the broker."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from brokkr_common import manifests
from brokkr_common.wire import work_orders as wire
from brokkr_operator.resources import conditions, names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry

KIND = "WorkOrder"
RUNNING, SUCCEEDED, FAILED, CANCELLED = "Running", "Succeeded", "Failed", "Cancelled"
_ENDS = {SUCCEEDED, FAILED, CANCELLED}


class Result(msgspec.Struct, frozen=True):
    """How an attempt ended, in the words that the broker is told."""

    success: bool
    message: str
    retryable: bool = True


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """`inventory` is None until everything was applied; then nothing is applied again."""

    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    agent_id: str
    order_id: str
    work_type: str
    attempt: int
    timeout_seconds: int
    checksum: str
    cancelled: bool
    secrets: tuple[str, ...]
    inventory: tuple[Entry, ...] | None
    status: dict[str, Any]

    @property
    def phase(self) -> str:
        return self.status.get("phase") or ""

    @property
    def ended(self) -> bool:
        return self.phase in _ENDS

    @property
    def delivered(self) -> bool:
        """Whether the broker has the result, or wants none."""
        return self.phase == CANCELLED or bool((self.status.get("report") or {}).get("delivered"))

    @property
    def result(self) -> Result | None:
        found = self.status.get("result")
        return Result(found["success"], found["message"], found["retryable"]) if found else None

    def moment(self, field: str) -> datetime | None:
        text = self.status.get(field)
        return datetime.fromisoformat(text) if text else None


def resource_name(order: wire.WorkOrder) -> str:
    """Every attempt is a resource of its own."""
    return names.slug(order.work_type, unique=f"{order.id}/{order.attempt}")


def body(order: wire.WorkOrder, agent_id: str, secrets: Sequence[str]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": resource_name(order),
            "labels": {names.WORK_ORDER_LABEL: str(order.id)},
        },
        "spec": {
            "agentId": agent_id,
            "workOrderId": str(order.id),
            "workType": order.work_type,
            "attempt": order.attempt,
            "timeoutSeconds": order.claim_timeout_seconds,
            "checksum": manifests.checksum(order.yaml_content),
            "payload": {"secrets": list(secrets), "size": len(order.yaml_content)},
        },
    }


def load(body: dict[str, Any]) -> WorkOrder:
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    inventory = status.get("inventory")
    return WorkOrder(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        deleting="deletionTimestamp" in metadata,
        agent_id=spec["agentId"],
        order_id=spec["workOrderId"],
        work_type=spec["workType"],
        attempt=spec["attempt"],
        timeout_seconds=spec.get("timeoutSeconds", 3600),
        checksum=spec["checksum"],
        cancelled=spec.get("cancelled", False),
        secrets=tuple((spec.get("payload") or {}).get("secrets") or ()),
        inventory=None if inventory is None else tuple(map(objects.load_entry, inventory)),
        status=status,
    )


def begun(order: WorkOrder, now: datetime) -> dict[str, Any]:
    """The status of an attempt that begins."""
    return _status(order, RUNNING, Reason.PROGRESSING, "The work goes on", now) | {
        "startedAt": conditions.timestamp(now)
    }


def over(order: WorkOrder, result: Result | None, now: datetime) -> dict[str, Any]:
    """The status of an attempt that ended; no result is a cancellation."""
    if result is None:
        new = _status(order, CANCELLED, Reason.REMOVED, "The broker took the order away", now)
    elif result.success:
        new = _status(order, SUCCEEDED, Reason.APPLIED, result.message, now)
    else:
        new = _status(order, FAILED, Reason.APPLY_FAILED, result.message, now)
    if result is not None:
        new["result"] = msgspec.to_builtins(result)
    return new | {"finishedAt": conditions.timestamp(now)}


def _status(
    order: WorkOrder, phase: str, reason: Reason, message: str, now: datetime
) -> dict[str, Any]:
    ends: dict[str, tuple[str, ...]] = {RUNNING: ("Reconciling",), FAILED: ("Stalled",)}
    found = conditions.without(order.status.get("conditions") or [], "Reconciling", "Stalled")
    for kind in ("Ready", *ends.get(phase, ())):
        value = phase == SUCCEEDED if kind == "Ready" else True
        found = conditions.set_(
            found, kind, value, reason=reason, message=message, generation=order.generation, now=now
        )
    return {"observedGeneration": order.generation, "phase": phase, "conditions": found}
