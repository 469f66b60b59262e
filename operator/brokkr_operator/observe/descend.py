"""The pods below some objects, by walking up their owners; asked for only when they are wanted."""

from collections.abc import Sequence

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, UnknownKind
from brokkr_operator.resources.objects import Entry, Object

_DEPTH = 5
_MAX_LOG = 16 * 1024


async def pods_below(kube: Kube, entries: Sequence[Entry]) -> list[Object]:
    """Whole pods, each once. Raises KubeError."""
    wanted = {entry.uid for entry in entries if entry.uid}
    places = {entry.key.namespace for entry in entries}
    kind = await kube.discovery.find("v1", "Pod")
    parents: dict[str, list[Object]] = {}
    found: list[Object] = []
    for place in [""] if "" in places else sorted(places):
        listed = [pod async for pod in kube.list_(kind, namespace=place)]
        found += [pod for pod in listed if await _is_below(kube, pod, wanted, parents)]
    return found


async def _is_below(
    kube: Kube, pod: Object, wanted: set[str], parents: dict[str, list[Object]]
) -> bool:
    if pod["metadata"]["uid"] in wanted:
        return True
    namespace = pod["metadata"]["namespace"]
    level = pod["metadata"].get("ownerReferences") or []
    for _ in range(_DEPTH):
        if any(owner["uid"] in wanted for owner in level):
            return True
        above = []
        for owner in level:
            if owner["uid"] not in parents:
                parents[owner["uid"]] = await _owners(kube, owner, namespace)
            above += parents[owner["uid"]]
        level = above
    return False


async def _owners(kube: Kube, owner: Object, namespace: str) -> list[Object]:
    try:
        kind = await kube.discovery.find(owner["apiVersion"], owner["kind"])
        place = namespace if kind.namespaced else ""
        live = await kube.find_in(kind, place, owner["name"])
    except (KubeError, UnknownKind):
        return []
    references: list[Object] = (live["metadata"].get("ownerReferences") or []) if live else []
    return references


def containers(pod: Object) -> list[str]:
    """Their names, init containers first."""
    spec = pod["spec"]
    return [c["name"] for c in [*(spec.get("initContainers") or ()), *spec["containers"]]]


async def tail(kube: Kube, pod: Object, container: str, *, previous: bool = False) -> str:
    """The last hundred lines, cut to the last 16 KiB. Raises KubeError."""
    metadata = pod["metadata"]
    text = await kube.logs(
        metadata["namespace"], metadata["name"], container, lines=100, previous=previous
    )
    return text[-_MAX_LOG:]
