"""The pods behind the objects of a stack, found by walking up their owners.

One watch for the whole cluster, opened when a stack first has something that may run pods; of
every pod a few words are kept.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.follow import Metadata, OwnerReference
from brokkr_operator.errors import KubeError, UnknownKind
from brokkr_operator.observe import readiness
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.resources.objects import Entry

logger = logging.getLogger(__name__)

_DEPTH = 5
_RUNS_NOTHING = {("", "Namespace"), ("", "PersistentVolume"), ("", "Service")}
_WAITING = {
    "ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff", "CreateContainerConfigError",
    "InvalidImageName", "RunContainerError", "ContainerCannotRun",
}  # fmt: skip
_TERMINATED = {"OOMKilled", "Error", "ContainerCannotRun"}


class _Because(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _State(msgspec.Struct, frozen=True):
    waiting: _Because | None = None
    terminated: _Because | None = None


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    state: _State = _State()
    last_state: _State = _State()


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    message: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    message: str = ""
    conditions: list[_Condition] | None = None
    container_statuses: list[_Container] | None = None
    init_container_statuses: list[_Container] | None = None


class Body(msgspec.Struct, frozen=True):
    """A pod as the API server shows it, as far as we read it."""

    metadata: Metadata
    status: _Status = _Status()


class Pod(msgspec.Struct, frozen=True):
    """What is kept. `problems` are the book's conditions, worst first."""

    uid: str
    name: str
    namespace: str
    owners: tuple[OwnerReference, ...]
    phase: str
    ready: bool
    problems: tuple[str, ...]
    message: str

    @property
    def finished(self) -> bool:
        return self.phase == "Succeeded"


def read(body: Body) -> Pod:
    """Source: the book's list of detected conditions (seed 003, Monitoring Deployment Health)."""
    status, m = body.status, body.metadata
    problems: list[str] = ["PodFailed"] if status.phase == "Failed" else []
    messages = [status.message]
    for prefix, containers in (
        ("InitContainer:", status.init_container_statuses),
        ("", status.container_statuses),
    ):
        for container in containers or ():
            for reason, message in _troubles(container):
                problems.append(prefix + reason)
                messages.append(message)
    conditions = {c.type: c for c in status.conditions or ()}
    ready = conditions.get("Ready")
    if (scheduled := conditions.get("PodScheduled")) and scheduled.status == "False":
        messages.append(scheduled.message)
    return Pod(
        m.uid,
        m.name,
        m.namespace,
        tuple(m.owner_references or ()),
        status.phase,
        ready is not None and ready.status == "True",
        tuple(dict.fromkeys(problems)),
        next((text for text in messages if text), "")[:256],
    )


def _troubles(container: _Container) -> Iterable[tuple[str, str]]:
    state, last = container.state, container.last_state
    if state.waiting and state.waiting.reason in _WAITING:
        yield state.waiting.reason, state.waiting.message
    if state.terminated and state.terminated.reason in _TERMINATED:
        yield state.terminated.reason, state.terminated.message
    if last.terminated and last.terminated.reason == "OOMKilled":
        yield "OOMKilled", last.terminated.message


class Pods:
    """Without `enabled` nothing is watched or found."""

    def __init__(self, kube: Kube, holdings: Holdings, *, enabled: bool) -> None:
        self._kube = kube
        self._holdings = holdings
        self._enabled = enabled
        self._pods: dict[str, dict[str, Pod]] = {}
        self._parents: dict[str, tuple[OwnerReference, ...]] = {}
        self._news: dict[str, Pod] = {}
        self._wake = asyncio.Event()
        self._needed = asyncio.Event()
        self.synced = False
        holdings.subscribe(self.refresh)

    def refresh(self) -> None:
        """The holdings may have something that runs pods now."""
        if self._enabled and self._running_places():
            self._needed.set()

    async def run(self, moved: Callable[[str], None]) -> None:
        """Until cancelled. `moved` hears which stack has news."""
        await self._needed.wait()
        follower = self._kube.follow("v1", "Pod", Body, listed=self._listed, changed=self._changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(follower.run())
            group.create_task(self._tell(moved))

    async def of(self, inventory: Sequence[Entry]) -> list[tuple[Pod, Entry]] | None:
        """The pods below objects of an inventory, each with that object. None: not known (yet)."""
        if not self.synced:
            return None
        holders = {e.uid: e for e in inventory if e.uid and _may_run(e.key.group, e.key.kind)}
        if not holders:
            return []
        places = {e.key.namespace for e in holders.values()}
        found = []
        for place in self._pods if "" in places else places:
            for pod in list(self._pods.get(place, {}).values()):
                for uid in await self._chain(pod):
                    if holder := holders.get(uid):
                        found.append((pod, holder))
                        break
        return found

    def _listed(self, bodies: list[Body]) -> None:
        self._pods.clear()
        for body in bodies:
            self._keep(read(body))
        self.synced = True

    def _changed(self, what: str, body: Body) -> None:
        pod = read(body)
        if what == "DELETED":
            self._pods.get(pod.namespace, {}).pop(pod.uid, None)
            self._announce(pod)
        elif self._pods.get(pod.namespace, {}).get(pod.uid) != pod:
            self._keep(pod)

    def _keep(self, pod: Pod) -> None:
        self._pods.setdefault(pod.namespace, {})[pod.uid] = pod
        self._announce(pod)

    def _announce(self, pod: Pod) -> None:
        self._news[pod.uid] = pod
        self._wake.set()

    def _running_places(self) -> set[str]:
        """The namespaces of what may run pods; "" is of all of them."""
        return {place for group, kind, place in self._holdings.places() if _may_run(group, kind)}

    async def _tell(self, moved: Callable[[str], None]) -> None:
        """Find out whose pods have changed, and say so."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            news, self._news = self._news, {}
            places = self._running_places()
            for pod in news.values():
                if pod.namespace not in places and "" not in places:
                    continue
                for uid in await self._chain(pod):
                    if stack := self._holdings.holder_of_uid(uid):
                        moved(stack)
                        break

    async def _chain(self, pod: Pod) -> list[str]:
        """Its own uid, its owners', theirs, and so on."""
        chain, level = [pod.uid], list(pod.owners)
        for _ in range(_DEPTH):
            chain += [owner.uid for owner in level]
            above = [await self._parents_of(owner, pod.namespace) for owner in level]
            level = [owner for parents in above for owner in parents]
            if not level:
                break
        return chain

    async def _parents_of(
        self, owner: OwnerReference, namespace: str
    ) -> tuple[OwnerReference, ...]:
        known = self._parents.get(owner.uid)
        if known is not None:
            return known
        if self._holdings.holder_of_uid(owner.uid):
            return ()  # the walk has arrived
        try:
            kind = await self._kube.discovery.find(owner.api_version, owner.kind)
            live = await self._kube.find_in(kind, namespace if kind.namespaced else "", owner.name)
        except (KubeError, UnknownKind):
            return ()
        references = (live["metadata"].get("ownerReferences") or ()) if live else ()
        parents = tuple(msgspec.convert(r, OwnerReference) for r in references)
        if len(self._parents) > 20_000:
            self._parents.clear()
        self._parents[owner.uid] = parents
        return parents


def _may_run(group: str, kind: str) -> bool:
    if (group, kind) == ("batch", "CronJob"):
        return True
    return readiness.changes(group, kind) and (group, kind) not in _RUNS_NOTHING
