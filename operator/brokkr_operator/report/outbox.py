"""Deliver the events that reconcile queued in the status of each BrokkrStack."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from brokkr_common.wire.events import EventCreate, EventStatus
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.broker.each import each
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError, KubeNotFound
from brokkr_operator.resources import brokkrstack, names
from brokkr_operator.resources.brokkrstack import BrokkrStack

logger = logging.getLogger(__name__)

_REFUSED = {400, 404, 409, 422}


class Outbox:
    """At least once by retrying, exactly once in effect by the events' ids."""

    def __init__(
        self,
        broker: Broker,
        kube: Kube,
        *,
        agent_id: UUID,
        stacks: Callable[[], list[BrokkrStack]],
        delivered: Callable[[dict[str, Any]], None],
    ) -> None:
        self._broker = broker
        self._kube = kube
        self._agent_id = agent_id
        self._stacks = stacks
        self._delivered = delivered

    async def flush(self) -> None:
        """Send everything that is pending. Raises BrokerError where something is not taken now.

        An event that the broker stumbles over holds up those of its own stack only.
        """
        await each(self._stacks(), self._flush)

    async def _flush(self, stack: BrokkrStack) -> None:
        for event in stack.pending_events:
            await self._send(stack, event)
            await self._note(stack, event["id"])

    async def _send(self, stack: BrokkrStack, event: dict[str, Any]) -> None:
        report = EventCreate(
            id=UUID(event["id"]),
            agent_id=self._agent_id,
            deployment_object_id=UUID(event["deploymentObjectId"]),
            event_type="DEPLOY",
            status=EventStatus(event["status"]),
            message=event.get("message"),
        )
        try:
            await self._broker.report(self._agent_id, report)
        except BrokerError as e:
            if e.status not in _REFUSED:
                raise
            # It will never be taken: the version is not the broker's (any more).
            logger.error("event refused", extra={"stack": stack.stack_name, "reason": str(e)})

    async def _note(self, stack: BrokkrStack, event_id: str) -> None:
        kind = await self._kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        note = {"status": {"report": {"delivered": event_id}}}
        try:
            body = await self._kube.merge(kind, stack.name, note, subresource="status")
        except KubeNotFound:
            return
        self._delivered(body)
