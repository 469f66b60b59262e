"""An agent without its loops: each step is taken when a history says so, and any call may be the
last of the process.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol, cast
from uuid import UUID

from brokkr_common.wire.deployments import TargetObject
from brokkr_common.wire.events import EventCreate, EventStatus
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube import session
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.session import Session
from brokkr_operator.errors import BrokerError, KubeError, KubeUnavailable
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.pods import Pods
from brokkr_operator.reconcile.claims import Claims
from brokkr_operator.reconcile.source import Source
from brokkr_operator.reconcile.stack import Drift, Reconciler
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources import brokkrstack
from brokkr_operator.resources.objects import Key
from brokkr_operator.sync.mirror import Mirror
from brokkr_operator.sync.pull import Pull
from brokkr_operator.sync.store import Store
from model.apiserver import ApiServer


class Killed(BaseException):
    """The process is gone."""


class Violation(BaseException):
    """The promise is broken. No handler of errors may swallow that."""


class Wire(Protocol):
    """What the agent needs of a session with an API server."""

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]: ...


class ModelWire:
    """A session with the model: errors by meaning, as from the real one."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str = "",
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = session.JSON,
    ) -> tuple[int, Any]:
        status, answer = self.server.handle(
            method, path, params=params, body=body, content_type=content_type
        )
        if status >= 400:
            raise session._meaning(status, answer, b"")
        return status, answer


class FaultyWire:
    """A process's way to the API server. `before` sees every deletion first.

    Answers get lost, requests are refused, and the process may die before or after any call.
    """

    def __init__(
        self, wire: Wire, chance: random.Random, before: Callable[[str, str, Any], Awaitable[None]]
    ) -> None:
        self._wire = wire
        self._chance = chance
        self._before = before
        self.dies_after: int | None = None
        self.errors = 0.0
        self.dead = False
        self.meddle: Callable[[], Awaitable[None]] | None = None

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        self._live()
        if self.dies_after is not None:
            self.dies_after -= 1
            self.dead = self.dies_after < 0
            if self.dead and self._chance.random() < 0.5:
                raise Killed
        if self._chance.random() < self.errors:
            raise KubeUnavailable("not now", status=self._chance.choice([429, 500, 503, 504]))
        if self.meddle and self._chance.random() < 0.1:
            await self.meddle()
        if method == "DELETE":
            await self._before(method, path, options)
        answer = await self._wire.request(method, path, **options)
        self._live()
        if self._chance.random() < self.errors / 2:
            raise KubeUnavailable("the answer is lost")
        return answer

    def _live(self) -> None:
        if self.dead:
            raise Killed


class BrokerSide:
    """The target state as the broker keeps it, by the rules of the book."""

    def __init__(self) -> None:
        self.sequence = 0
        self.newest: dict[str, TargetObject] = {}
        self.targeted: set[str] = set()
        self.deleted: set[str] = set()
        self.done: set[UUID] = set()
        self.reached = True
        self.seen: list[TargetObject] = []

    async def target_state(
        self, agent_id: UUID, *, etag: str | None
    ) -> tuple[list[TargetObject], str] | None:
        if not self.reached:
            raise BrokerError("away")
        state = [o for s, o in self.newest.items() if s in self.targeted]
        state = [o for o in state if not o.is_deletion_marker or o.id not in self.done]
        state.sort(key=lambda o: o.sequence_id)
        self.seen = state
        tag = ",".join(str(o.id) for o in state)
        return None if etag == tag else (state, tag)

    async def report(self, agent_id: UUID, event: EventCreate) -> None:
        if not self.reached:
            raise BrokerError("away")
        if event.status is not EventStatus.SUCCESS:
            return
        self.done.add(event.deployment_object_id)
        for stack in list(self.deleted):
            if self.newest[stack].id == event.deployment_object_id:
                del self.newest[stack]
                self.deleted.discard(stack)
                self.targeted.discard(stack)


class Process:
    """One life of an agent: its memory goes with it."""

    def __init__(
        self, wire: FaultyWire, broker: BrokerSide, *, agent_id: UUID, namespace: str, drift: Drift
    ) -> None:
        self.wire = wire
        me = str(agent_id)
        self.kube = kube = Kube(cast(Session, wire))
        self.store = store = Store(brokkrstack.load)
        side = cast(Broker, broker)
        mirror = Mirror(
            kube,
            store,
            agent_id=me,
            namespace=namespace,
            on_untarget="keep",
            wake=lambda _: None,
        )
        self.pull = Pull(side, mirror, agent_id=agent_id)
        self.pull.paused = False
        source = Source(kube, namespace=namespace, agent_id=me)
        self.reconciler = Reconciler(
            kube,
            source,
            Claims(kube, source, agent_id=me, stacks=lambda: store.of(me)),
            Pods(kube, Holdings(), enabled=False),
            agent_id=me,
            concurrency=4,
            complete=self._complete,
            drift=drift,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.outbox = Outbox(
            side, kube, agent_id=agent_id, stacks=lambda: store.of(me), delivered=store.put
        )
        self._me = me

    async def _complete(self) -> bool:
        return self.pull._complete.is_set() and await self.pull.complete()

    async def poll(self) -> None:
        try:
            await self.pull.run()
        except (KubeError, BrokerError):
            return

    async def reconcile(self, name: str, *, only: frozenset[Key] | None = None) -> None:
        try:
            seen = await self.reconciler.reconcile(name, only=only)
        except KubeError:
            return
        if seen and getattr(seen[1], "reason", "") == "Progressing":
            self.pull.restore(seen[0].stack_id)
        await self.refresh(name)

    async def refresh(self, name: str) -> None:
        """What the watch of our own resources would show by now."""
        kind = await self.kube.discovery.find("brokkr.io/v1", "BrokkrStack")
        try:
            body = await self.kube.find_in(kind, "", name)
        except KubeError:
            return
        if body:
            self.store.put(body)
        elif known := self.store.find(name):
            self.store.remove(name, known.uid)

    async def report(self) -> None:
        try:
            await self.outbox.flush()
        except (KubeError, BrokerError):
            return

    @property
    def names(self) -> list[str]:
        return sorted(s.name for s in self.store.of(self._me))
