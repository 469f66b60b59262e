"""Keep the claims of running work orders, and deliver how they ended."""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from brokkr_common.wire.work_orders import Completion
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.broker.each import each
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError, KubeNotFound
from brokkr_operator.resources import names, workorder
from brokkr_operator.resources.workorder import WorkOrder

logger = logging.getLogger(__name__)

_REFUSED = {400, 403, 404, 409, 422}


class Results:
    """A claim is renewed three times within its time. `lost` is told of one that is gone."""

    def __init__(
        self,
        broker: Broker,
        kube: Kube,
        *,
        agent_id: UUID,
        orders: Callable[[], list[WorkOrder]],
        delivered: Callable[[dict[str, Any]], None],
        lost: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._kube = kube
        self._agent_id = agent_id
        self._orders = orders
        self._delivered = delivered
        self._lost = lost
        self._clock = clock
        self._renewed: dict[str, float] = {}

    async def flush(self) -> None:
        """Raises BrokerError where something is not taken now; that holds up no other order."""
        current = self._orders()
        for name in self._renewed.keys() - {order.name for order in current}:
            del self._renewed[name]
        await each(current, self._attend)

    async def _attend(self, order: WorkOrder) -> None:
        if order.ended and not order.delivered:
            await self._deliver(order)
        elif not order.ended and not order.cancelled:
            await self._renew(order)

    async def _deliver(self, order: WorkOrder) -> None:
        result = order.result
        if result is None:
            return
        completion = Completion(
            success=result.success,
            message=result.message,
            retryable=result.retryable,
            attempt=order.attempt,
        )
        try:
            await self._broker.complete_order(UUID(order.order_id), completion)
        except BrokerError as e:
            if e.status not in _REFUSED:
                raise
            # The attempt is over for the broker: it was cancelled, or somebody else has the order.
            extra = {"order": order.order_id, "reason": str(e)[:300]}
            logger.warning("result not taken", extra=extra)
        await self._note(order)

    async def _note(self, order: WorkOrder) -> None:
        kind = await self._kube.discovery.find(names.API_VERSION, workorder.KIND)
        note = {"status": {"report": {"delivered": True}}}
        try:
            self._delivered(await self._kube.merge(kind, order.name, note, subresource="status"))
        except KubeNotFound:
            return

    async def _renew(self, order: WorkOrder) -> None:
        last = self._renewed.get(order.name)
        if last is None:  # claimed a moment ago, or before a restart: its time has begun
            self._renewed[order.name] = self._clock() - order.timeout_seconds / 3
            return
        if self._clock() - last < order.timeout_seconds / 3:
            return
        try:
            await self._broker.renew_order(UUID(order.order_id), self._agent_id, order.attempt)
            self._renewed[order.name] = self._clock()
        except BrokerError as e:
            if e.status not in _REFUSED:
                raise
            self._lost()
