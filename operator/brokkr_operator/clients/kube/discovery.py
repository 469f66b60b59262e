"""Which kinds the cluster serves, and under which paths. Cached until somebody misses one."""

import asyncio
import contextlib
from typing import Any

import msgspec

from brokkr_operator.clients.kube.session import Session
from brokkr_operator.errors import KubeError, KubeNotFound, UnknownKind


class Kind(msgspec.Struct, frozen=True):
    """A kind as the API server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "") -> str:
        root = "/apis/" if "/" in self.api_version else "/api/"
        parts = [root + self.api_version]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


class Discovery:
    """Asks for one API version at a time, when a kind of it is first needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, api_version: str, kind: str) -> Kind:
        """Raises UnknownKind. A kind that is not in the cache is asked for again."""
        known = self._kinds.get(api_version, {}).get(kind)
        if known is None:
            async with self._locks.setdefault(api_version, asyncio.Lock()):
                known = self._kinds.get(api_version, {}).get(kind)
                if known is None:
                    known = (await self.refresh(api_version)).get(kind)
        if known is None:
            raise UnknownKind(f"the cluster does not serve {kind} of {api_version}")
        return known

    async def locate(self, api_version: str, kind: str) -> Kind | None:
        """A kind in this version, or in another of its group, which shows the same objects."""
        with contextlib.suppress(UnknownKind):
            return await self.find(api_version, kind)
        group, _, _ = api_version.rpartition("/")
        if not group:
            return None
        try:
            _, answer = await self._session.request("GET", f"/apis/{group}", operation="discovery")
        except KubeNotFound:
            return None
        for version in answer["versions"]:
            if found := (await self.refresh(version["groupVersion"])).get(kind):
                return found
        return None

    async def refresh(self, api_version: str) -> dict[str, Kind]:
        """Ask the API server; an unknown version is an empty one."""
        root = "/apis/" if "/" in api_version else "/api/"
        try:
            _, answer = await self._session.request(
                "GET", root + api_version, operation="discovery"
            )
        except KubeNotFound:
            self._kinds.pop(api_version, None)
            return {}
        found = {
            item["kind"]: _kind(api_version, item)
            for item in answer["resources"]
            if "/" not in item["name"]
        }
        self._kinds[api_version] = found
        return found

    def knows(self, group: str, kind: str) -> bool:
        """Whether a kind is in the cache, in any version of its group."""
        return any(v.startswith(f"{group}/") and kind in k for v, k in self._kinds.items())

    def has(self, kind: Kind) -> bool:
        """Whether a kind is in the cache just so."""
        return self._kinds.get(kind.api_version, {}).get(kind.kind) == kind

    def forget(self, group: str) -> None:
        """A definition of this group is new, or gone."""
        for api_version in [v for v in self._kinds if v.startswith(f"{group}/")]:
            del self._kinds[api_version]

    async def every(self) -> list[Kind]:
        """Every kind that can be listed and deleted, in its preferred version.

        Raises KubeError where a part of the API does not answer: what cannot be seen may be there.
        """
        _, groups = await self._session.request("GET", "/apis", operation="discovery")
        versions = ["v1"] + [g["preferredVersion"]["groupVersion"] for g in groups["groups"]]
        found: list[Kind] = []
        for version in versions:
            try:
                kinds = await self.refresh(version)
            except KubeError as e:
                raise type(e)(f"cannot see what {version} has: {e}", status=e.status) from e
            found += [k for k in kinds.values() if {"list", "delete"} <= k.verbs]
        return found


def _kind(api_version: str, item: dict[str, Any]) -> Kind:
    return Kind(
        api_version, item["kind"], item["name"], item["namespaced"], frozenset(item["verbs"])
    )
