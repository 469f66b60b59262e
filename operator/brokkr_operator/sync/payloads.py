"""YAML as immutable Secrets that go with one of our resources."""

from collections.abc import Sequence
from typing import Any

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeNotFound
from brokkr_operator.resources import payload
from brokkr_operator.resources.objects import Entry, Key


class Payloads:
    """Writes what is missing, leaves what is there."""

    def __init__(self, kube: Kube, *, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    async def write(
        self, secrets: Sequence[str], pieces: Sequence[bytes], owner: dict[str, Any], *, kind: str
    ) -> None:
        """`owner` is the resource that they go with. Raises KubeError."""
        for name, piece in zip(secrets, pieces, strict=True):
            secret = payload.secret(name, self._namespace, piece, owner=owner, kind=kind)
            try:
                await self._kube.create(secret)
            except KubeConflict:
                await self._replace_if_foreign(secret)
            except KubeNotFound:
                await self._kube.ensure_namespace(self._namespace)
                await self._kube.create(secret)

    async def _replace_if_foreign(self, secret: dict[str, Any]) -> None:
        """Named by its content; only one that goes with an earlier resource has to give way."""
        name = secret["metadata"]["name"]
        live = await self._kube.find(Entry(Key("", "Secret", self._namespace, name), "v1"))
        if live is None:
            await self._kube.create(secret)
            return
        wanted = secret["metadata"]["ownerReferences"][0]["uid"]
        owners = {r["uid"] for r in live["metadata"].get("ownerReferences") or ()}
        if wanted not in owners:
            await self._kube.delete(live)
            await self._kube.create(secret)

    async def delete(self, name: str) -> None:
        live = await self._kube.find(Entry(Key("", "Secret", self._namespace, name), "v1"))
        if live:
            await self._kube.delete(live)
