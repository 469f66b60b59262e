"""Target state to BrokkrStacks and their payload Secrets. Idempotent, and safe to interrupt.

A new version: Secrets first, then the pointer, then the old Secrets go. A new stack: the resource
first (the Secrets need its uid to go with it); reconcile waits for them.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from brokkr_common.wire.deployments import TargetObject
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeNotFound, KubeUnavailable
from brokkr_operator.resources import brokkrstack, names, payload
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.objects import Entry, Key
from brokkr_operator.sync import installed
from brokkr_operator.sync.payloads import Payloads
from brokkr_operator.sync.store import Store

logger = logging.getLogger(__name__)

_AT_ONCE = 8
_DEFINITION = installed.entry(f"brokkrstacks.{names.GROUP}")


class Mirror:
    """Writes specs; `wake` tells reconcile that a stack has something new."""

    def __init__(
        self,
        kube: Kube,
        store: Store[BrokkrStack],
        *,
        agent_id: str,
        namespace: str,
        on_untarget: Literal["keep", "delete"],
        wake: Callable[[str], None],
    ) -> None:
        self._kube = kube
        self._store = store
        self._agent_id = agent_id
        self._payloads = Payloads(kube, namespace=namespace)
        self._on_untarget = on_untarget
        self._wake = wake

    async def load(self) -> None:
        """Fill the store once, before the watch does."""
        if self._store.complete:
            return
        kind = await self._kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        async for body in self._kube.list_(kind):
            _, stack = self._store.put(body)
            if stack.agent_id == self._agent_id:
                self._wake(stack.name)
        self._store.complete = True

    def matches(self, wanted: Sequence[tuple[str, str]]) -> bool:
        """Whether every (stack, object) of a target state has its resource."""
        known = self._by_stack()
        return all(
            stack in known
            and known[stack].deployment_object_id == object_id
            and known[stack].targeted
            for stack, object_id in wanted
        )

    def _by_stack(self) -> dict[str, BrokkrStack]:
        return {s.stack_id: s for s in self._store.of(self._agent_id)}

    async def write(self, wanted: Sequence[TargetObject], *, restore: frozenset[str]) -> None:
        """Bring all resources to a full target state. `restore`: stacks whose YAML was lost."""
        known = self._by_stack()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def bring(target: TargetObject) -> None:
            async with limit:
                stack = known.get(str(target.stack_id))
                if stack is None:
                    await self._create(target)
                elif not _shows(stack, target) or stack.stack_id in restore:
                    await self._update(stack, target)

        if any(str(target.stack_id) not in known for target in wanted):
            await self._check_definition()
        results = await asyncio.gather(*map(bring, wanted), return_exceptions=True)
        for failure in filter(None, results):
            raise failure
        for stack_id in known.keys() - {str(target.stack_id) for target in wanted}:
            await self._let_go(known[stack_id])

    async def retire(self) -> None:
        """Remove the resources of stacks that are gone and reported."""
        for stack in self._store.of(self._agent_id):
            if stack.done:
                entry = Entry(Key(names.GROUP, brokkrstack.KIND, "", stack.name), names.VERSION)
                live = await self._kube.find(entry)
                if live and brokkrstack.load(live).done:
                    await self._kube.delete(live)
                    self._store.remove(stack.name, stack.uid)

    async def _check_definition(self) -> None:
        """While somebody deletes our CRD, a new resource of it would only hold that up."""
        live = await self._kube.find(_DEFINITION)
        if live and "deletionTimestamp" in live["metadata"]:
            raise KubeUnavailable(f"{_DEFINITION.key} is being deleted")

    async def _create(self, target: TargetObject) -> None:
        unique = f"{self._agent_id}/{target.stack_id}"
        name = names.slug(target.stack_name, unique=unique)
        pieces = [] if target.is_deletion_marker else payload.split(target.yaml_content)
        secrets = payload.secret_names(name, target.yaml_checksum, len(pieces))
        body = {
            "apiVersion": names.API_VERSION,
            "kind": brokkrstack.KIND,
            "metadata": {"name": name, "labels": {names.STACK_LABEL: str(target.stack_id)}},
            "spec": {
                "agentId": self._agent_id,
                "stackId": str(target.stack_id),
                **_pointer(target, secrets),
            },
        }
        # NB: STACK_LABEL on our own resource is for people; a resource without our owner
        # annotation is never taken for an object of the stack.
        try:
            created = await self._kube.create(body)
        except KubeConflict:
            self._store.complete = False  # it is there, but not in the store: look again
            raise
        self._store.put(created)
        await self._payloads.write(secrets, pieces, created, kind=brokkrstack.KIND)
        self._wake(name)

    async def _update(self, stack: BrokkrStack, target: TargetObject) -> None:
        pieces = [] if target.is_deletion_marker else payload.split(target.yaml_content)
        secrets = payload.secret_names(stack.name, target.yaml_checksum, len(pieces))
        owner = {"metadata": {"name": stack.name, "uid": stack.uid}}
        await self._payloads.write(secrets, pieces, owner, kind=brokkrstack.KIND)
        kind = await self._kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        try:
            body = await self._kube.merge(kind, stack.name, {"spec": _pointer(target, secrets)})
        except KubeNotFound:
            self._store.remove(stack.name, stack.uid)  # nobody said that it went; make it anew
            raise
        self._store.put(body)
        self._wake(stack.name)
        for old in set(stack.secrets) - set(secrets):
            await self._payloads.delete(old)

    async def _let_go(self, stack: BrokkrStack) -> None:
        """The broker does not want this stack here any more, but never said: remove it."""
        if stack.absent or not stack.targeted:
            return
        logger.info(
            "stack untargeted", extra={"stack": stack.stack_name, "then": self._on_untarget}
        )
        change = {"desired": "Absent"} if self._on_untarget == "delete" else {"targeted": False}
        kind = await self._kube.discovery.find(names.API_VERSION, brokkrstack.KIND)
        self._store.put(await self._kube.merge(kind, stack.name, {"spec": change}))
        self._wake(stack.name)


def _shows(stack: BrokkrStack, target: TargetObject) -> bool:
    return (
        stack.targeted
        and stack.deployment_object_id == str(target.id)
        and stack.absent == target.is_deletion_marker
        and stack.stack_name == target.stack_name
    )


def _pointer(target: TargetObject, secrets: Sequence[str]) -> dict[str, Any]:
    return {
        "stackName": target.stack_name,
        "deploymentObjectId": str(target.id),
        "sequenceId": target.sequence_id,
        "checksum": target.yaml_checksum,
        "desired": "Absent" if target.is_deletion_marker else "Present",
        "targeted": True,
        "payload": {"secrets": list(secrets), "size": len(target.yaml_content)},
    }
