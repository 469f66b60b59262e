"""The one error body, for every status from 400 to 503."""

from typing import Any

from msgspec import UNSET, UnsetType

from brokkr_common.wire import base


class Problem(base.Model, frozen=True, kw_only=True):
    """`code` is stable and for programs; `error` (and `message`, its twin) is for people.

    The last three repeat what `details` says, where older clients look for it.
    """

    error: str
    code: str
    message: str
    request_id: str
    details: dict[str, Any] = {}
    validation_errors: list[str] | UnsetType = UNSET
    missing_labels: list[str] | UnsetType = UNSET
    missing_annotations: list[dict[str, str]] | UnsetType = UNSET
