"""The one error body, for every status from 400 to 503."""

from typing import Any

from brokkr_common.wire import base


class Problem(base.Model, frozen=True, kw_only=True):
    """`code` is stable and for programs; `error` (and `message`, its twin) is for people."""

    error: str
    code: str
    message: str
    request_id: str
    details: dict[str, Any] = {}
