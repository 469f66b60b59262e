"""Conditional requests on one row: `If-None-Match` gives a 304, `If-Match` a 412.

The tag of a row is the moment of its last change. An agent's has its last heartbeat behind a dot:
that part counts for reading, not for writing, so a beating agent can still be changed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import responses

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def tag(row: Any) -> str:
    parts = [row.updated_at]
    if beat := getattr(row, "last_heartbeat", None):
        parts.append(beat)
    return '"' + ".".join(f"{(moment - _EPOCH) // _MICROSECOND:x}" for moment in parts) + '"'


def known(request: web.Request, current: str) -> bool:
    """Whether the caller has this state already."""
    tags = _tags(request.headers.get("If-None-Match", ""))
    return current in tags or "*" in tags


def row(request: web.Request, model: Any) -> web.Response:
    """The row with its tag, or a 304 where the caller has it."""
    headers = {"ETag": tag(model)}
    if known(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return responses.json(model, headers=headers)


def unchanged_since(request: web.Request) -> datetime | None:
    """The change that `If-Match` wants to be the last, or None where it wants nothing.

    A tag that cannot be one of ours matches nothing.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    for candidate in _tags(header):
        try:
            return _EPOCH + int(candidate.strip('"').partition(".")[0], 16) * _MICROSECOND
        except (ValueError, OverflowError):
            continue
    raise errors.PreconditionFailed


def _tags(header: str) -> list[str]:
    return [part.strip().removeprefix("W/") for part in header.split(",") if part.strip()]
