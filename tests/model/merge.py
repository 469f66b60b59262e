"""Field ownership of server-side apply, for objects whose lists are atomic. Pure.

Source: sigs.k8s.io/structured-merge-diff: what a manager stops applying goes unless another one
owns it; what it applies it owns; whoever else had another value there loses it (force).
"""

import copy
from typing import Any

Path = tuple[str, ...]
Fields = dict[Path, Any]
Managers = dict[tuple[str, str], frozenset[Path]]  # (manager, operation) to what it owns

_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
_SERVER = {
    ("metadata", name)
    for name in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
} | {("metadata", "deletionTimestamp")}


def flatten(node: Any, at: Path = ()) -> Fields:
    """Leaves by path. Lists and empty objects are leaves."""
    if not isinstance(node, dict) or not node:
        return {at: node}
    found: Fields = {}
    for name, value in node.items():
        path = (*at, name)
        if path not in _IDENTITY and path not in _SERVER and value is not None:
            found |= flatten(value, path)
    return found


def apply(live: Any, managers: Managers, wanted: Any, manager: str) -> tuple[Any, Managers]:
    """Returns the object after the apply, and who owns what then."""
    me = (manager, "Apply")
    fields = flatten(wanted)
    merged, others = copy.deepcopy(live), {k: v for k, v in managers.items() if k != me}
    owned_elsewhere = frozenset().union(*others.values()) if others else frozenset[Path]()
    for path in managers.get(me, frozenset()) - fields.keys() - owned_elsewhere:
        _remove(merged, path)
    current = flatten(merged)
    changed = {
        path
        for path, value in fields.items()
        if current.get(path, ...) != value and not (value == {} and _is_map(merged, path))
    }
    for path in changed:
        _set(merged, path, copy.deepcopy(fields[path]))
    left = {k: v - changed for k, v in others.items()}
    return merged, {k: v for k, v in left.items() if v} | {me: frozenset(fields)}


def update(before: Any, after: Any, managers: Managers, manager: str) -> Managers:
    """Who owns what after somebody else has changed an object."""
    old, new = flatten(before), flatten(after)
    changed = {path for path, value in new.items() if old.get(path, ...) != value}
    gone = old.keys() - new.keys()
    left = {k: v - changed - gone for k, v in managers.items()}
    me = (manager, "Update")
    mine = left.get(me, frozenset()) | changed
    return {k: v for k, v in left.items() if v and k != me} | ({me: mine} if mine else {})


def merge_patch(node: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(node) if isinstance(node, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _is_map(node: Any, path: Path) -> bool:
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return isinstance(node, dict)


def _set(node: Any, path: Path, value: Any) -> None:
    for name in path[:-1]:
        child = node.get(name)
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child
    node[path[-1]] = value


def _remove(node: Any, path: Path) -> None:
    """The leaf, and what is empty then. A map that has got content meanwhile stays."""
    parents = [node]
    for name in path[:-1]:
        child = parents[-1].get(name)
        if not isinstance(child, dict):
            return
        parents.append(child)
    if isinstance(leaf := parents[-1].get(path[-1]), dict) and leaf:
        return
    for parent, name in zip(reversed(parents), reversed(path), strict=True):
        parent.pop(name, None)
        if parent or parent is node:
            return
