"""Kubernetes objects as values: what identifies one, and what an inventory keeps of it."""

from typing import Any

import msgspec

Object = dict[str, Any]


class Key(msgspec.Struct, frozen=True, order=True):
    """Which object. The version of its API is not part of the identity."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{place}"


class Entry(msgspec.Struct, frozen=True):
    """One line of an inventory. `uid` is empty while the object is only intended."""

    key: Key
    version: str
    uid: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.key.group}/{self.version}" if self.key.group else self.version

    def dump(self) -> dict[str, str]:
        fields = {
            "group": self.key.group,
            "version": self.version,
            "kind": self.key.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "uid": self.uid,
        }
        return {name: value for name, value in fields.items() if value}


def load_entry(raw: dict[str, str]) -> Entry:
    key = Key(raw.get("group", ""), raw["kind"], raw.get("namespace", ""), raw["name"])
    return Entry(key, raw["version"], raw.get("uid", ""))


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` -> (`apps`, `v1`); `v1` -> (``, `v1`)."""
    group, _, version = api_version.rpartition("/")
    return group, version


def key_of(obj: Object) -> Key:
    group, _ = split_api_version(obj["apiVersion"])
    metadata = obj["metadata"]
    return Key(group, obj["kind"], metadata.get("namespace", ""), metadata["name"])


def entry_of(obj: Object) -> Entry:
    _, version = split_api_version(obj["apiVersion"])
    return Entry(key_of(obj), version, obj["metadata"].get("uid", ""))


def label(obj: Object, name: str) -> str | None:
    value: str | None = (obj["metadata"].get("labels") or {}).get(name)
    return value


def is_applied(obj: Object, manager: str) -> bool:
    """Whether a manager has ever applied this very object, going by its managed fields.

    Labels and annotations travel with a copy of an object; managed fields do not.
    """
    entries = obj["metadata"].get("managedFields") or ()
    return any(e.get("manager") == manager and e.get("operation") == "Apply" for e in entries)


def annotation(obj: Object, name: str) -> str | None:
    value: str | None = (obj["metadata"].get("annotations") or {}).get(name)
    return value
