"""Key to identity, and the route's rule, before any handler runs."""

from uuid import UUID

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.context import CONTEXT, IDENTITY
from brokkr_broker.security import pak, proxies
from brokkr_broker.security.identity import Identity
from brokkr_broker.security.permissions import Rule
from brokkr_broker.services.audit import Origin

_MAX_HEADER = 512
_KEY_PROTOCOL = "brokkr.pak."


def credential(request: web.Request) -> str:
    """The key as it was sent, or nothing."""
    text = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not text:
        text = _subprotocol(request.headers.get("Sec-WebSocket-Protocol", ""))
    return text if len(text) <= _MAX_HEADER else ""


def _subprotocol(offered: str) -> str:
    """A page in a browser cannot set a WebSocket's headers, only the protocols that it offers."""
    for protocol in offered.split(","):
        if protocol.strip().startswith(_KEY_PROTOCOL):
            return protocol.strip().removeprefix(_KEY_PROTOCOL)
    return ""


async def identify(request: web.Request) -> Identity:
    """Who is it? Raises Unauthorized, or TooManyRequests."""
    context = request.app[CONTEXT]
    text = credential(request)
    if delay := context.throttle.wait(text or request.remote):
        raise errors.TooManyRequests(retry_after=delay)
    if not text:
        raise errors.Unauthorized
    identity = await context.keys.identify(text)
    if identity is None:
        parsed = pak.parse(text)
        head = parsed[0] if parsed else ""
        await context.failures.note(origin(request), path=request.rel_url.raw_path, head=head)
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


def origin(request: web.Request) -> Origin:
    """Where the request comes from, for the audit trail."""
    trusted = request.app[CONTEXT].trusted_proxies
    forwarded = request.headers.get("X-Forwarded-For", "") if trusted else ""
    address = proxies.address(request.remote, forwarded, trusted)
    return Origin(address, request.headers.get("User-Agent"))
