"""Who a key belongs to."""

from aiohttp import web

from brokkr_broker.api import responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import IDENTITY
from brokkr_broker.security.identity import Role
from brokkr_broker.security.permissions import ANYONE
from brokkr_common.wire.auth import Whoami


async def whoami(request: web.Request) -> web.Response:
    identity = request[IDENTITY]
    return responses.json(
        Whoami(
            admin=identity.is_admin,
            agent=identity.id if identity.role is Role.AGENT else None,
            generator=identity.id if identity.role is Role.GENERATOR else None,
        )
    )


ROUTES = [
    Route(method="POST", path="/auth/pak", handler=whoami, allow=ANYONE,
          summary="Whose key is this?", gives=Whoami, repeatable=True, audit=("auth.success",)),
]  # fmt: skip
