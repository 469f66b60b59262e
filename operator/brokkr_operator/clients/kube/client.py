"""The calls we make to the Kubernetes API, one method each."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from brokkr_operator.clients.kube.discovery import Discovery, Kind
from brokkr_operator.clients.kube.follow import Follower
from brokkr_operator.clients.kube.session import APPLY, LEASE, MERGE, Session
from brokkr_operator.errors import KubeConflict, KubeNotFound
from brokkr_operator.resources import names
from brokkr_operator.resources.objects import Entry, Object

_PAGE = "500"
T = TypeVar("T")


class Kube:
    """Objects go in and come out as plain dictionaries."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.discovery = Discovery(session)

    async def close(self) -> None:
        await self._session.close()

    async def find(self, entry: Entry) -> Object | None:
        """The live object, or None where it, or even its kind, is not there.

        Where its version is served no more, it is found in another one.
        """
        for _ in range(2):
            kind = await self.discovery.locate(entry.api_version, entry.key.kind)
            if kind is None:
                return None
            live = await self.find_in(kind, entry.key.namespace, entry.key.name)
            if live is not None or self.discovery.has(kind):
                return live
        return None

    async def find_in(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            _, found = await self._ask(kind, "GET", kind.path(namespace, name), operation="get")
        except KubeNotFound:
            return None
        live: Object = found
        return live

    async def apply(self, obj: Object, *, dry_run: bool = False) -> tuple[Object, bool]:
        """Server-side apply, with force. Returns the result, and whether the object is new."""
        kind = await self.discovery.find(obj["apiVersion"], obj["kind"])
        metadata = obj["metadata"]
        params = {"fieldManager": names.FIELD_MANAGER, "force": "true"}
        if dry_run:
            params["dryRun"] = "All"
        status, result = await self._ask(
            kind,
            "PATCH",
            kind.path(metadata.get("namespace", ""), metadata["name"]),
            operation="apply",
            params=params,
            body=obj,
            content_type=APPLY,
        )
        return result, status == 201

    async def create(self, obj: Object) -> Object:
        """Raises KubeConflict where it exists."""
        kind = await self.discovery.find(obj["apiVersion"], obj["kind"])
        path = kind.path(obj["metadata"].get("namespace", ""))
        _, result = await self._ask(kind, "POST", path, operation="create", body=obj)
        created: Object = result
        return created

    async def merge(
        self,
        kind: Kind,
        name: str,
        patch: dict[str, Any],
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Object:
        """A merge patch of an object."""
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        _, result = await self._ask(
            kind, "PATCH", path, operation="patch", body=patch, content_type=MERGE
        )
        patched: Object = result
        return patched

    async def delete(self, obj: Object) -> None:
        """Delete exactly this object in exactly this state. Raises KubeConflict if it changed.

        An object that is gone already is fine.
        """
        metadata = obj["metadata"]
        kind = await self.discovery.find(obj["apiVersion"], obj["kind"])
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body = {"propagationPolicy": "Background", "preconditions": preconditions}
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        try:
            await self._ask(kind, "DELETE", path, operation="delete", body=body)
        except KubeNotFound:
            return

    async def list_(
        self, kind: Kind, *, namespace: str = "", selector: str = ""
    ) -> AsyncIterator[Object]:
        """Every object of a kind, page by page."""
        params = {"limit": _PAGE}
        if selector:
            params["labelSelector"] = selector
        while True:
            _, page = await self._ask(
                kind, "GET", kind.path(namespace), operation="list", params=params
            )
            for item in page["items"]:
                # NB: items of a list do not say what they are.
                yield {"apiVersion": kind.api_version, "kind": kind.kind, **item}
            token = page["metadata"].get("continue")
            if not token:
                return
            params["continue"] = token

    async def logs(
        self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False
    ) -> str:
        """The last lines of a container, at most 64 KiB. Raises KubeError."""
        params = {"container": container, "tailLines": str(lines), "limitBytes": "65536"}
        if previous:
            params["previous"] = "true"
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        raw = await self._session.read(path, operation="logs", params=params, accept="*/*")
        return raw.decode(errors="replace")

    def follow(
        self,
        api_version: str,
        kind: str,
        shape: type[T],
        *,
        selector: str = "",
        listed: Callable[[list[T]], None],
        changed: Callable[[str, T], None],
    ) -> Follower[T]:
        """A watch of every object of a kind; `run` it."""
        return Follower(
            self._session,
            self.discovery,
            api_version,
            kind,
            shape,
            selector=selector,
            listed=listed,
            changed=changed,
        )

    async def put_lease(self, lease: Object, *, create: bool) -> Object:
        """Raises KubeConflict where somebody else was faster."""
        metadata = lease["metadata"]
        path = f"/apis/coordination.k8s.io/v1/namespaces/{metadata['namespace']}/leases"
        method, place = ("POST", path) if create else ("PUT", f"{path}/{metadata['name']}")
        _, result = await self._session.request(method, place, operation=LEASE, body=lease)
        written: Object = result
        return written

    def fence(self, may_write: Callable[[], bool]) -> None:
        self._session.fence(may_write)

    async def ensure_namespace(self, name: str) -> None:
        try:
            await self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except KubeConflict:
            return

    async def ping(self) -> None:
        """Raises KubeError where the API server is not ready to serve us."""
        await self._session.request("GET", "/version", operation="get")

    async def _ask(self, kind: Kind, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """A request about a kind, which may be served there no more: then it is looked for anew."""
        try:
            return await self._session.request(method, path, **options)
        except KubeNotFound as e:
            # NB: a 404 names the object that is missing. One that names none means the path.
            if not e.details.get("name"):
                self.discovery.forget(kind.group)
            raise
