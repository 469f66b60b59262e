"""What connections that stay open have in common: no deadline, a key that is asked for again."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from brokkr_broker.api import access
from brokkr_broker.context import CONTEXT, DEADLINE, IDENTITY
from brokkr_broker.db import violations

PROTOCOL = "brokkr.v1"


def socket(*, max_message: int) -> web.WebSocketResponse:
    """NB: compression would cost each connection its own 50 KiB."""
    return web.WebSocketResponse(
        heartbeat=20.0,
        timeout=2.0,
        compress=False,
        max_msg_size=max_message,
        protocols=(PROTOCOL,),
    )


def lift_deadline(request: web.Request) -> None:
    request[DEADLINE].reschedule(None)


async def is_still_valid(request: web.Request) -> bool:
    """Whether the key is that of the same caller. A database that does not answer says nothing."""
    context = request.app[CONTEXT]
    try:
        identity = await context.keys.identify(access.credential(request))
    except Exception as e:
        if violations.translate(e) is None:
            raise
        return True
    return identity is not None and identity == request[IDENTITY]


@contextlib.asynccontextmanager
async def counted(gauge: Any) -> AsyncIterator[None]:
    gauge.inc()
    try:
        yield
    finally:
        gauge.dec()
