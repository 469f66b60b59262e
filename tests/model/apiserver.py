"""A model of the Kubernetes API server: in memory, with the rules that the agent relies on.

It answers requests as they come over the wire, by method, path and body. That it is faithful is
tested against a real API server (`e2e/test_model.py`). Controllers act when `settle` is called.
"""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID as _UIDS
from uuid import uuid5

from model import merge

Object = dict[str, Any]
Answer = tuple[int, Object]

_NOW = "2026-01-01T00:00:00Z"


class Resource(NamedTuple):
    """`counts`: whether its objects have a generation."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    counts: bool = False


RESOURCES = [
    Resource("v1", "Namespace", "namespaces", False),
    Resource("v1", "ConfigMap", "configmaps", True),
    Resource("v1", "Secret", "secrets", True),
    Resource("v1", "Event", "events", True),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    Resource("brokkr.io/v1", "BrokkrStack", "brokkrstacks", False, counts=True),
    Resource("brokkr.io/v1", "BrokkrAgent", "brokkragents", False, counts=True),
]
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class Place(NamedTuple):
    """Where an object is kept."""

    plural: str
    namespace: str
    name: str


class Target(NamedTuple):
    resource: Resource
    place: Place
    subresource: str


class ApiServer:
    """`writes` counts what has changed anything."""

    def __init__(self) -> None:
        self.objects: dict[Place, Object] = {}
        self.managers: dict[Place, merge.Managers] = {}
        self.version = 1
        for name in ("default", "kube-system"):
            self.handle("POST", "/api/v1/namespaces", body=_namespace(name))

    @property
    def writes(self) -> int:
        return self.version

    def handle(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Status and body, as a Status where it is an error."""
        params = params or {}
        found = _discovery(path) or _parse(path)
        if found is None:
            return _error(404, "NotFound", "the server could not find the requested resource")
        if not isinstance(found, Target):
            return 200, found
        if method == "GET" and not found.place.name:
            return self._list(found, params)
        if method == "POST":
            return self._create(found, body)
        if method == "PATCH" and content_type.startswith("application/apply-patch"):
            return self._apply(found, params, body)
        return self._of_one(method, found, body or {})

    def _of_one(self, method: str, target: Target, body: Object) -> Answer:
        live = self.objects.get(target.place)
        if live is None:
            return _not_found(target)
        if method == "GET":
            return 200, copy.deepcopy(live)
        if method == "PATCH":
            return self._patch(target, live, body)
        return self._delete(target, live, body)

    def settle(self) -> bool:
        """What the controllers would do by now. Returns whether anything was to be done."""
        before = self.version
        for place, live in list(self.objects.items()):
            if place.plural == "namespaces" and "deletionTimestamp" in live["metadata"]:
                for inner in [p for p in self.objects if p.namespace == place.name]:
                    self._remove(inner)
                self._remove(place)
        uids = {o["metadata"]["uid"] for o in self.objects.values()}
        for place, live in list(self.objects.items()):
            owners = live["metadata"].get("ownerReferences") or ()
            if owners and not any(o["uid"] in uids for o in owners):
                self._remove(place)
        return self.version != before

    def _list(self, target: Target, params: dict[str, str]) -> Answer:
        plural, namespace, _ = target.place
        places = [p for p in self.objects if p.plural == plural and namespace in ("", p.namespace)]
        wanted = params.get("labelSelector", "")
        found = [
            copy.deepcopy(self.objects[p])
            for p in sorted(places)
            if _selected(self.objects[p], wanted)
        ]
        start, size = int(params.get("continue") or 0), int(params.get("limit") or len(found) or 1)
        metadata = {"resourceVersion": str(self.version)}
        if start + size < len(found):
            metadata["continue"] = str(start + size)
        return 200, {"metadata": metadata, "items": found[start : start + size]}

    def _create(self, target: Target, body: Object) -> Answer:
        place = target.place._replace(name=body["metadata"]["name"])
        if _is_mistyped(target.resource, body):
            return _error(400, "BadRequest", "cannot unmarshal into a string")
        if refused := self._refuses_new(target, place):
            return refused
        if place in self.objects:
            return _error(409, "AlreadyExists", f"{place.plural} {place.name!r} already exists")
        made = self._new(target.resource, place, body)
        self.managers[place] = merge.update({}, made, {}, "others")
        self._store(place, made)
        return 201, copy.deepcopy(self.objects[place])

    def _apply(self, target: Target, params: dict[str, str], body: Object) -> Answer:
        resource, place, _ = target
        live = self.objects.get(place)
        if live is None and (refused := self._refuses_new(target, place)):
            return refused
        if _is_mistyped(resource, body):
            return _error(500, "", "failed to create typed patch object: .data: string")
        managers = self.managers.get(place, {}) if live else {}
        base = live or self._new(resource, place, {"metadata": {"name": place.name}})
        merged, owners = merge.apply(base, managers, body, params["fieldManager"])
        merged["apiVersion"], merged["kind"] = resource.api_version, resource.kind
        if refused := _immutable(merged, live):
            return refused
        changed = live is None or merged != live
        if params.get("dryRun"):
            merged["metadata"]["managedFields"] = _shown(owners)
            return 200 if live else 201, merged
        if live and resource.counts and merged.get("spec") != live.get("spec"):
            merged["metadata"]["generation"] += 1
        if changed or owners != managers:
            self.managers[place] = owners
            self._store(place, merged)
        return 200 if live else 201, copy.deepcopy(self.objects[place])

    def _patch(self, target: Target, live: Object, patch: Object) -> Answer:
        resource, place, subresource = target
        if subresource:
            patch = {"status": patch.get("status", {})}
        elif resource.counts:
            patch = {k: v for k, v in patch.items() if k != "status"}
        merged = merge.merge_patch(copy.deepcopy(live), patch)
        if refused := _immutable(merged, live):
            return refused
        if resource.counts and merged.get("spec") != live.get("spec"):
            merged["metadata"]["generation"] += 1
        if merged != live:
            self.managers[place] = merge.update(live, merged, self.managers[place], "others")
            self._store(place, merged)
        return 200, copy.deepcopy(self.objects[place])

    def _delete(self, target: Target, live: Object, options: Object) -> Answer:
        metadata = live["metadata"]
        for field, value in (options.get("preconditions") or {}).items():
            if metadata[field] != value:
                text = f"the {field} in the precondition ({value}) does not match"
                return _error(409, "Conflict", text)
        if target.resource.kind != "Namespace":
            self._remove(target.place)
            return 200, {"kind": "Status", "status": "Success"}
        if "deletionTimestamp" not in metadata:
            gone = copy.deepcopy(live)
            gone["metadata"]["deletionTimestamp"] = _NOW
            gone["status"] = {"phase": "Terminating"}
            self._store(target.place, gone)
        return 200, copy.deepcopy(self.objects[target.place])

    def _refuses_new(self, target: Target, place: Place) -> Answer | None:
        if not target.resource.namespaced:
            return None
        namespace = self.objects.get(Place("namespaces", "", place.namespace))
        if namespace is None:
            name = place.namespace
            return _error(404, "NotFound", f'namespaces "{name}" not found', name=name)
        if "deletionTimestamp" in namespace["metadata"]:
            text = f"unable to create new content in namespace {place.namespace} because it is "
            return _error(403, "Forbidden", text + "being terminated")
        return None

    def _new(self, resource: Resource, place: Place, body: Object) -> Object:
        made = copy.deepcopy(body)
        made["apiVersion"], made["kind"] = resource.api_version, resource.kind
        metadata = made["metadata"]
        metadata |= {"uid": str(uuid5(_UIDS, str(self.version))), "creationTimestamp": _NOW}
        if resource.namespaced:
            metadata["namespace"] = place.namespace
        if resource.counts:
            metadata["generation"] = 1
            made.pop("status", None)
        if resource.kind == "Namespace":
            made["status"] = {"phase": "Active"}
        return made

    def _store(self, place: Place, obj: Object) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        obj["metadata"]["managedFields"] = _shown(self.managers.get(place, {}))
        self.objects[place] = obj

    def _remove(self, place: Place) -> None:
        self.version += 1
        self.objects.pop(place, None)
        self.managers.pop(place, None)


def _shown(managers: merge.Managers) -> list[Object]:
    return [{"manager": m, "operation": o} for m, o in sorted(managers)]


def _selected(obj: Object, selector: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    name, has_value, value = selector.partition("=")
    return not selector or (labels.get(name) == value if has_value else name in labels)


def _is_mistyped(resource: Resource, wanted: Object) -> bool:
    """A ConfigMap with a value that is no text."""
    values = (wanted.get("data") or {}).values()
    return resource.kind == "ConfigMap" and not all(isinstance(v, str) for v in values)


def _immutable(wanted: Object, live: Object | None) -> Answer | None:
    """A change of an immutable ConfigMap."""
    if live is None or not live.get("immutable"):
        return None
    if not wanted.get("immutable") or (wanted.get("data") or {}) != (live.get("data") or {}):
        text = "data: Forbidden: field is immutable when `immutable` is set"
        cause = {"reason": "FieldValueForbidden", "message": text.partition(" ")[2]}
        return _error(422, "Invalid", text, causes=[cause])
    return None


def _error(code: int, reason: str, message: str, **details: Any) -> Answer:
    return code, {"kind": "Status", "reason": reason, "message": message, "details": details}


def _not_found(target: Target) -> Answer:
    name = target.place.name
    return _error(404, "NotFound", f'{target.place.plural} "{name}" not found', name=name)


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _parse(path: str) -> Target | None:
    parts = path.strip("/").split("/")
    depth = 3 if parts[0] == "apis" else 2
    version, rest = "/".join(parts[1:depth]), parts[depth:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    rest += [""] * (3 - len(rest))
    for resource in RESOURCES:
        if (resource.api_version, resource.plural) == (version, rest[0]):
            return Target(resource, Place(rest[0], namespace, rest[1]), rest[2])
    return None


def _discovery(path: str) -> Object | None:
    versions = {r.api_version for r in RESOURCES}
    if path == "/apis":
        groups = [{"preferredVersion": {"groupVersion": v}} for v in sorted(versions - {"v1"})]
        return {"groups": groups}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version not in versions:
        return None
    return {"resources": list(_served(version))}


def _served(version: str) -> Iterator[Object]:
    for r in RESOURCES:
        if r.api_version == version:
            yield {"name": r.plural, "kind": r.kind, "namespaced": r.namespaced, "verbs": _VERBS}
