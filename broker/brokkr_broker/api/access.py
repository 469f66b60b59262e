"""Key to identity, and the route's rule, before any handler runs."""

from uuid import UUID

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.context import CONTEXT, IDENTITY
from brokkr_broker.security.identity import Identity
from brokkr_broker.security.permissions import Rule

_MAX_HEADER = 512


async def identify(request: web.Request) -> Identity:
    """Who is it? Raises Unauthorized."""
    header = request.headers.get("Authorization", "")
    text = header.removeprefix("Bearer ").strip()
    if not text or len(text) > _MAX_HEADER:
        raise errors.Unauthorized
    identity = await request.app[CONTEXT].keys.identify(text)
    if identity is None:
        raise errors.Unauthorized("this key is not valid")
    request[IDENTITY] = identity
    return identity


def admit(request: web.Request, identity: Identity, rule: Rule) -> None:
    """May they? Raises Forbidden."""
    path_id: UUID | None = None
    if rule.own:
        try:
            path_id = UUID(request.match_info.get("id", ""))
        except ValueError:
            path_id = None
    if not rule.admits(identity, path_id):
        raise errors.Forbidden(code=rule.code)
