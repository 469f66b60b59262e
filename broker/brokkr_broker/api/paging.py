"""Lists: `limit` and an opaque `cursor` in, a `Link: rel="next"` out.

A cursor is the position of the last row of a page in the list's own order, so a page never skips
or repeats a row, whatever is added meanwhile. Without `limit` a list is whole, up to
`api.max_list_rows`.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import responses
from brokkr_broker.api.route import Query
from brokkr_broker.context import CONTEXT

P = TypeVar("P")
M = TypeVar("M")

QUERY = (
    Query(
        name="limit",
        description="Rows of a page.",
        schema={"type": "integer", "minimum": 1},
    ),
    Query(
        name="cursor",
        description='Where the next page begins: out of the `Link: rel="next"` of the last one.',
    ),
)


class Order(Generic[P]):
    """How a list is sorted: the type of a position in it, and the position of a row."""

    def __init__(self, kind: Any, position: Callable[[Any], P]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self.position = position

    def encode(self, position: P) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")

    def decode(self, cursor: str) -> P:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            position: P = self._decoder.decode(
                base64.b64decode(padded, altchars=b"-_", validate=True)
            )
            return position
        except (binascii.Error, ValueError, msgspec.MsgspecError) as e:
            raise errors.Invalid(
                "cursor is not one of this list", code="invalid_cursor", field="cursor"
            ) from e


BY_CREATION: Order[tuple[datetime, UUID]] = Order(
    tuple[datetime, UUID], lambda row: (row.created_at, row.id)
)
BY_TIMESTAMP: Order[tuple[datetime, UUID]] = Order(
    tuple[datetime, UUID], lambda row: (row.timestamp, row.id)
)
BY_COMPLETION: Order[tuple[datetime, UUID]] = Order(
    tuple[datetime, UUID], lambda row: (row.completed_at, row.id)
)
BY_SEQUENCE: Order[int] = Order(int, lambda row: row.sequence_id)
BY_STACK: Order[UUID] = Order(UUID, lambda row: row.stack_id)
BY_LABEL: Order[str] = Order(str, lambda row: row.label)
BY_KEY: Order[str] = Order(str, lambda row: row.key)


class Page(Generic[P]):
    """What one request asks of a list. `fetch` is one more than it shows: is there a next page?"""

    def __init__(self, request: web.Request, order: Order[P], *, limit: int | None = None) -> None:
        self._request = request
        self._order = order
        self._limit = limit or _limit(request)
        cursor = request.query.get("cursor")
        self.after = order.decode(cursor) if cursor else None
        self.fetch = self._limit + 1

    def answer(self, rows: list[M]) -> web.Response:
        shown, headers = self.cut(rows)
        return responses.json(shown, headers=headers)

    def cut(self, rows: list[M]) -> tuple[list[M], dict[str, str]]:
        """The rows of this page, and the link to the next one."""
        if len(rows) <= self._limit:
            return rows, {}
        shown = rows[: self._limit]
        cursor = self._order.encode(self._order.position(shown[-1]))
        following = self._request.rel_url.update_query(cursor=cursor)
        return shown, {"Link": f'<{following}>; rel="next"'}


def _limit(request: web.Request) -> int:
    most = request.app[CONTEXT].config.api.max_list_rows
    text = request.query.get("limit")
    if text is None:
        return most
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise errors.Invalid(
            f"limit is a number from 1 to {most}", code="invalid_limit", field="limit"
        )
    return int(text)
