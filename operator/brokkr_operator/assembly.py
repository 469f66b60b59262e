"""Put an agent together: settings in, a runtime out. Nothing else knows all the parts."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

from brokkr_operator.clients.broker import key
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube import access as kube_access
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.session import Session
from brokkr_operator.config import Agent, OperatorConfig
from brokkr_operator.leader import Leader
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.pods import Pods
from brokkr_operator.observe.sightings import Sightings
from brokkr_operator.observe.watches import Watches
from brokkr_operator.reconcile.claims import Claims
from brokkr_operator.reconcile.source import Source
from brokkr_operator.reconcile.stack import Reconciler
from brokkr_operator.reconcile.worker import Worker
from brokkr_operator.report.health import HealthReporter
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources import brokkragent
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.runtime import Runtime
from brokkr_operator.sync import identity
from brokkr_operator.sync.mirror import Mirror
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
    config: OperatorConfig, access: kube_access.Access, kube: Kube
) -> AsyncIterator[Runtime]:
    """Connect to the broker and find out who we are. Raises StartupError."""
    agent = config.agent
    keep = key.KeyFile(Path(agent.pak_file)) if agent.pak_file else key.constant(agent.pak or "")
    broker = Broker(agent.broker_url, keep)
    try:
        if agent.install_crds:
            await identity.install_definitions(kube)
        agent_id = await identity.establish(
            broker,
            kube,
            name=agent.agent_name,
            cluster_name=agent.cluster_name,
            url=agent.broker_url,
            retries=agent.max_retries,
        )
        yield _assemble(config, access, kube, broker, agent_id)
    finally:
        await broker.close()


def _assemble(
    config: OperatorConfig, access: kube_access.Access, kube: Kube, broker: Broker, agent_id: UUID
) -> Runtime:
    agent, store, holdings, me = config.agent, Store(), Holdings(), str(agent_id)
    queue = WorkQueue(max_delay=min(60.0, float(agent.resync_interval)))

    def ours() -> list[BrokkrStack]:
        return store.of(me)

    mirror = Mirror(
        kube,
        store,
        agent_id=me,
        namespace=agent.namespace,
        on_untarget=agent.on_untarget,
        wake=queue.renew,
    )
    pull = Pull(broker, mirror, agent_id=agent_id)
    pods = Pods(kube, holdings, enabled=agent.deployment_health_enabled)
    seen: Sightings = {}
    worker = Worker(
        _reconciler(agent, kube, pods, pull, me=me, stacks=ours),
        queue,
        holdings,
        seen,
        find=store.find,
        restore=pull.restore,
        resync_interval=float(agent.resync_interval),
        health_interval=float(agent.deployment_health_interval),
    )
    watches = Watches(kube, holdings, seen, touched=worker.touched, moved=worker.moved)
    outbox = Outbox(
        broker,
        kube,
        agent_id=agent_id,
        stacks=ours,
        delivered=lambda body: runtime.saw("MODIFIED", body),
    )
    health = HealthReporter(
        broker,
        agent_id=agent_id,
        stacks=ours,
        interval=float(agent.deployment_health_interval),
    )
    runtime = Runtime(
        config, access, kube, broker, agent_id, store, queue, pull, outbox, health, worker,
        holdings, watches, pods,
    )  # fmt: skip
    return runtime


def _reconciler(
    agent: Agent,
    kube: Kube,
    pods: Pods,
    pull: Pull,
    *,
    me: str,
    stacks: Callable[[], list[BrokkrStack]],
) -> Reconciler:
    source = Source(kube, namespace=agent.namespace, agent_id=me)
    return Reconciler(
        kube,
        source,
        Claims(kube, source, agent_id=me, stacks=stacks),
        pods,
        agent_id=me,
        concurrency=agent.concurrent_objects,
        complete=pull.complete,
        drift=agent.drift,
    )
