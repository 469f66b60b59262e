"""What other packages add to Brokkr, by entry points. See docs/extensions.md.

An extension that cannot be loaded keeps the process from starting: half of the rules are no rules.
"""

import copy
import functools
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from brokkr_common import manifests
from brokkr_common.manifests import Limits, Manifest, ManifestError

logger = logging.getLogger(__name__)

Validator = Callable[[dict[str, Any]], str | None]
"""Takes one document; returns why it is refused, or None."""

GROUPS = ("validators", "event_handlers", "work_types", "health_rules")


class ExtensionError(Exception):
    """An installed extension is not usable."""


@functools.cache
def load(group: str) -> Mapping[str, Any]:
    """The extensions of a group by name. Raises ExtensionError."""
    found: dict[str, Any] = {}
    for point in entry_points(group=f"brokkr.{group}"):
        where = f"extension {point.name} of brokkr.{group} ({point.value})"
        if point.name in found:
            raise ExtensionError(f"{where}: another package has one of this name")
        try:
            found[point.name] = point.load()
        except Exception as e:
            raise ExtensionError(f"{where}: {type(e).__name__}: {e}") from e
        if not callable(found[point.name]):
            raise ExtensionError(f"{where}: is not callable")
    return found


def announce() -> None:
    """Load all, to find out at the start what is broken, and say what there is."""
    for group in GROUPS:
        if names := sorted(load(group)):
            logger.info("extensions", extra={"group": group, "names": ", ".join(names)})


def check(text: str) -> int:
    """How many documents a text has that may be pushed. Raises ManifestError."""
    return len(parse(text) if load("validators") else manifests.check(text))


def parse(text: str, *, limits: Limits = Limits()) -> list[Manifest]:
    """The manifests of a text that every validator accepts. Raises ManifestError.

    A validator that fails refuses: nobody knows what it would have said.
    """
    located = manifests.locate(text, limits=limits)
    for name, validator in load("validators").items():
        for manifest, identity in located:
            try:
                why = validator(copy.deepcopy(manifest))
            except Exception as e:
                why = f"it failed: {type(e).__name__}: {e}"
            if why:
                place = {"document": identity.document, "line": identity.line}
                raise ManifestError(f"{name}: {why}", **place)
    return [manifest for manifest, _ in located]
