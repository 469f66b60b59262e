"""Work orders of the broker to WorkOrder resources: claim, mirror, cancel, retire.

The broker's claim comes first. A crash right after it is mended by the next pass, which finds what
this agent holds and has no resource for.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from brokkr_common import manifests
from brokkr_common.wire import work_orders as wire
from brokkr_common.wire.work_orders import WorkOrderStatus
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.broker.each import each
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError, KubeConflict
from brokkr_operator.resources import names, payload, workorder
from brokkr_operator.resources.objects import Entry, Key
from brokkr_operator.resources.workorder import WorkOrder
from brokkr_operator.sync.payloads import Payloads
from brokkr_operator.sync.store import Store

logger = logging.getLogger(__name__)

_TAKEN = {403, 404, 409}


class Orders:
    """`limit` is how many run at a time; `kept` how long the resource of an ended one stays."""

    def __init__(
        self,
        broker: Broker,
        kube: Kube,
        store: Store[WorkOrder],
        *,
        agent_id: UUID,
        namespace: str,
        limit: int,
        kept: float,
        paused: Callable[[], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._broker = broker
        self._kube = kube
        self._store = store
        self._agent_id = agent_id
        self._payloads = Payloads(kube, namespace=namespace)
        self._limit = limit
        self._kept = timedelta(seconds=kept)
        self._paused = paused
        self._now = now
        self._written: set[str] = set()

    async def run(self) -> None:
        """Raises BrokerError, KubeError; what one order meets holds up no other."""
        await self._load()
        found = await self._broker.pending_orders(self._agent_id)
        held = [order for order in found if order.status is WorkOrderStatus.CLAIMED]
        results = await asyncio.gather(*map(self._mirror, held), return_exceptions=True)
        await self._cancel({(str(order.id), order.attempt) for order in held})
        if not self._paused():
            await self._claim([o for o in found if o.status is WorkOrderStatus.PENDING])
        for failure in filter(None, results):
            raise failure

    async def _load(self) -> None:
        """Fill the store once, before the watch does."""
        if self._store.complete:
            return
        kind = await self._kube.discovery.find(names.API_VERSION, workorder.KIND)
        async for body in self._kube.list_(kind):
            self._store.put(body)
        self._store.complete = True

    def _own(self) -> list[WorkOrder]:
        return self._store.of(str(self._agent_id))

    async def _claim(self, pending: list[wire.WorkOrder]) -> None:
        room = self._limit - sum(not order.ended for order in self._own())
        # NB: a result that came too late still counts, as long as nobody begins anew.
        told = {order.order_id for order in self._own() if order.ended and not order.delivered}

        async def claim(order: wire.WorkOrder) -> None:
            nonlocal room
            if room <= 0 or str(order.id) in told:
                return
            try:
                claimed = await self._broker.claim_order(order.id, self._agent_id)
            except BrokerError as e:
                if e.status not in _TAKEN:  # another agent was faster
                    raise
                return
            extra = {"order": str(order.id), "type": order.work_type, "attempt": claimed.attempt}
            logger.info("work order claimed", extra=extra)
            await self._mirror(claimed)
            room -= 1

        await each(pending, claim)

    async def _mirror(self, order: wire.WorkOrder) -> None:
        name = workorder.resource_name(order)
        known = self._store.find(name)
        if name in self._written or (known and known.ended):
            return
        pieces = payload.split(order.yaml_content)
        checksum = manifests.checksum(order.yaml_content)
        secrets = payload.secret_names(name, checksum, len(pieces))
        if known is None:
            body = workorder.body(order, str(self._agent_id), secrets)
            try:
                created = await self._kube.create(body)
            except KubeConflict:
                self._store.complete = False  # it is there, but not in the store: look again
                raise
            _, known = self._store.put(created)
        owner = {"metadata": {"name": known.name, "uid": known.uid}}
        await self._payloads.write(secrets, pieces, owner, kind=workorder.KIND)
        self._written.add(name)

    async def _cancel(self, held: set[tuple[str, int]]) -> None:
        """What runs here and is ours no more was cancelled, or its claim has run out."""
        for order in self._own():
            if order.ended or order.cancelled or (order.order_id, order.attempt) in held:
                continue
            logger.info("work order taken away", extra={"order": order.order_id})
            await self._patch(order, {"spec": {"cancelled": True}})

    async def retire(self) -> None:
        """Remove the resources of what has ended and was told, once their time is up."""
        for order in self._own():
            finished = order.moment("finishedAt")
            if not order.ended or not order.delivered or not finished:
                continue
            if self._now() - finished < self._kept:
                continue
            live = await self._kube.find(
                Entry(Key(names.GROUP, workorder.KIND, "", order.name), names.VERSION)
            )
            if live and workorder.load(live).delivered:
                await self._kube.delete(live)
            self._store.remove(order.name, order.uid)
            self._written.discard(order.name)

    async def _patch(self, order: WorkOrder, patch: dict[str, Any]) -> None:
        kind = await self._kube.discovery.find(names.API_VERSION, workorder.KIND)
        self._store.put(await self._kube.merge(kind, order.name, patch))
