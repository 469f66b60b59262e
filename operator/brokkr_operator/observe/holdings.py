"""Which stack holds which objects: the index behind every watch. Built from inventories."""

from collections.abc import Callable, Sequence

from brokkr_operator.resources.objects import Entry, Key


class Holdings:
    def __init__(self) -> None:
        self._by_stack: dict[str, Sequence[Entry]] = {}
        self._by_key: dict[Key, str] = {}
        self._by_uid: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> None:
        """To be told whenever a stack holds something else."""
        self._listeners.append(listener)

    def put(self, stack: str, inventory: Sequence[Entry]) -> None:
        old = self._by_stack.get(stack, ())
        if list(old) == list(inventory):
            return
        self._drop(stack, old)
        self._by_stack[stack] = inventory
        for entry in inventory:
            self._by_key[entry.key] = stack
            if entry.uid:
                self._by_uid[entry.uid] = stack
        self._tell()

    def drop(self, stack: str) -> None:
        self._drop(stack, self._by_stack.pop(stack, ()))
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _drop(self, stack: str, inventory: Sequence[Entry]) -> None:
        for entry in inventory:
            if self._by_key.get(entry.key) == stack:
                del self._by_key[entry.key]
            if self._by_uid.get(entry.uid) == stack:
                del self._by_uid[entry.uid]

    def holder(self, key: Key) -> str | None:
        return self._by_key.get(key)

    def holder_of_uid(self, uid: str) -> str | None:
        return self._by_uid.get(uid)

    def kinds(self) -> set[tuple[str, str]]:
        """(api version, kind) of everything that is held."""
        return {(e.api_version, e.key.kind) for entries in self._by_stack.values() for e in entries}

    def entries(self) -> list[Entry]:
        return [entry for entries in self._by_stack.values() for entry in entries]
