"""The BrokkrStacks of this agent as last seen: fed by the watch, and by our own writes."""

from typing import Any

from brokkr_operator.resources import brokkrstack
from brokkr_operator.resources.brokkrstack import BrokkrStack


class Store:
    """By name. An older version never replaces a newer one."""

    def __init__(self) -> None:
        self._stacks: dict[str, BrokkrStack] = {}
        self.complete = False

    def put(self, body: dict[str, Any]) -> tuple[BrokkrStack | None, BrokkrStack]:
        """Take a body; return what was known before, and what is known now."""
        new = brokkrstack.load(body)
        old = self._stacks.get(new.name)
        if old and old.uid == new.uid and int(old.resource_version) > int(new.resource_version):
            return old, old
        self._stacks[new.name] = new
        return old, new

    def remove(self, name: str, uid: str) -> bool:
        known = self._stacks.get(name)
        if known is None or known.uid != uid:
            return False
        del self._stacks[name]
        return True

    def of(self, agent_id: str) -> list[BrokkrStack]:
        return [s for s in self._stacks.values() if s.agent_id == agent_id and not s.deleting]

    def by_stack(self, agent_id: str) -> dict[str, BrokkrStack]:
        return {s.stack_id: s for s in self.of(agent_id)}

    def find(self, name: str) -> BrokkrStack | None:
        return self._stacks.get(name)
