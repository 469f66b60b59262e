"""What every object looked like when it was last found, or made, as wanted.

Only saves work: an object in the same state, wanted by the same manifest, is not compared again.
"""

import msgspec

from brokkr_operator.resources import names, objects
from brokkr_operator.resources.objects import Key, Object


class _Known(msgspec.Struct, frozen=True):
    uid: str
    resource_version: str
    wanted: str


class Memory:
    def __init__(self) -> None:
        self._known: dict[Key, _Known] = {}

    def note(self, key: Key, live: Object, manifest: Object) -> None:
        """The object is as the manifest wants it."""
        metadata = live["metadata"]
        self._known[key] = _Known(metadata["uid"], metadata["resourceVersion"], _wanted(manifest))

    def knows(self, key: Key, manifest: Object) -> bool:
        """Whether it has been as this manifest wants it, in some state."""
        known = self._known.get(key)
        return known is not None and known.wanted == _wanted(manifest)

    def matches(self, key: Key, live: Object) -> bool:
        """Whether it is in that very state now."""
        metadata = live["metadata"]
        return self.is_state(key, metadata["uid"], metadata["resourceVersion"])

    def is_state(self, key: Key, uid: str, resource_version: str) -> bool:
        known = self._known.get(key)
        return known is not None and (known.uid, known.resource_version) == (uid, resource_version)

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)


def _wanted(manifest: Object) -> str:
    """What tells two manifests of an object apart: its version, and its own configuration."""
    version = objects.label(manifest, names.OBJECT_LABEL) or ""
    return version + (objects.annotation(manifest, names.LAST_CONFIG_ANNOTATION) or "")
