"""Models to JSON responses."""

from typing import Any

import msgspec
from aiohttp import web

MODEL: "web.ResponseKey[Any]" = web.ResponseKey("model", object)
"""What an answer was made from, for the audit trail."""

encode = msgspec.json.Encoder().encode


ACTIONS: "web.ResponseKey[tuple[str, ...]]" = web.ResponseKey("actions", tuple)


def json(model: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    response = web.Response(
        body=encode(model), status=status, content_type="application/json", headers=headers
    )
    response[MODEL] = model
    return response


def audited(response: web.Response, *actions: str) -> web.Response:
    """An answer that is written down as these actions instead of the route's."""
    response[ACTIONS] = actions
    return response


def created(model: Any) -> web.Response:
    return json(model, status=201)


def no_content() -> web.Response:
    return web.Response(status=204)


def text(body: str, *, status: int = 200) -> web.Response:
    return web.Response(text=body, status=status)
