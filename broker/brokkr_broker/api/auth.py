"""Who a key belongs to."""

from aiohttp import web

from brokkr_broker.api import paging, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import generators
from brokkr_broker.security.identity import Role
from brokkr_broker.security.permissions import ADMIN, ANYONE
from brokkr_common.wire.auth import KeyOwner, Whoami


async def whoami(request: web.Request) -> web.Response:
    identity = request[IDENTITY]
    return responses.json(
        Whoami(
            admin=identity.is_admin,
            agent=identity.id if identity.role is Role.AGENT else None,
            generator=identity.id if identity.role is Role.GENERATOR else None,
        )
    )


async def list_owners(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    rows, headers = page.cut(
        await generators.list_(request[DB], after=page.after, limit=page.fetch)
    )
    owners = [KeyOwner(id=row.id, name=row.name) for row in rows]
    return responses.json(owners, headers=headers)


ROUTES = [
    Route(method="GET", path="/paks", handler=list_owners, allow=ADMIN,
          summary="List the generators that have keys", gives=list[KeyOwner], query=paging.QUERY),
    Route(method="POST", path="/auth/pak", handler=whoami, allow=ANYONE,
          summary="Whose key is this?", gives=Whoami, repeatable=True, audit=("auth.success",)),
]  # fmt: skip
