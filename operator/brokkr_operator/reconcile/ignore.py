"""Fields that somebody else may keep: `brokkr.io/ignore-fields`. Pure.

The annotation has JSON pointers (RFC 6901), separated by commas or spaces:
`/spec/replicas, /data/motd`. Once the object exists, such a field is applied as it is in the
cluster, so an autoscaler keeps its own.
"""

import copy
import re
from typing import Any

from brokkr_operator.errors import StackError
from brokkr_operator.resources import names, objects
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Object

Pointer = tuple[str, ...]

_SEPARATORS = re.compile(r"[,\s]+")
_METADATA = {"labels", "annotations"}
_MISSING = object()


def pointers(manifest: Object) -> list[Pointer]:
    """Raises StackError where one is malformed, or names what makes the object ours."""
    text = objects.annotation(manifest, names.IGNORE_ANNOTATION) or ""
    return [_pointer(raw) for raw in _SEPARATORS.split(text) if raw]


def adopt(manifest: Object, live: Object, ignored: list[Pointer]) -> Object:
    """A copy of the manifest with the ignored fields as they are in the cluster."""
    adopted = copy.deepcopy(manifest)
    for pointer in ignored:
        value = _get(live, pointer)
        if value is _MISSING:
            _remove(adopted, pointer)
        else:
            _set(adopted, pointer, copy.deepcopy(value))
    return adopted


def _pointer(raw: str) -> Pointer:
    parts = tuple(p.replace("~1", "/").replace("~0", "~") for p in raw.split("/")[1:])
    if not raw.startswith("/") or not all(parts):
        raise _refused(f"{raw!r} is not a JSON pointer such as /spec/replicas")
    if parts[0] in ("apiVersion", "kind", "status"):
        raise _refused(f"{raw}: this field cannot be ignored")
    if parts[0] == "metadata" and (
        len(parts) != 3 or parts[1] not in _METADATA or parts[2] in names.MARKS
    ):
        raise _refused(f"{raw}: of metadata, single labels and annotations can be ignored")
    return parts


def _refused(text: str) -> StackError:
    return StackError(
        f"annotation {names.IGNORE_ANNOTATION}: {text}",
        reason=Reason.INVALID_MANIFEST,
        stalled=True,
    )


def _get(node: Any, pointer: Pointer) -> Any:
    for part in pointer:
        node = _child(node, part)
        if node is _MISSING:
            return _MISSING
    return node


def _child(node: Any, part: str) -> Any:
    if isinstance(node, dict):
        return node.get(part, _MISSING)
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    return _MISSING


def _set(node: Any, pointer: Pointer, value: Any) -> None:
    """Objects on the way are made; an index that the manifest does not have is left alone."""
    for part in pointer[:-1]:
        child = _child(node, part)
        if not isinstance(child, dict | list):
            if not isinstance(node, dict):
                return
            child = node[part] = {}
        node = child
    last = pointer[-1]
    if isinstance(node, dict):
        node[last] = value
    elif _child(node, last) is not _MISSING:
        node[int(last)] = value


def _remove(node: Any, pointer: Pointer) -> None:
    parent = _get(node, pointer[:-1])
    if isinstance(parent, dict):
        parent.pop(pointer[-1], None)
