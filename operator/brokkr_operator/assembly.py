"""Put an agent together: settings in, a runtime out. Nothing else knows all the parts."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from brokkr_common import extensions
from brokkr_common.wire.channel import Topic
from brokkr_operator.clients.broker import key
from brokkr_operator.clients.broker.channel import Channel
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube import access as kube_access
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.session import Session
from brokkr_operator.clients.receiver import Receivers
from brokkr_operator.config import Agent, OperatorConfig
from brokkr_operator.errands import Errands
from brokkr_operator.leader import Leader
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.pods import Pods
from brokkr_operator.observe.sightings import Sightings
from brokkr_operator.observe.watches import Watches
from brokkr_operator.reconcile.claims import Claims
from brokkr_operator.reconcile.source import Source
from brokkr_operator.reconcile.stack import Reconciler
from brokkr_operator.reconcile.work import build, custom
from brokkr_operator.reconcile.work.runner import Runner
from brokkr_operator.reconcile.worker import Worker
from brokkr_operator.report.deliveries import Deliveries
from brokkr_operator.report.diagnostics import Diagnostics
from brokkr_operator.report.health import HealthReporter
from brokkr_operator.report.orders import Results
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources import brokkragent, brokkrstack, workorder
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.runtime import Runtime
from brokkr_operator.sync import identity, installed
from brokkr_operator.sync.mirror import Mirror
from brokkr_operator.sync.orders import Orders
from brokkr_operator.sync.pull import Pull
from brokkr_operator.sync.store import Store
from brokkr_operator.workqueue import WorkQueue


@contextlib.asynccontextmanager
async def open_kube(
    config: OperatorConfig, access: kube_access.Access
) -> AsyncIterator[tuple[Kube, Leader | None]]:
    """Connect to the cluster, with our own namespace in it. Raises KubeError."""
    agent, limits = config.agent, config.kubernetes
    kube = Kube(Session(access, qps=limits.qps, burst=limits.burst))
    try:
        await kube.ensure_namespace(agent.namespace)
        leader = _candidate(kube, agent) if agent.leader_election else None
        if leader:
            kube.fence(lambda: leader.leads)
        try:
            yield kube, leader
        finally:
            if leader:
                await leader.release()
    finally:
        await kube.close()


def _candidate(kube: Kube, agent: Agent) -> Leader:
    return Leader(
        kube,
        name=f"brokkr-agent-{brokkragent.resource_name(agent.agent_name, agent.cluster_name)}",
        namespace=agent.namespace,
        # NB: a container that was restarted in its pod may go on at once.
        identity=os.environ.get("POD_NAME") or f"{socket.gethostname()}_{uuid4().hex[:8]}",
        duration=float(agent.lease_duration),
    )


@contextlib.asynccontextmanager
async def open_runtime(
    config: OperatorConfig, access: kube_access.Access, kube: Kube, *, known: UUID | None = None
) -> AsyncIterator[Runtime]:
    """Connect to the broker and find out who we are. Raises StartupError, KubeError."""
    agent = config.agent
    keep = key.KeyFile(Path(agent.pak_file)) if agent.pak_file else key.constant(agent.pak or "")
    broker, receivers = Broker(agent.broker_url, keep), Receivers()
    try:
        look = installed.install if agent.install_crds else installed.uids
        definitions = await look(kube)
        agent_id = await identity.establish(
            broker,
            kube,
            name=agent.agent_name,
            cluster_name=agent.cluster_name,
            url=agent.broker_url,
            retries=agent.max_retries,
            known=known,
        )
        yield _Parts(config, access, kube, broker, receivers, agent_id, definitions).runtime()
    finally:
        await receivers.close()
        await broker.close()


_SELDOM_SECONDS = 60.0


@dataclass
class _Parts:
    """The parts that others are made of, and the making of those."""

    config: OperatorConfig
    access: kube_access.Access
    kube: Kube
    broker: Broker
    receivers: Receivers
    agent_id: UUID
    definitions: frozenset[str]

    def __post_init__(self) -> None:
        agent = self.config.agent
        self.agent, self.me = agent, str(self.agent_id)
        self.store, self.holdings = Store(brokkrstack.load), Holdings()
        self.queue = WorkQueue(max_delay=min(60.0, float(agent.resync_interval)))
        mirror = Mirror(
            self.kube,
            self.store,
            agent_id=self.me,
            namespace=agent.namespace,
            on_untarget=agent.on_untarget,
            wake=self.queue.renew,
        )
        self.pull = Pull(self.broker, mirror, agent_id=self.agent_id)
        self.channel = Channel(self.broker, self.agent_id, url=agent.ws_url)
        self.pods = Pods(self.kube, self.holdings, enabled=agent.deployment_health_enabled)

    def stacks(self) -> list[BrokkrStack]:
        return self.store.of(self.me)

    def seldom(self) -> float:
        """Seconds between polls for what the channel tells of."""
        interval = float(self.agent.polling_interval)
        return max(interval, _SELDOM_SECONDS) if self.channel.is_open else interval

    def runtime(self) -> Runtime:
        seen: Sightings = {}
        worker = Worker(
            self.reconciler(),
            self.queue,
            self.holdings,
            seen,
            find=self.store.find,
            restore=self.pull.restore,
            lost=lambda stack: runtime.saw(
                "DELETED", {"metadata": {"name": stack.name, "uid": stack.uid}}
            ),
            resync_interval=float(self.agent.resync_interval),
            health_interval=float(self.agent.deployment_health_interval),
        )
        watches = Watches(
            self.kube, self.holdings, seen, touched=worker.touched, moved=worker.moved
        )
        outbox = Outbox(
            self.broker,
            self.kube,
            agent_id=self.agent_id,
            stacks=self.stacks,
            delivered=lambda body: runtime.saw("MODIFIED", body),
        )
        health = HealthReporter(
            self.broker,
            agent_id=self.agent_id,
            stacks=self.stacks,
            interval=float(self.agent.deployment_health_interval),
        )
        runtime = Runtime(
            self.config, self.access, self.kube, self.broker, self.agent_id, self.store,
            self.queue, self.pull, outbox, health, worker, self.holdings, watches, self.pods,
            self.errands(), self.channel, self.definitions,
        )  # fmt: skip
        return runtime

    def reconciler(self) -> Reconciler:
        source = self.source()
        return Reconciler(
            self.kube,
            source,
            Claims(self.kube, source, agent_id=self.me, stacks=self.stacks),
            self.pods,
            agent_id=self.me,
            concurrency=self.agent.concurrent_objects,
            complete=self.pull.complete,
            drift=self.agent.drift,
        )

    def source(self) -> Source:
        return Source(self.kube, namespace=self.agent.namespace, agent_id=self.me)

    def errands(self) -> Errands:
        agent, store = self.agent, Store(workorder.load)
        orders = Orders(
            self.broker,
            self.kube,
            store,
            agent_id=self.agent_id,
            namespace=agent.namespace,
            limit=agent.concurrent_work_orders,
            kept=float(agent.work_order_ttl),
            paused=lambda: self.pull.paused,
        )
        results = Results(
            self.broker,
            self.kube,
            agent_id=self.agent_id,
            orders=lambda: store.of(self.me),
            delivered=lambda body: errands.saw("MODIFIED", body),
            lost=lambda: errands.wake(frozenset({Topic.WORK})),
        )
        types = {"custom": custom.run, "build": build.run, **extensions.load("work_types")}
        errands = Errands(
            store,
            orders,
            results,
            Runner(self.kube, self.source(), types, self.me, agent.concurrent_objects),
            Diagnostics(self.broker, self.kube, agent_id=self.agent_id, stacks=self.stacks),
            Deliveries(
                self.broker,
                self.receivers,
                agent_id=self.agent_id,
                again=lambda delay: errands.wake_after(Topic.WEBHOOK, delay),
            ),
            self.seldom,
            paused=lambda: self.pull.paused,
        )
        return errands
