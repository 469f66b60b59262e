"""Headers that every answer gets: for browsers of other origins, and for everybody's safety."""

from collections.abc import Sequence

from aiohttp import hdrs, web

from brokkr_broker.api.route import PREFIX
from brokkr_broker.config import BrokerConfig

_EXPOSED = "ETag, Link, Retry-After, X-Request-Id, Idempotency-Replayed, Brokkr-Target-State-Mode"
_STRICT = "default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'"
)
_SMALLEST_COMPRESSED = 1024


def preflight(request: web.Request, config: BrokerConfig) -> web.Response | None:
    """The answer to a browser that asks before it calls, or None where this is no such question."""
    asks = hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    if request.method != "OPTIONS" or not asks or hdrs.ORIGIN not in request.headers:
        return None
    cors = config.cors
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(cors.allowed_methods),
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: ", ".join(cors.allowed_headers),
            hdrs.ACCESS_CONTROL_MAX_AGE: str(cors.max_age_seconds),
        },
    )


def allow_origin(request: web.Request, response: web.StreamResponse, config: BrokerConfig) -> None:
    """Let a browser page of an allowed origin read the answer. Operations are open to all."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    allowed = _origins(config) if request.path.startswith(PREFIX) else ("*",)
    if "*" in allowed:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    elif origin in allowed:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    else:
        return
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED


def _origins(config: BrokerConfig) -> Sequence[str]:
    older = config.api.cors_origins
    return config.cors.allowed_origins if older is None else older


def secure(request: web.Request, response: web.StreamResponse) -> None:
    """A 304 has none: the stored answer's count."""
    headers = response.headers
    headers[hdrs.SERVER] = "brokkr"
    if response.status == 304:
        return
    headers["X-Content-Type-Options"] = "nosniff"
    is_page = request.path.startswith("/swagger-ui/")
    headers["Content-Security-Policy"] = _PAGE if is_page else _STRICT
    headers["Referrer-Policy"] = "no-referrer"
    if not is_page:
        headers.setdefault(hdrs.CACHE_CONTROL, "no-cache" if hdrs.ETAG in headers else "no-store")
    if request.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"


def compress(request: web.Request, response: web.StreamResponse) -> None:
    """gzip for whoever takes it, where it is worth it."""
    if not isinstance(response, web.Response) or response.status >= 300:
        return
    body = response.body
    if not isinstance(body, bytes) or len(body) < _SMALLEST_COMPRESSED:
        return
    response.headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower():
        response.enable_compression(web.ContentCoding.gzip)
