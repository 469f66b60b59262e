"""Which stack an object belongs to, where several of this agent's stacks name it.

An object stays with the stack that has it, while that stack's wanted version still names it.
Where no stack has it yet, the older version (the lower sequence) gets it. The other stack is
refused. An object that its stack names no more is taken over as it is, never removed in between.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import PayloadMissing, StackError
from brokkr_operator.reconcile.plan import Step
from brokkr_operator.reconcile.source import Source
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key, Object


class Moves(msgspec.Struct, frozen=True):
    """Objects that other stacks want: those still to be taken over, by whom, and those taken."""

    waiting: dict[Key, str]
    taken: frozenset[Key]


class Claims:
    """Asks the other stacks; what each names is remembered by its checksum."""

    def __init__(
        self, kube: Kube, source: Source, *, agent_id: str, stacks: Callable[[], list[BrokkrStack]]
    ) -> None:
        self._kube = kube
        self._source = source
        self._agent_id = agent_id
        self._stacks = stacks
        self._named: dict[str, tuple[str, frozenset[Key]]] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def check(self, stack: BrokkrStack, steps: Sequence[Step]) -> None:
        """Raises StackError for the first object that is another stack's."""
        by_key = {step.entry.key: step for step in steps}
        rivals = await self._rivals(stack, frozenset(by_key), guess=True)
        for rival, shared in rivals:
            for key in sorted(shared):
                if await self._holds(rival, stack, by_key[key].entry):
                    raise StackError(
                        f"{by_key[key]}: belongs to stack {rival.stack_name}, which still has it",
                        reason=Reason.CLAIMED,
                        stalled=True,
                    )

    async def moves(self, stack: BrokkrStack, gone: Sequence[Entry]) -> Moves | None:
        """Of what a stack does not want any more, what another one does.

        None where that cannot be said now: the YAML of a stack is not in the cluster yet.
        """
        entries = {entry.key: entry for entry in gone}
        try:
            rivals = await self._rivals(stack, frozenset(entries)) if entries else []
        except PayloadMissing:
            return None
        waiting: dict[Key, str] = {}
        for rival, shared in rivals:
            for key in shared:
                live = await self._kube.find(entries[key])
                if live and objects.label(live, names.STACK_LABEL) == stack.stack_id:
                    waiting[key] = rival.stack_name
        wanted = frozenset[Key]().union(*(shared for _, shared in rivals))
        return Moves(waiting, wanted - waiting.keys())

    async def _rivals(
        self, stack: BrokkrStack, keys: frozenset[Key], *, guess: bool = False
    ) -> list[tuple[BrokkrStack, frozenset[Key]]]:
        """The other stacks that name some of these objects, and which.

        One whose YAML is missing names what it has, as a guess. Raises PayloadMissing otherwise.
        """
        found = []
        current = self._stacks()
        for other in current:
            if other.stack_id == stack.stack_id or other.absent or not other.targeted:
                continue
            # NB: the inventory of a settled stack has all that it names, and perhaps more.
            if other.settled and keys.isdisjoint(other.has):
                continue
            try:
                named = await self._named_by(other)
            except PayloadMissing:
                if not guess:
                    raise
                named = other.has
            if shared := keys & named:
                found.append((other, shared))
        if len(self._named) > 2 * len(current):
            self._forget_all_but({other.name for other in current})
        return found

    async def _named_by(self, stack: BrokkrStack) -> frozenset[Key]:
        # NB: workers that begin together would all read the same YAML.
        async with self._reading.setdefault(stack.name, asyncio.Lock()):
            checksum, known = self._named.get(stack.name, ("", frozenset[Key]()))
            if checksum == stack.checksum:
                return known
            try:
                documents = await self._source.documents(stack, remembered=True)
            except StackError:
                return stack.has  # it can never be applied as it is
            named = named_in(documents)
            self._named[stack.name] = (stack.checksum, named)
            return named

    def _forget_all_but(self, current: set[str]) -> None:
        for name in self._named.keys() - current:
            del self._named[name]
            self._reading.pop(name, None)

    async def _holds(self, rival: BrokkrStack, stack: BrokkrStack, entry: Entry) -> bool:
        live = await self._kube.find(entry)
        if live and objects.annotation(live, names.OWNER_ANNOTATION) == self._agent_id:
            holder = objects.label(live, names.STACK_LABEL)
            if holder in (rival.stack_id, stack.stack_id):
                return holder == rival.stack_id
        has, had = (_has(s, entry.key) for s in (rival, stack))
        if has != had:
            return has
        return rival.sequence_id < stack.sequence_id


def named_in(documents: Iterable[Object]) -> frozenset[Key]:
    """The objects that manifests name. Pure, and knows no scopes.

    So one without a namespace stands for the cluster-scoped object and for that in `default`;
    one with a namespace also for the cluster-scoped one.
    """
    found = set()
    for manifest in documents:
        group, _ = objects.split_api_version(manifest["apiVersion"])
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
        for place in ("", namespace or "default"):
            found.add(Key(group, manifest["kind"], place, name))
    return frozenset(found)


def _has(stack: BrokkrStack, key: Key) -> bool:
    return any(entry.uid and entry.key == key for entry in stack.inventory or ())
