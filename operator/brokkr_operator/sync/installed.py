"""Our own definitions in the cluster: installed at the start, and the same ones for a whole life.

Whoever deletes one ends the watch of its kind, and takes our resources with it: then the agent
begins anew.
"""

import asyncio

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeUnavailable
from brokkr_operator.resources import definitions, names
from brokkr_operator.resources.objects import Entry, Key

_ATTEMPTS = 30
_LOOKS = 20
_LOOK_SECONDS = 0.05


async def install(kube: Kube) -> frozenset[str]:
    """Apply our own CRDs, wait until they are served, return their uids. Raises KubeUnavailable.

    One that is just being deleted takes the change and goes all the same, so it is applied again.
    """
    kube.discovery.forget(names.GROUP)
    for _ in range(_ATTEMPTS):
        for definition in definitions.load():
            await kube.apply(definition)
        for _ in range(_LOOKS):
            found = await uids(kube)
            if len(found) == len(definitions.load()) and not await _unserved(kube):
                return found
            await asyncio.sleep(_LOOK_SECONDS)
    raise KubeUnavailable(f"applied, but not served: {', '.join(sorted(await _unserved(kube)))}")


async def uids(kube: Kube) -> frozenset[str]:
    """Of those that are there, and are not being deleted."""
    found = [
        await kube.find(entry(definition["metadata"]["name"])) for definition in definitions.load()
    ]
    live = [body["metadata"] for body in found if body]
    return frozenset(m["uid"] for m in live if "deletionTimestamp" not in m)


async def _unserved(kube: Kube) -> set[str]:
    kinds = {definition["spec"]["names"]["kind"] for definition in definitions.load()}
    return kinds - (await kube.discovery.refresh(names.API_VERSION)).keys()


def entry(name: str) -> Entry:
    """Of a CRD."""
    return Entry(Key("apiextensions.k8s.io", "CustomResourceDefinition", "", name), "v1")
