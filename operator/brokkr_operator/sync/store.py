"""Our resources of one kind as last seen: fed by the watch, and by our own writes."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar


class Resource(Protocol):
    """What every view of ours has."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def agent_id(self) -> str: ...
    @property
    def deleting(self) -> bool: ...


R = TypeVar("R", bound=Resource)


class Store(Generic[R]):
    """By name. An older version never replaces a newer one."""

    def __init__(self, load: Callable[[dict[str, Any]], R]) -> None:
        self._load = load
        self._known: dict[str, R] = {}
        self.complete = False

    def put(self, body: dict[str, Any]) -> tuple[R | None, R]:
        """Take a body; return what was known before, and what is known now."""
        new = self._load(body)
        old = self._known.get(new.name)
        if old and old.uid == new.uid and int(old.resource_version) > int(new.resource_version):
            return old, old
        self._known[new.name] = new
        return old, new

    def remove(self, name: str, uid: str) -> bool:
        known = self._known.get(name)
        if known is None or known.uid != uid:
            return False
        del self._known[name]
        return True

    def of(self, agent_id: str) -> list[R]:
        return [r for r in self._known.values() if r.agent_id == agent_id and not r.deleting]

    def find(self, name: str) -> R | None:
        return self._known.get(name)
