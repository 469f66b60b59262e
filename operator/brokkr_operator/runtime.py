"""What a running agent holds: both clients, the queue, the loops. A restart loses none of it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from brokkr_common import __version__
from brokkr_common.loops import Loop
from brokkr_common.wire.agents import AgentStatus
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube import access as kube_access
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.session import Session
from brokkr_operator.config import OperatorConfig
from brokkr_operator.errors import BrokerError, KubeNotFound, UnknownKind
from brokkr_operator.reconcile.stack import Reconciler
from brokkr_operator.reconcile.worker import Worker, crew
from brokkr_operator.report import heartbeat
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources import brokkragent, names
from brokkr_operator.sync import identity
from brokkr_operator.sync.mirror import Mirror
from brokkr_operator.sync.pull import Pull
from brokkr_operator.sync.store import Store
from brokkr_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)


@dataclass
class Runtime:
    """Built by `open_runtime`; `start` and `stop` belong to kopf's startup and cleanup."""

    config: OperatorConfig
    access: kube_access.Access
    kube: Kube
    broker: Broker
    agent_id: UUID
    store: Store
    queue: WorkQueue
    pull: Pull
    outbox: Outbox
    worker: Worker
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    pulling: Loop = field(init=False)
    reporting: Loop = field(init=False)
    beating: Loop = field(init=False)
    last_beat: datetime | None = None
    broker_error: str | None = "not connected yet"
    _changed: bool = False

    def __post_init__(self) -> None:
        agent = self.config.agent
        retry = float(agent.event_message_retry_delay)
        poll = float(agent.polling_interval)
        slowest = max(2.0, 3 * poll)
        self.pulling = Loop("pull", self._pull, interval=poll, max_delay=slowest)
        self.beating = Loop("heartbeat", self._beat, interval=poll, max_delay=slowest)
        self.reporting = Loop("report", self._report, interval=retry, max_delay=max(retry, 0.5))

    def start(self) -> None:
        size = self.config.agent.concurrent_stacks
        for coroutine in (
            self.queue.run(),
            crew(self.worker, size),
            self.pulling.run(),
            self.reporting.run(),
            self.beating.run(),
        ):
            self.tasks.append(asyncio.create_task(coroutine))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def saw(self, kind: str | None, body: dict[str, Any]) -> None:
        """An event of the watch: note what changed, and wake whom it concerns."""
        if kind == "DELETED":
            metadata = body["metadata"]
            self.queue.add(metadata["name"])
            if self.store.remove(metadata["name"], metadata["uid"]):
                self.pulling.wake()
            return
        old, new = self.store.put(body)
        if new.agent_id != str(self.agent_id):
            return
        changed = old is None or old.generation != new.generation or old.uid != new.uid
        if kind is None or changed:  # None: the watch begins (again), so look at everything
            self.queue.add(new.name)
        if new.pending_events:
            self.reporting.wake()
        if new.done:
            self.pulling.wake()

    async def _pull(self) -> None:
        try:
            self._changed = await self.pull.run() or self._changed
        except (KubeNotFound, UnknownKind):
            if self.config.agent.install_crds:  # somebody deleted our definitions
                await identity.install_definitions(self.kube)
                self.pulling.wake()
            raise

    async def _report(self) -> None:
        await self.outbox.flush()

    async def _beat(self) -> None:
        try:
            agent = await heartbeat.beat(self.broker, self.agent_id)
            self.last_beat, self.broker_error = datetime.now(UTC), self.pull.last_error
            paused = agent.status is not AgentStatus.ACTIVE
            if paused != self.pull.paused:
                self.pull.paused = paused
                logger.info("paused by the broker" if paused else "active")
                self.pulling.wake()
        except BrokerError as e:
            self.broker_error = str(e)
            await self._show()
            raise
        await self._show()

    async def _show(self) -> None:
        """Write the BrokkrAgent's status, if anything of it changed."""
        agent = self.config.agent
        kind = await self.kube.discovery.find(names.API_VERSION, brokkragent.KIND)
        name = brokkragent.resource_name(agent.agent_name, agent.cluster_name)
        found = await self.kube.find_in(kind, "", name)
        if found is None:
            record = await self.broker.get_agent(self.agent_id)
            found, _ = await self.kube.apply(brokkragent.body(record, agent.broker_url))
        old = found.get("status") or {}
        new = brokkragent.status(
            old,
            error=self.broker_error,
            paused=self.pull.paused,
            stacks=self.pull.stacks,
            version=__version__,
            changed=self._changed,
            now=datetime.now(UTC),
        )
        self._changed = False
        if new != old:
            await self.kube.merge(kind, name, {"status": new}, subresource="status")


@contextlib.asynccontextmanager
async def open_runtime(
    config: OperatorConfig, access: kube_access.Access
) -> AsyncIterator[Runtime]:
    """Connect to both sides and find out who we are. Raises StartupError."""
    agent = config.agent
    async with contextlib.AsyncExitStack() as stack:
        kube = Kube(Session(access))
        stack.push_async_callback(kube.close)
        broker = Broker(agent.broker_url, agent.pak)
        stack.push_async_callback(broker.close)
        if agent.install_crds:
            await identity.install_definitions(kube)
        await kube.ensure_namespace(agent.namespace)
        agent_id = await identity.establish(
            broker,
            kube,
            name=agent.agent_name,
            cluster_name=agent.cluster_name,
            url=agent.broker_url,
            retries=agent.max_retries,
        )
        yield _assemble(config, access, kube, broker, agent_id)


def _assemble(
    config: OperatorConfig, access: kube_access.Access, kube: Kube, broker: Broker, agent_id: UUID
) -> Runtime:
    agent, store = config.agent, Store()
    queue = WorkQueue(max_delay=min(60.0, float(agent.resync_interval)))
    mirror = Mirror(
        kube,
        store,
        agent_id=str(agent_id),
        namespace=agent.namespace,
        on_untarget=agent.on_untarget,
        wake=queue.add,
    )
    pull = Pull(broker, mirror, agent_id=agent_id)
    worker = Worker(
        Reconciler(kube, str(agent_id), agent.namespace, agent.concurrent_objects),
        queue,
        find=store.find,
        restore=pull.restore,
        resync_interval=float(agent.resync_interval),
        health_interval=float(agent.deployment_health_interval),
    )
    outbox = Outbox(
        broker,
        kube,
        agent_id=agent_id,
        stacks=lambda: store.of(str(agent_id)),
        delivered=lambda body: runtime.saw("MODIFIED", body),
    )
    runtime = Runtime(config, access, kube, broker, agent_id, store, queue, pull, outbox, worker)
    return runtime
