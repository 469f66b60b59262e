"""One leader among the replicas of an agent: a Lease decides, as in client-go.

A candidate takes a lease that nobody has renewed for its whole duration, by its own clock. The
leader stops writing before that time is over (`leads` fences every write), so two never write.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeError, KubeNotFound, OperatorError
from brokkr_operator.resources.objects import Object

logger = logging.getLogger(__name__)

_API_VERSION = "coordination.k8s.io/v1"


class LeaseLost(OperatorError):
    """The lease could not be renewed in time: another replica may lead now."""


class Leader:
    def __init__(
        self,
        kube: Kube,
        *,
        name: str,
        namespace: str,
        identity: str,
        duration: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._kube = kube
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._duration = duration
        self._clock = clock
        self._jitter = jitter
        self._observed: tuple[str, float] = ("", 0.0)
        self._renewed: float | None = None

    @property
    def leads(self) -> bool:
        """Whether nobody else can have the lease yet: two thirds of its time, to be sure."""
        if self._renewed is None:
            return False
        return self._clock() - self._renewed < self._duration * 2 / 3

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        told = False
        while True:
            try:
                if await self._try():
                    logger.info("leading", extra={"lease": self._name, "holder": self._identity})
                    return
            except KubeError as e:
                logger.warning("lease not read", extra={"reason": str(e)[:300]})
            if not told:
                logger.info("standing by", extra={"lease": self._name})
                told = True
            await asyncio.sleep(self._duration / 7 * (1 + 0.2 * self._jitter()))

    async def hold(self) -> None:
        """Renew until cancelled. Raises LeaseLost."""
        while True:
            await asyncio.sleep(self._duration / 7)
            try:
                async with asyncio.timeout(self._duration / 3):
                    if not await self._try():
                        raise LeaseLost(f"lease {self._name} belongs to another replica")
            except (KubeError, TimeoutError) as e:
                logger.warning("lease not renewed", extra={"reason": str(e)[:300]})
            if not self.leads:
                raise LeaseLost(f"lease {self._name} was not renewed for too long")

    async def release(self) -> None:
        """Hand over at once, instead of letting the others wait."""
        if not self.leads:
            return
        self._renewed = None
        try:
            async with asyncio.timeout(2):
                live = await self._find()
                if live and _holder(live) == self._identity:
                    live["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._kube.put_lease(live, create=False)
        except (KubeError, TimeoutError) as e:
            logger.info("lease not released", extra={"reason": str(e)[:300]})

    async def _try(self) -> bool:
        """Take or renew the lease, if it is ours or free. NB: the time counts from before."""
        started = self._clock()
        live = await self._find()
        if live and not self._is_free(live):
            return False
        try:
            await self._kube.put_lease(self._next(live), create=live is None)
        except KubeConflict:
            return False
        except KubeNotFound:
            await self._kube.ensure_namespace(self._namespace)
            raise
        self._renewed = started
        return True

    async def _find(self) -> Object | None:
        kind = await self._kube.discovery.find(_API_VERSION, "Lease")
        return await self._kube.find_in(kind, self._namespace, self._name)

    def _is_free(self, live: Object) -> bool:
        holder = _holder(live)
        if holder in ("", self._identity):
            return True
        version = live["metadata"]["resourceVersion"]
        if self._observed[0] != version:
            self._observed = (version, self._clock())
            return False
        lasts = live["spec"].get("leaseDurationSeconds") or self._duration
        return self._clock() - self._observed[1] > lasts

    def _next(self, live: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = dict(live["spec"]) if live else {}
        if spec.get("holderIdentity") != self._identity:
            spec["leaseTransitions"] = spec.get("leaseTransitions", -1) + 1
            spec["acquireTime"] = now
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }
        metadata = live["metadata"] if live else {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}


def _holder(live: Object) -> str:
    return (live.get("spec") or {}).get("holderIdentity") or ""
