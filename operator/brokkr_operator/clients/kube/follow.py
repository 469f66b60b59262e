"""A list, then a watch from there on, for ever: objects of one kind as they change.

What is not needed of an object is dropped while it is decoded, so a watch holds little.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from brokkr_operator.clients.kube.discovery import Discovery, Kind
from brokkr_operator.clients.kube.session import Session
from brokkr_operator.errors import KubeError, KubeNotFound, UnknownKind

logger = logging.getLogger(__name__)

_PAGE = "500"
_SERVER_SECONDS = 300
_LONGEST_DELAY = 60.0
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    name: str
    uid: str


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What we ever need of an object's metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None


class Partial(msgspec.Struct, frozen=True):
    """An object of which only the metadata was asked for."""

    metadata: Metadata


T = TypeVar("T")


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct):
    metadata: Metadata


class _Expired(Exception):
    """The place to go on from is too old: list again."""


class Follower(Generic[T]):
    """`listed` gets all objects, at first and when the watch was lost; `changed` each change.

    A kind that is served no more, or not yet, is looked for again and again, in any version.
    """

    def __init__(
        self,
        session: Session,
        discovery: Discovery,
        api_version: str,
        kind: str,
        shape: type[T],
        *,
        selector: str = "",
        listed: Callable[[list[T]], None],
        changed: Callable[[str, T], None],
    ) -> None:
        self._session = session
        self._discovery = discovery
        self._name = (api_version, kind)
        self._decode = msgspec.json.Decoder(shape).decode
        self._partial = shape is Partial
        self._selector = selector
        self._listed = listed
        self._changed = changed
        self._version = ""

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures = 0
            except _Expired:
                self._version = ""
            except (KubeError, UnknownKind, msgspec.MsgspecError) as e:
                failures += 1
                delay = min(_LONGEST_DELAY, 0.5 * 2.0 ** min(failures, 10))
                extra = {"kind": self._name[1], "reason": str(e)[:300], "failures": failures}
                logger.log(
                    logging.WARNING if failures > 1 else logging.INFO, "watch lost", extra=extra
                )
                await asyncio.sleep(delay * (0.5 + 0.5 * random.random()))  # noqa: S311

    async def _follow(self) -> None:
        """Raises KubeError, UnknownKind."""
        kind = await self._discovery.locate(*self._name)
        if kind is None:
            self._version = ""
            raise UnknownKind(f"the cluster does not serve {' '.join(self._name)}")
        try:
            if not self._version:
                await self._list(kind)
            await self._watch(kind)
        except KubeNotFound:
            self._discovery.forget(kind.group)
            self._version = ""
            raise

    async def _list(self, kind: Kind) -> None:
        params = self._params() | {"limit": _PAGE}
        accept = _PARTIAL_LIST if self._partial else "application/json"
        found: list[T] = []
        while True:
            raw = await self._session.read(
                kind.path(), operation="list", params=params, accept=accept
            )
            page = msgspec.json.decode(raw, type=_Page)
            found += [self._decode(item) for item in page.items or ()]
            if not page.metadata.continue_:
                break
            params["continue"] = page.metadata.continue_
        self._version = page.metadata.resource_version
        self._listed(found)

    async def _watch(self, kind: Kind) -> None:
        params = self._params() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_SERVER_SECONDS * (0.8 + 0.2 * random.random()))),  # noqa: S311
        }
        accept = _PARTIAL if self._partial else "application/json"
        lines = self._session.stream(
            kind.path(), params=params, accept=accept, seconds=_SERVER_SECONDS + 30
        )
        async for line in lines:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                raise _Expired
            self._version = msgspec.json.decode(
                event.object, type=_Bookmark
            ).metadata.resource_version
            if event.type != "BOOKMARK":
                self._changed(event.type, self._decode(event.object))

    def _params(self) -> dict[str, str]:
        return {"labelSelector": self._selector} if self._selector else {}
