"""A typed view of a BrokkrStack."""

from functools import cached_property
from typing import Any

import msgspec

from brokkr_operator.resources import conditions, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key

KIND = "BrokkrStack"
Status = dict[str, Any]


class BrokkrStack(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What reconcile needs of the resource. `inventory` is None where there has never been one."""

    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    agent_id: str
    stack_id: str
    stack_name: str
    deployment_object_id: str
    sequence_id: int
    checksum: str
    absent: bool
    targeted: bool
    suspend: bool
    secrets: tuple[str, ...]
    inventory: tuple[Entry, ...] | None
    status: Status

    @property
    def applied_sequence(self) -> int | None:
        return self.status.get("lastAppliedSequence")

    @property
    def observed(self) -> bool:
        return bool(self.status.get("observedGeneration") == self.generation)

    @cached_property
    def settled(self) -> bool:
        """Whether this very spec has been brought here, and nothing has been amiss since."""
        ready = conditions.find(self.status.get("conditions") or [], "Ready") or {}
        applied = ready.get("status") == "True" and ready.get("reason") == Reason.APPLIED
        return self.observed and applied and self.applied_sequence == self.sequence_id

    @cached_property
    def has(self) -> frozenset[Key]:
        """The objects of the inventory."""
        return frozenset(entry.key for entry in self.inventory or ())

    @cached_property
    def pending_events(self) -> list[dict[str, Any]]:
        """Events that the broker does not have, oldest first."""
        report = self.status.get("report") or {}
        outbox: list[dict[str, Any]] = report.get("outbox") or []
        delivered = report.get("delivered")
        for position, event in enumerate(outbox):
            if event["id"] == delivered:
                return outbox[position + 1 :]
        return outbox

    @property
    def done(self) -> bool:
        """Removed from the cluster, and the broker knows."""
        ready = conditions.find(self.status.get("conditions") or [], "Ready") or {}
        removed = ready.get("status") == "True" and ready.get("reason") == Reason.REMOVED
        return self.absent and self.observed and removed and not self.pending_events


def load(body: dict[str, Any]) -> BrokkrStack:
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    inventory = status.get("inventory")
    return BrokkrStack(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        deleting="deletionTimestamp" in metadata,
        agent_id=spec["agentId"],
        stack_id=spec["stackId"],
        stack_name=spec["stackName"],
        deployment_object_id=spec["deploymentObjectId"],
        sequence_id=spec["sequenceId"],
        checksum=spec["checksum"],
        absent=spec["desired"] == "Absent",
        targeted=spec.get("targeted", True),
        suspend=spec.get("suspend", False),
        secrets=tuple((spec.get("payload") or {}).get("secrets") or ()),
        inventory=None if inventory is None else tuple(map(objects.load_entry, inventory)),
        status=status,
    )
