"""Which stack holds which objects: the index behind every watch. Built from inventories."""

from collections import Counter
from collections.abc import Callable, Sequence

from brokkr_operator.resources.objects import Entry, Key

Place = tuple[str, str, str]


class Holdings:
    """A change costs what has changed, however much is held."""

    def __init__(self) -> None:
        self._by_stack: dict[str, Sequence[Entry]] = {}
        self._by_key: dict[Key, str] = {}
        self._by_uid: dict[str, str] = {}
        self._places: Counter[Place] = Counter()
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> None:
        """To be told when another kind is held, or a kind in another namespace."""
        self._listeners.append(listener)

    def put(self, stack: str, inventory: Sequence[Entry]) -> None:
        old = self._by_stack.get(stack, ())
        if list(old) == list(inventory):
            return
        before = self._places.keys() | ()
        self._drop(stack, old)
        self._by_stack[stack] = inventory
        for entry in inventory:
            self._by_key[entry.key] = stack
            self._places[_place(entry)] += 1
            if entry.uid:
                self._by_uid[entry.uid] = stack
        self._tell(before)

    def drop(self, stack: str) -> None:
        before = self._places.keys() | ()
        self._drop(stack, self._by_stack.pop(stack, ()))
        self._tell(before)

    def _tell(self, before: set[Place]) -> None:
        if self._places.keys() != before:
            for listener in self._listeners:
                listener()

    def _drop(self, stack: str, inventory: Sequence[Entry]) -> None:
        for entry in inventory:
            if self._by_key.get(entry.key) == stack:
                del self._by_key[entry.key]
            if self._by_uid.get(entry.uid) == stack:
                del self._by_uid[entry.uid]
            place = _place(entry)
            self._places[place] -= 1
            if not self._places[place]:
                del self._places[place]

    def holder(self, key: Key) -> str | None:
        return self._by_key.get(key)

    def holder_of_uid(self, uid: str) -> str | None:
        return self._by_uid.get(uid)

    def kinds(self) -> set[tuple[str, str]]:
        """(api version, kind) of everything that is held."""
        return {(api_version, kind) for api_version, kind, _ in self._places}

    def places(self) -> set[tuple[str, str, str]]:
        """(group, kind, namespace) of everything that is held."""
        return {(v.rpartition("/")[0], kind, namespace) for v, kind, namespace in self._places}


def _place(entry: Entry) -> Place:
    return entry.api_version, entry.key.kind, entry.key.namespace
