"""What a running agent holds: both clients, the queue, the loops. A restart loses none of it."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from brokkr_common import __version__
from brokkr_common.loops import Loop
from brokkr_common.wire.agents import AgentStatus
from brokkr_common.wire.channel import Topic
from brokkr_operator.clients.broker.channel import Channel
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube import access as kube_access
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.config import OperatorConfig
from brokkr_operator.errands import Errands
from brokkr_operator.errors import BrokerError, KubeNotFound, UnknownKind
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.pods import Pods
from brokkr_operator.observe.watches import Watches
from brokkr_operator.reconcile.worker import Worker, crew
from brokkr_operator.report import heartbeat
from brokkr_operator.report.health import HealthReporter
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources import brokkragent, names
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.sync import installed
from brokkr_operator.sync.pull import Pull
from brokkr_operator.sync.store import Store
from brokkr_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)

_RECORD_SECONDS = 60.0
_GATHER_SECONDS = 0.2  # news of health come in flocks


@dataclass
class Runtime:
    """Built by `assembly.open_runtime`; `start` and `stop` belong to kopf's startup and cleanup.

    `definitions` are the uids of ours when this life began. With others no watch shows what there
    is: `ended` is set, and another life has to begin.
    """

    config: OperatorConfig
    access: kube_access.Access
    kube: Kube
    broker: Broker
    agent_id: UUID
    store: Store[BrokkrStack]
    queue: WorkQueue
    pull: Pull
    outbox: Outbox
    health: HealthReporter
    worker: Worker
    holdings: Holdings
    watches: Watches
    pods: Pods
    errands: Errands
    channel: Channel
    definitions: frozenset[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    pulling: Loop = field(init=False)
    reporting: Loop = field(init=False)
    beating: Loop = field(init=False)
    telling: Loop = field(init=False)
    last_beat: datetime | None = None
    broker_error: str | None = "not connected yet"
    _changed: bool = False
    _record_due: float = 0.0

    def __post_init__(self) -> None:
        agent = self.config.agent
        retry = float(agent.event_message_retry_delay)
        poll = float(agent.polling_interval)
        slowest = max(2.0, 3 * poll)
        self.pulling = Loop("pull", self._pull, interval=poll, max_delay=slowest)
        self.beating = Loop("heartbeat", self._beat, interval=poll, max_delay=slowest)
        self.reporting = Loop("report", self._report, interval=retry, max_delay=max(retry, 0.5))
        often = min(float(agent.deployment_health_interval), 5.0)
        self.telling = Loop(
            "health", self.health.flush, interval=often, max_delay=slowest, gather=_GATHER_SECONDS
        )

    def start(self) -> None:
        agent = self.config.agent
        coroutines = [
            self.queue.run(),
            crew(self.worker, agent.concurrent_stacks),
            self.pulling.run(),
            self.reporting.run(),
            self.beating.run(),
            self.pods.run(self.worker.moved),
            *self.errands.running(),
        ]
        if agent.drift != "off" or agent.deployment_health_enabled:
            coroutines.append(self.watches.run())
        if agent.deployment_health_enabled:
            coroutines.append(self.telling.run())
        if not agent.ws_force_rest:
            coroutines.append(self.channel.run(self.woken))
        self.tasks += [asyncio.create_task(coroutine) for coroutine in coroutines]

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
        if old is None or old.inventory is None:
            self.holdings.put(new.name, new.inventory or ())
        if changed:
            self.queue.renew(new.name)
        elif kind is None:  # the watch begins (again), so look at everything
            self.queue.add(new.name)
        if old and old.status.get("health") != new.status.get("health"):
            self.telling.wake()
        if new.pending_events:
            self.reporting.wake()
        if new.done:
            self.pulling.wake()

    def woken(self, topics: frozenset[Topic]) -> None:
        """The broker says that there is something new."""
        if Topic.AGENT in topics:
            self._record_due = 0.0
        loops = {Topic.STATE: self.pulling, Topic.AGENT: self.beating}
        for topic in topics & loops.keys():
            loops[topic].wake()
        self.errands.wake(topics)

    async def _pull(self) -> None:
        try:
            self._changed = await self.pull.run() or self._changed
        except (KubeNotFound, UnknownKind):
            self.beating.wake()  # it looks whether our definitions are gone
            raise

    async def _report(self) -> None:
        await self.outbox.flush()

    async def _beat(self) -> None:
        try:
            await heartbeat.beat(self.broker, self.channel, self.agent_id)
            self.last_beat, self.broker_error = datetime.now(UTC), self.pull.last_error
            if not self.channel.is_open or time.monotonic() >= self._record_due:
                await self._read_record()
        except BrokerError as e:
            self.broker_error = str(e)
            await self._show()
            raise
        await self._show()

    async def _read_record(self) -> None:
        """Whether we are paused. The channel tells of a change; now and then we ask anyway."""
        self._record_due = time.monotonic() + _RECORD_SECONDS
        record = await self.broker.get_agent(self.agent_id)
        paused = record.status is not AgentStatus.ACTIVE
        if paused != self.pull.paused:
            self.pull.paused = paused
            logger.info("paused by the broker" if paused else "active")
            self.pulling.wake()
            self.errands.resume()

    async def _show(self) -> None:
        """Write the BrokkrAgent's status, if anything of it changed."""
        if await installed.uids(self.kube) != self.definitions:
            logger.warning("our definitions were deleted; the agent begins anew")
            self.ended.set()
            return
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
            channel=self.channel.is_open,
            stacks=self.pull.stacks,
            version=__version__,
            changed=self._changed,
            now=datetime.now(UTC),
        )
        self._changed = False
        if new != old:
            await self.kube.merge(kind, name, {"status": new}, subresource="status")
