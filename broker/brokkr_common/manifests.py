"""YAML text to Kubernetes manifests. The text is hostile until proven otherwise.

`check` walks the parser's event stream once, without building anything: it bounds size, depth,
aliases and documents, refuses duplicate keys, and finds the identity of every document. The
broker stops there. `parse`, for the agent, then builds the documents; it reads scalars as the
Kubernetes tools do (no timestamps, no base-60 numbers).

Errors name document, line and reason. Documents count from 1, in the order of the text, empty
ones included.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

Manifest = dict[str, Any]
_MERGE = "<<"
_TAGS = {None, "!"} | {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "binary")
}
_NOT_TEXT = re.compile(r"^(|~|null|true|false|yes|no|on|off|[-+]?[0-9][0-9_.]*)$", re.IGNORECASE)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one text. `nodes` counts every alias as often as it would be expanded."""

    bytes: int = 10 * 1024 * 1024
    depth: int = 64
    nodes: int = 1_000_000
    documents: int = 10_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a document is, as far as its own text says."""

    document: int
    line: int
    api_version: str
    kind: str
    name: str


class ManifestError(Exception):
    """A text is not a list of Kubernetes manifests. `document` and `line` count from 1."""

    def __init__(self, reason: str, *, document: int, line: int) -> None:
        super().__init__(f"document {document}, line {line}: {reason}")
        self.reason = reason
        self.document = document
        self.line = line


def checksum(text: str) -> str:
    """SHA-256 (hex) of the text as it is."""
    return hashlib.sha256(text.encode()).hexdigest()


def check(text: str, *, limits: Limits = Limits()) -> list[Identity]:
    """Return the identity of every non-empty document. Raises ManifestError."""
    if len(text.encode("utf-8", "surrogatepass")) > limits.bytes:
        raise ManifestError(f"larger than {limits.bytes} bytes", document=1, line=1)
    walk = _Walk(limits)
    try:
        for event in yaml.parse(text, Loader=_BaseLoader):
            walk.take(event)
    except yaml.YAMLError as e:
        raise _translate(e, walk.document) from e
    except UnicodeEncodeError as e:
        raise ManifestError("not valid Unicode", document=walk.document, line=1) from e
    return walk.found


def parse(text: str, *, limits: Limits = Limits()) -> list[Manifest]:
    """Return the manifests of a text, the items of a `List` in its place. Raises ManifestError."""
    return [manifest for manifest, _ in locate(text, limits=limits)]


def locate(text: str, *, limits: Limits = Limits()) -> list[tuple[Manifest, Identity]]:
    """The manifests, each with the document that it comes from. Raises ManifestError."""
    found = iter(check(text, limits=limits))
    manifests: list[tuple[Manifest, Identity]] = []
    try:
        for document in yaml.load_all(text, Loader=_Loader):
            if document is None:
                continue
            identity = next(found)
            manifests += ((manifest, identity) for manifest in _flatten(document, identity))
    except (yaml.YAMLError, ValueError) as e:
        raise _translate(e, len(manifests) + 1) from e
    return manifests


def _flatten(document: Manifest, identity: Identity) -> Iterator[Manifest]:
    if not is_list(document.get("kind"), document):
        yield document
        return
    for number, item in enumerate(document["items"] or [], start=1):
        where = {"document": identity.document, "line": identity.line}
        if not isinstance(item, dict):
            raise ManifestError(f"item {number} of the List is not an object", **where)
        for field in ("apiVersion", "kind"):
            if not isinstance(item.get(field), str) or not item[field]:
                raise ManifestError(f"item {number} of the List has no {field}", **where)
        metadata = item.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise ManifestError(f"item {number} of the List has no metadata.name", **where)
        yield item


def is_list(kind: object, document: Manifest) -> bool:
    """Whether a document only wraps others (`kind: List`, as `kubectl get -o yaml` prints)."""
    return isinstance(kind, str) and kind.endswith("List") and "items" in document


class _Frame:
    """One open mapping or sequence."""

    __slots__ = ("anchor", "expecting_key", "is_mapping", "key", "keys", "nodes")

    def __init__(self, *, is_mapping: bool, anchor: str | None) -> None:
        self.is_mapping = is_mapping
        self.anchor = anchor
        self.keys: set[str] = set()
        self.expecting_key = is_mapping
        self.key: str | None = None
        self.nodes = 1


class _Walk:
    """The state of one pass over the events of a text."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.document = 1
        self.found: list[Identity] = []
        self._nodes = 0
        self._frames: list[_Frame] = []
        self._anchors: dict[str, int] = {}
        self._named: set[str] = set()
        self._identity: dict[str, str] = {}
        self._seen_documents = 0
        self._root_line = 1

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if getattr(event, "tag", None) not in _TAGS:
            self._fail(f"tag {event.tag} is not allowed", line)
        if not isinstance(event, yaml.AliasEvent) and (name := getattr(event, "anchor", None)):
            if name in self._named:
                self._fail(f"anchor &{name} stands twice", line)
            self._named.add(name)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event, line)
            case yaml.DocumentStartEvent():
                self._begin(line)
            case yaml.DocumentEndEvent():
                self._finish()
            case _:
                pass

    def _begin(self, line: int) -> None:
        self._seen_documents += 1
        self.document = self._seen_documents
        if self.document > self.limits.documents:
            self._fail(f"more than {self.limits.documents} documents", line)
        self._anchors = {}
        self._named = set()
        self._identity = {}
        self._root_line = 0

    def _finish(self) -> None:
        if not self._root_line:
            return
        line = self._root_line
        wraps = self._identity.get("kind", "").endswith("List") and "items" in self._identity
        required = ["apiVersion", "kind"] + ([] if wraps else ["metadata.name"])
        for field in required:
            if not self._identity.get(field):
                self._fail(f"{field} is missing", line)
        self.found.append(
            Identity(
                document=self.document,
                line=line,
                api_version=self._identity["apiVersion"],
                kind=self._identity["kind"],
                name=self._identity.get("metadata.name", ""),
            )
        )

    def _scalar(self, event: Any, line: int) -> None:
        self._count(1, line)
        if not self._frames:
            if event.value or event.style or event.tag:
                self._fail("not an object (a mapping with apiVersion and kind)", line)
            return
        frame = self._frames[-1]
        frame.nodes += 1
        if event.anchor:
            self._anchors[event.anchor] = 1
        if frame.expecting_key:
            if event.value in frame.keys and event.value != _MERGE:
                self._fail(f"duplicate key {event.value!r}", line)
            frame.keys.add(event.value)
            frame.key, frame.expecting_key = event.value, False
        else:
            if event.implicit[0] and _MERGE in (event.value, frame.key):
                self._fail(f"{_MERGE} merges a mapping; quote it if it is text", line)
            self._note(event, line)
            frame.expecting_key = frame.is_mapping

    def _note(self, event: Any, line: int) -> None:
        """Remember a scalar if it is part of the document's identity."""
        depth = len(self._frames)
        field = self._frames[-1].key
        if depth == 2 and field == "name" and self._frames[0].key == "metadata":
            field = "metadata.name"
        elif depth != 1 or field not in ("apiVersion", "kind"):
            return
        if event.implicit[0] and _NOT_TEXT.match(event.value):
            self._fail(f"{field} must be text, not {event.value or 'empty'!r}", line)
        self._identity[field] = event.value

    def _open(self, event: Any, line: int) -> None:
        self._count(1, line)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if not self._frames:
            self._root_line = line
            if not is_mapping:
                self._fail("not an object (a mapping with apiVersion and kind)", line)
        elif self._frames[-1].expecting_key:
            self._fail("a key must be text", line)
        elif len(self._frames) == 1 and self._frames[0].key == "items" and not is_mapping:
            self._identity["items"] = "present"
        if len(self._frames) >= self.limits.depth:
            self._fail(f"nested deeper than {self.limits.depth} levels", line)
        self._frames.append(_Frame(is_mapping=is_mapping, anchor=event.anchor))

    def _close(self) -> None:
        closed = self._frames.pop()
        if closed.anchor:
            self._anchors[closed.anchor] = closed.nodes
        if self._frames:
            frame = self._frames[-1]
            frame.nodes += closed.nodes
            frame.expecting_key = frame.is_mapping

    def _alias(self, event: Any, line: int) -> None:
        size = self._anchors.get(event.anchor)
        if size is None:
            self._fail(f"alias *{event.anchor} has no anchor before it", line)
            return
        self._count(size, line)
        frame = self._frames[-1]
        if frame.expecting_key:
            self._fail("a key must be text", line)
        frame.nodes += size
        frame.expecting_key = frame.is_mapping

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > self.limits.nodes:
            self._fail(f"more than {self.limits.nodes} nodes once aliases are expanded", line)

    def _fail(self, reason: str, line: int) -> None:
        raise ManifestError(reason, document=self.document, line=line)


class _Loader(_BaseLoader):
    """Reads scalars as the Kubernetes tools do."""


_DROPPED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:value"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _DROPPED]
    for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^(?:[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    digits = text.lstrip("+-")
    if digits.startswith("0") and digits.isdigit() and len(digits) > 1:
        text = text.replace("0", "0o", 1)
    return int(text, 0)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _translate(e: Exception, document: int) -> ManifestError:
    mark = getattr(e, "problem_mark", None) or getattr(e, "context_mark", None)
    reason = getattr(e, "problem", None) or str(e)
    line = mark.line + 1 if mark else 1
    return ManifestError(f"not valid YAML: {reason}", document=document, line=line)
