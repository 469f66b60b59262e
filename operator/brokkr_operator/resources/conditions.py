"""Conditions: set and read, without touching the time of a transition that is none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Condition = dict[str, Any]
MAX_MESSAGE = 1024


class Reason(StrEnum):
    """The fixed list of reasons."""

    APPLIED = "Applied"
    REMOVED = "Removed"
    PROGRESSING = "Progressing"
    INVALID_MANIFEST = "InvalidManifest"
    UNKNOWN_KIND = "UnknownKind"
    REJECTED = "Rejected"
    APPLY_FAILED = "ApplyFailed"
    NOT_OWNED = "NotOwned"
    CLAIMED = "Claimed"
    WAITING = "Waiting"
    PRUNE_FAILED = "PruneFailed"
    API_UNAVAILABLE = "ApiUnavailable"
    INTERNAL_ERROR = "InternalError"
    SUSPENDED = "Suspended"
    NOT_TARGETED = "NotTargeted"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"
    PAUSED = "Paused"


def find(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((c for c in conditions if c.get("type") == kind), None)


def set_(
    conditions: Sequence[Condition],
    kind: str,
    status: bool,
    *,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions with one of them set, in the order they had."""
    old = find(conditions, kind)
    value = "True" if status else "False"
    new: Condition = {
        "type": kind,
        "status": value,
        "reason": str(reason),
        "message": shorten(message),
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"]
        if old and old["status"] == value
        else timestamp(now),
    }
    if old is None:
        return [*conditions, new]
    return [new if c is old else c for c in conditions]


def without(conditions: Sequence[Condition], *kinds: str) -> list[Condition]:
    return [c for c in conditions if c.get("type") not in kinds]


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shorten(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
