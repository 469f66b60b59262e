"""Notice at once what others do to the objects of our stacks: a watch for every kind in use.

Only metadata is asked for. A change of what an object is asks for a comparison; a change of its
status asks for a look at its health.
"""

import asyncio
from collections.abc import Callable

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.clients.kube.follow import Partial
from brokkr_operator.observe import sightings
from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.observe.sightings import Sightings
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.objects import Key


class Watches:
    """`touched` hears of objects that may differ now, `moved` of stacks with news of health."""

    def __init__(
        self,
        kube: Kube,
        holdings: Holdings,
        seen: Sightings,
        *,
        touched: Callable[[str, Key], None],
        moved: Callable[[str], None],
    ) -> None:
        self._kube = kube
        self._holdings = holdings
        self._touched = touched
        self._moved = moved
        self._seen = seen
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        holdings.subscribe(self.refresh)

    def refresh(self) -> None:
        """The kinds in use may be others now."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                wanted = self._holdings.kinds()
                for kind in self._tasks.keys() - wanted:
                    self._tasks.pop(kind).cancel()
                for kind in wanted - self._tasks.keys():
                    self._tasks[kind] = group.create_task(self._watch(*kind))
                await self._wake.wait()

    async def _watch(self, api_version: str, kind: str) -> None:
        group, _ = objects.split_api_version(api_version)

        def key_of(item: Partial) -> Key:
            return Key(group, kind, item.metadata.namespace, item.metadata.name)

        def listed(items: list[Partial]) -> None:
            present = {key_of(item): item for item in items}
            for key in [k for k in self._seen if (k.group, k.kind) == (group, kind)]:
                if key not in present:
                    self._gone(key)
            for key, item in present.items():
                self._changed(key, item)

        def changed(what: str, item: Partial) -> None:
            if what == "DELETED":
                self._gone(key_of(item))
            else:
                self._changed(key_of(item), item)

        follower = self._kube.follow(
            api_version,
            kind,
            Partial,
            selector=names.STACK_LABEL,
            listed=listed,
            changed=changed,
        )
        await follower.run()

    def _changed(self, key: Key, item: Partial) -> None:
        new, old = sightings.of(item.metadata), self._seen.get(key)
        self._seen[key] = new
        if new == old or (holder := self._holdings.holder(key)) is None:
            return
        if old is None or (old.uid, old.face) != (new.uid, new.face):
            self._touched(holder, key)
        else:
            self._moved(holder)

    def _gone(self, key: Key) -> None:
        self._seen.pop(key, None)
        if holder := self._holdings.holder(key):
            self._touched(holder, key)
