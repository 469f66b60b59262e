"""Random histories of stacks, foreigners, crashes and errors, and what must be true at their end.

Promise 1: no foreign object is ever touched, nothing that is wanted is ever deleted, and in the
end everything is as wanted. The cluster is the model or a real API server; the history is the same.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from brokkr_common import manifests
from brokkr_common.wire.deployments import TargetObject
from brokkr_operator.errors import KubeConflict, KubeError, KubeNotFound
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.brokkrstack import load
from brokkr_operator.resources.objects import Key, Object
from model.agent import BrokerSide, FaultyWire, Killed, Process, Violation, Wire

MERGE = "application/merge-patch+json"
_STACKS = "/apis/brokkr.io/v1/brokkrstacks"
_NAMESPACED = "/api/v1/namespaces/{}/configmaps"
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
}


class World:
    """One agent, a few stacks that fight for a few objects, and people who do as they like."""

    def __init__(
        self, wire: Wire, seed: int, *, tag: str, settle: Callable[[], Awaitable[None]]
    ) -> None:
        self.wire = wire
        self.chance = random.Random(seed)
        self.settle = settle
        self.tag = tag
        self.agent_id = self._uuid()
        self.home = f"brokkr-{tag}"
        self.spaces = [f"{tag}-a", f"{tag}-b"]
        self.pool = [
            *(Key("", "ConfigMap", space, f"c{n}") for space in self.spaces for n in range(3)),
            Key("rbac.authorization.k8s.io", "ClusterRole", "", f"{tag}-r"),
            *(Key("", "Namespace", "", space) for space in self.spaces),
        ]
        self.stacks = {str(self._uuid()): f"{tag}-s{n}" for n in range(3)}
        self.broker = BrokerSide()
        self.wanted: dict[str, dict[Key, str]] = {}
        self.foreign: dict[Key, Object] = {}
        self.touched: set[Key] = set()
        self.recreated: set[str] = set()
        self.log: list[str] = []
        self.number = 0
        self.process = self._start()

    # --- the history -------------------------------------------------------------------------

    async def live(self, steps: int) -> None:
        """A history, and then peace: no more faults, and time enough."""
        for name in (self.home, *self.spaces):
            await self.act("POST", "/api/v1/namespaces", _object(Key("", "Namespace", "", name)))
        actions = self._actions()
        weights = [weight for weight, _ in actions]
        for _ in range(steps):
            [(_, action)] = self.chance.choices(actions, weights)
            self.log.append(action.__name__.strip("_"))
            try:
                await action()
            except Killed:
                self.log.append("  killed")
                self.process = self._start()
        await self._peace()

    def _actions(self) -> list[tuple[int, Callable[[], Awaitable[None]]]]:
        return [
            (8, self._push), (3, self._move), (2, self._untarget), (3, self._target),
            (1, self._mark), (1, self._delete_stack), (8, self._poll), (14, self._reconcile),
            (4, self._report), (3, self._edit), (3, self._remove), (1, self._recreate),
            (1, self._unlabel), (2, self._stranger), (2, self._copy), (1, self._delete_resource),
            (1, self._delete_payloads), (1, self._suspend), (3, self._controllers),
            (4, self._dangerous), (3, self._errors), (2, self._broker_away),
        ]  # fmt: skip

    async def _peace(self) -> None:
        self.broker.reached = True
        self.process = self._start()
        for body in await self._resources():
            await self._suspend_one(body, False)
        for _ in range(12):
            await self.settle()
            await self.process.poll()
            for name in self.process.names:
                await self.process.refresh(name)
                await self.process.reconcile(name)
            await self.process.report()
        await self.settle()

    async def _push(self) -> None:
        stack = self.chance.choice(list(self.stacks))
        size = self.chance.randint(0, 5)
        self._publish(stack, dict.fromkeys(self.chance.sample(self.pool, size), self._value()))
        if self.chance.random() < 0.6:
            self.broker.targeted.add(stack)

    async def _move(self) -> None:
        """From one stack to another, both in one poll or with something in between."""
        one, other = self.chance.sample(list(self.stacks), 2)
        mine = dict(self.wanted.get(one) or {})
        if not mine or one in self.broker.deleted or other in self.broker.deleted:
            return
        key = self.chance.choice(list(mine))
        value = mine.pop(key)
        self._publish(other, {**(self.wanted.get(other) or {}), key: value})
        if self.chance.random() < 0.3:
            await self.process.poll()
        self._publish(one, mine)

    def _publish(self, stack: str, wanted: dict[Key, str], *, marker: bool = False) -> None:
        if stack in self.broker.deleted:
            return
        self.broker.sequence += 1
        text = "---\n".join(_yaml(key, value) for key, value in wanted.items())
        shown = {key.name + "@" + key.namespace for key in wanted}
        self.log.append(f"  {self.stacks[stack]} v{self.broker.sequence}: {sorted(shown)} {marker}")
        self.broker.newest[stack] = TargetObject(
            id=self._uuid(),
            created_at=datetime.now(UTC),
            updated_at=datetime.now(UTC),
            deleted_at=None,
            submitted_at=datetime.now(UTC),
            stack_id=UUID(stack),
            yaml_content=text,
            yaml_checksum=manifests.checksum(text),
            sequence_id=self.broker.sequence,
            is_deletion_marker=marker,
            stack_name=self.stacks[stack],
        )
        self.wanted[stack] = wanted

    async def _target(self) -> None:
        self.broker.targeted.add(self.chance.choice(list(self.stacks)))

    async def _untarget(self) -> None:
        stack = self.chance.choice(list(self.stacks))
        if stack not in self.broker.deleted:
            self.broker.targeted.discard(stack)

    async def _mark(self) -> None:
        stack = self.chance.choice(list(self.stacks))
        if stack in self.broker.newest:
            self._publish(stack, {}, marker=True)

    async def _delete_stack(self) -> None:
        stack = self.chance.choice(list(self.stacks))
        if stack in self.broker.targeted and stack in self.broker.newest:
            self._publish(stack, {}, marker=True)
            self.broker.deleted.add(stack)

    async def _poll(self) -> None:
        await self.process.poll()

    async def _reconcile(self) -> None:
        if known := self.process.names:
            name = self.chance.choice(known)
            await self.process.refresh(name)
            some = frozenset(self.chance.sample(self.pool, 3))
            await self.process.reconcile(name, only=some if self.chance.random() < 0.3 else None)

    async def _report(self) -> None:
        await self.process.report()

    async def _controllers(self) -> None:
        await self.settle()

    async def _dangerous(self) -> None:
        self.process.wire.dies_after = self.chance.randint(0, 40)

    async def _errors(self) -> None:
        self.process.wire.errors = self.chance.choice([0.0, 0.05, 0.3])

    async def _broker_away(self) -> None:
        self.broker.reached = not self.broker.reached

    # --- the foreigners ----------------------------------------------------------------------

    async def _edit(self) -> None:
        key = self._config_map()
        await self.act("PATCH", _path(key), {"data": {"v": "edited"}, "metadata": {}}, MERGE)

    async def _remove(self) -> None:
        await self.act("DELETE", _path(self._config_map()), {})

    async def _recreate(self) -> None:
        """Deleted and made anew by somebody: not ours any more, until a stack names it."""
        key = self._config_map()
        await self.act("DELETE", _path(key), {})
        await self.act("POST", _path(key).rpartition("/")[0], _object(key, "foreign"))
        self.touched.add(key)

    async def _unlabel(self) -> None:
        key = self._config_map()
        patch = {"metadata": {"labels": {names.STACK_LABEL: None}}}
        await self.act("PATCH", _path(key), patch, MERGE)
        self.touched.add(key)

    async def _stranger(self) -> None:
        self.number += 1
        key = Key("", "ConfigMap", self.chance.choice(self.spaces), f"stranger{self.number}")
        await self._keep(key, _object(key, "mine"))

    async def _copy(self) -> None:
        """`kubectl get -o yaml`, another name, `kubectl create`: all our marks come along."""
        live = await self._get(self._config_map())
        if live is None:
            return
        self.number += 1
        key = Key("", "ConfigMap", live["metadata"]["namespace"], f"copy{self.number}")
        marks = {k: live["metadata"].get(k) or {} for k in ("labels", "annotations")}
        await self._keep(key, {**_object(key, "mine"), "metadata": {"name": key.name, **marks}})

    async def _keep(self, key: Key, body: Object) -> None:
        if await self.act("POST", _path(key).rpartition("/")[0], body):
            live = await self._get(key)
            assert live
            self.foreign[key] = live

    async def _delete_resource(self) -> None:
        if found := await self._resources():
            body = self.chance.choice(found)
            self.recreated.add(body["spec"]["stackId"])
            await self.act("DELETE", f"{_STACKS}/{body['metadata']['name']}")

    async def _delete_payloads(self) -> None:
        path = f"/api/v1/namespaces/{self.home}/secrets"
        _, found = await self.wire.request("GET", path, operation="list")
        for item in found["items"]:
            await self.act("DELETE", f"{path}/{item['metadata']['name']}")

    async def _suspend(self) -> None:
        if found := await self._resources():
            await self._suspend_one(self.chance.choice(found), self.chance.random() < 0.5)

    async def _suspend_one(self, body: Object, value: bool) -> None:
        path = f"{_STACKS}/{body['metadata']['name']}"
        await self.act("PATCH", path, {"spec": {"suspend": value}}, MERGE)

    # --- what must be true -------------------------------------------------------------------

    async def _before_delete(self, _method: str, path: str, _options: Any) -> None:
        """No deletion by the agent hits what is foreign, or what the state that it saw wants."""
        key = self._key(path)
        if key is None:
            return
        if key in self.foreign:
            raise Violation(f"deletes a foreign object: {key}")
        for target in self.broker.seen:
            if key in self._named(target):
                raise Violation(f"deletes what {target.stack_name} wants: {key}")

    def _named(self, target: TargetObject) -> set[Key]:
        found = set()
        for manifest in manifests.parse(target.yaml_content):
            group, _ = objects.split_api_version(manifest["apiVersion"])
            metadata = manifest["metadata"]
            found.add(Key(group, manifest["kind"], metadata.get("namespace", ""), metadata["name"]))
        return found

    async def check(self) -> None:
        """After peace."""
        for key, before in self.foreign.items():
            now = await self._get(key)
            assert now, f"a foreign object is gone: {key}"
            assert now == before, f"a foreign object was changed: {key}"
        bodies = {b["spec"]["stackId"]: load(b) for b in await self._resources()}
        present = {
            s: self.wanted[s]
            for s in self.broker.targeted
            if s in self.broker.newest and not self.broker.newest[s].is_deletion_marker
        }
        for stack, wanted in present.items():
            found = bodies.get(stack)
            assert found, f"{self.stacks[stack]} has no resource"
            rivals = [s for s in present if s != stack and wanted.keys() & present[s].keys()]
            ready = found.status["conditions"]
            if not found.settled:
                claimed = rivals and any(c["reason"] == "Claimed" for c in ready)
                lacking = await self._lacks_namespace(wanted)
                assert claimed or lacking, f"{self.stacks[stack]}: {ready}"
                continue
            for key, value in wanted.items():
                await self._check_object(key, value, stack)
        await self._check_gone(present, bodies)

    async def _lacks_namespace(self, wanted: dict[Key, str]) -> bool:
        """Its namespace was another stack's, and went with it: nothing to be done about that."""
        for place in {key.namespace for key in wanted if key.namespace}:
            if await self._get(Key("", "Namespace", "", place)) is None:
                return True
        return False

    async def _check_object(self, key: Key, value: str, stack: str) -> None:
        live = await self._get(key)
        assert live, f"{key} of {self.stacks[stack]} is missing"
        assert objects.label(live, names.STACK_LABEL) == stack, f"{key} is not {stack}'s"
        assert objects.annotation(live, names.OWNER_ANNOTATION) == str(self.agent_id)
        if key.kind == "ConfigMap":
            assert live["data"]["v"] == value, f"{key} is not as wanted"

    async def _check_gone(self, present: dict[str, Any], bodies: dict[str, Any]) -> None:
        """What no stack wants is gone, where nothing speaks against it."""
        named = {key for wanted in present.values() for key in wanted}
        for key in self.pool:
            live = await self._get(key)
            if live is None or key in named or key in self.touched or key.kind == "Namespace":
                continue
            owner = objects.label(live, names.STACK_LABEL)
            if owner is None or owner in self.recreated:
                continue
            kept = bodies.get(owner)
            assert kept, f"{key} was left by {self.stacks[owner]}, which is gone"
            assert not kept.targeted or not kept.settled, f"{key} was left by {kept.stack_name}"

    async def check_quiet(self, writes: Callable[[], int]) -> None:
        """Another round over a cluster that is as wanted writes nothing."""
        before = writes()
        await self.process.poll()
        for name in self.process.names:
            await self.process.reconcile(name)
        await self.process.report()
        assert writes() == before, "a quiet cluster was written to"

    # --- small things ------------------------------------------------------------------------

    def _start(self) -> Process:
        wire = FaultyWire(self.wire, self.chance, self._before_delete)
        return Process(
            wire, self.broker, agent_id=self.agent_id, namespace=self.home, drift="correct"
        )

    def _uuid(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def _value(self) -> str:
        self.number += 1
        return f"value{self.number}"

    def _config_map(self) -> Key:
        return self.chance.choice([k for k in self.pool if k.kind == "ConfigMap"])

    def _key(self, path: str) -> Key | None:
        every = [*self.pool, *self.foreign]
        return next((k for k in every if _path(k) == path), None)

    async def _get(self, key: Key) -> Object | None:
        try:
            _, found = await self.wire.request("GET", _path(key), operation="get")
        except KubeNotFound:
            return None
        live: Object = found
        return live

    async def _resources(self) -> list[Object]:
        try:
            _, found = await self.wire.request("GET", _STACKS, operation="list")
        except KubeNotFound:
            return []
        return [b for b in found["items"] if b["spec"]["agentId"] == str(self.agent_id)]

    async def act(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> bool:
        """What a person tries; it may be too late for it."""
        try:
            await self.wire.request(
                method, path, operation="test", body=body, content_type=content_type
            )
        except KubeConflict:
            return False
        except KubeError as e:
            return bool(not e)
        return True


def _path(key: Key) -> str:
    root = _PATHS.get(key.kind) or _NAMESPACED.format(key.namespace)
    return f"{root}/{key.name}"


def _object(key: Key, value: str = "1") -> Object:
    version = "v1" if not key.group else f"{key.group}/v1"
    body: Object = {"apiVersion": version, "kind": key.kind, "metadata": {"name": key.name}}
    if key.kind == "ConfigMap":
        body["data"] = {"v": value}
    return body


def _yaml(key: Key, value: str) -> str:
    body = _object(key, value)
    if key.namespace:
        body["metadata"]["namespace"] = key.namespace
    return msgspec.yaml.encode(body).decode()
