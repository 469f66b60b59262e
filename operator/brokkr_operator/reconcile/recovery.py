"""Find a stack's objects without an inventory, by a label scan over all kinds: the last resort."""

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.reconcile.prune import Owner
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.objects import Entry


async def scan(kube: Kube, owner: Owner) -> list[Entry]:
    """Every object that carries the stack's label and this agent's annotation."""
    found: dict[str, Entry] = {}
    for kind in await kube.discovery.every():
        selector = f"{names.STACK_LABEL}={owner.stack_id}"
        async for item in kube.list_(kind, selector=selector):
            if objects.annotation(item, names.OWNER_ANNOTATION) != owner.agent_id:
                continue
            if item["metadata"].get("ownerReferences"):
                continue
            if not objects.is_applied(item, names.FIELD_MANAGER):
                continue  # a copy that somebody made, marks and all
            found.setdefault(item["metadata"]["uid"], objects.entry_of(item))
    return list(found.values())
