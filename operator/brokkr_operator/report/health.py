"""Tell the broker how the applied versions are: when something changed, and now and then all."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from brokkr_common.wire.health import (
    Health,
    HealthReport,
    HealthSummary,
    ObjectReport,
    ResourceHealth,
)
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.resources.brokkrstack import BrokkrStack

_AT_ONCE = 200
_WORDS = {"Healthy": Health.HEALTHY, "Degraded": Health.DEGRADED, "Failing": Health.FAILING}


class HealthReporter:
    """Remembers what the broker has; a restart tells it all again, which changes nothing."""

    def __init__(
        self,
        broker: Broker,
        *,
        agent_id: UUID,
        stacks: Callable[[], list[BrokkrStack]],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._broker = broker
        self._agent_id = agent_id
        self._stacks = stacks
        self._interval = interval
        self._clock = clock
        self._now = now
        self._told: dict[str, tuple[str, dict[str, Any], float]] = {}

    async def flush(self) -> None:
        """Raises BrokerError where it is not taken now."""
        current = {s.name: s for s in self._stacks() if is_told(s)}
        for name in self._told.keys() - current.keys():
            del self._told[name]
        due = [stack for stack in current.values() if self._is_due(stack)]
        for start in range(0, len(due), _AT_ONCE):
            chunk = due[start : start + _AT_ONCE]
            moment = self._now()
            reports = [describe(stack, moment) for stack in chunk]
            await self._broker.report_health(
                self._agent_id, HealthReport(deployment_objects=reports)
            )
            for stack in chunk:
                said = (stack.deployment_object_id, stack.status["health"], self._clock())
                self._told[stack.name] = said

    def _is_due(self, stack: BrokkrStack) -> bool:
        object_id, health, moment = self._told.get(stack.name, ("", {}, 0.0))
        changed = (object_id, health) != (stack.deployment_object_id, stack.status["health"])
        return changed or self._clock() - moment >= self._interval


def is_told(stack: BrokkrStack) -> bool:
    """Only of the version that is in the cluster is anything known."""
    applied = stack.applied_sequence == stack.sequence_id and not stack.absent
    return applied and stack.targeted and "health" in stack.status


def describe(stack: BrokkrStack, moment: datetime) -> ObjectReport:
    health = stack.status["health"]
    return ObjectReport(
        id=UUID(stack.deployment_object_id),
        status=word(health),
        checked_at=moment,
        summary=HealthSummary(
            pods_ready=health.get("podsReady", 0),
            pods_total=health.get("podsTotal", 0),
            conditions=health.get("conditions", []),
            resources=[ResourceHealth(ready=False, **line) for line in health.get("unready", [])]
            or None,
        ),
    )


def word(health: dict[str, Any]) -> Health:
    """Ours to the broker's four words: what is on its way is degraded while a part of it serves."""
    if found := _WORDS.get(health["status"]):
        return found
    moving = health["status"] == "Progressing"
    return Health.DEGRADED if moving and health.get("podsReady") else Health.UNKNOWN
