"""Deliver webhooks from inside the cluster: claim some, send them side by side, say what became."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from brokkr_common.wire.webhooks import PendingDelivery
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.receiver import Receivers
from brokkr_operator.errors import BrokerError

logger = logging.getLogger(__name__)

_REFUSED = {400, 403, 404, 409, 422}


class Deliveries:
    """The broker hands out up to ten, for a minute; what is not told goes to somebody else."""

    def __init__(
        self,
        broker: Broker,
        receivers: Receivers,
        *,
        agent_id: UUID,
        again: Callable[[float], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`again` is told in how many seconds one that failed is due."""
        self._broker = broker
        self._receivers = receivers
        self._agent_id = agent_id
        self._again = again
        self._now = now

    async def run(self) -> None:
        """Until nothing is due. Raises BrokerError."""
        while claimed := await self._broker.pending_deliveries(self._agent_id):
            results = await asyncio.gather(*map(self._deliver, claimed), return_exceptions=True)
            for failure in filter(None, results):
                raise failure

    async def _deliver(self, delivery: PendingDelivery) -> None:
        result = await self._receivers.send(delivery)
        try:
            outcome = await self._broker.report_delivery(delivery.id, result)
        except BrokerError as e:
            if e.status not in _REFUSED:
                raise
            extra = {"delivery": str(delivery.id), "reason": str(e)[:300]}
            logger.warning("delivery's result not taken", extra=extra)
            return
        if outcome.next_retry_at:
            self._again(max(0.0, (outcome.next_retry_at - self._now()).total_seconds()))
