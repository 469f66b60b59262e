"""Liveness, readiness, metrics, and the API document with its page."""

import asyncio
from importlib import resources

from aiohttp import web
from prometheus_client.metrics_core import Metric

from brokkr_broker import errors
from brokkr_broker.api import access, openapi, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, Context
from brokkr_broker.dal import agents, deployments, keys, stacks
from brokkr_broker.db.pool import Executor
from brokkr_broker.metrics import state
from brokkr_broker.security.permissions import ADMIN

_READY_SECONDS = 1.5
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Brokkr API</title>
<link rel="stylesheet" href="swagger-ui.css"></head><body><div id="ui"></div>
<script src="swagger-ui-bundle.js"></script><script src="start.js"></script></body></html>"""
_START = 'SwaggerUIBundle({url: "/docs/openapi.json", dom_id: "#ui", deepLinking: true})'
_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


async def healthz(_request: web.Request) -> web.Response:
    """Alive. Touches no database: a slow one must not get healthy brokers killed."""
    return responses.text("OK")


async def readyz(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    if not await _is_writable(context):
        await context.db.expire_connections()  # the one that does may be at the same address now
        raise errors.Unavailable("the database takes no writes")
    if context.stopping.is_set():
        raise errors.Unavailable("shutting down")
    return responses.text("Ready")


async def _is_writable(context: Context) -> bool:
    """Whether the database takes writes. Raises Unavailable where it does not say so in time.

    NB: the driver may take its whole patience to give up on a statement, even on one that was
    cancelled; so that is not waited for. Probes that come together share a statement.
    """
    if context.ping is None or context.ping.done():
        context.ping = asyncio.ensure_future(keys.ping(context.db))
        context.ping.add_done_callback(lambda done: done.cancelled() or done.exception())
    ping = context.ping
    await asyncio.wait({ping}, timeout=_READY_SECONDS)
    if not ping.done():
        ping.cancel()
        if context.ping is ping:
            context.ping = None  # the next probe asks anew
        raise errors.Unavailable
    try:
        return ping.result()
    except (Exception, asyncio.CancelledError) as e:
        raise errors.Unavailable from e


async def metrics(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    if context.config.metrics.require_auth:
        access.admit(request, await access.identify(request), ADMIN)
    body = context.metrics.text(await _state(context.db))
    return web.Response(
        body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def _state(db: Executor) -> list[Metric]:
    """What is read from the database when somebody looks."""
    ages = [(str(r["id"]), r["name"], r["age"]) for r in await agents.heartbeat_ages(db)]
    return state(
        active_agents=await agents.count_active(db),
        stacks=await stacks.count(db),
        deployment_objects=await deployments.count(db),
        heartbeat_ages=ages,
    )


async def document(_request: web.Request) -> web.Response:
    from brokkr_broker.api import ROUTES  # NB: this module is one of its rows

    return responses.json(openapi.document(ROUTES))


async def to_page(_request: web.Request) -> web.Response:
    return web.Response(status=301, headers={"Location": "/swagger-ui/"})


async def page(_request: web.Request) -> web.Response:
    return web.Response(text=_PAGE, content_type="text/html")


async def asset(request: web.Request) -> web.Response:
    name = request.match_info["file"]
    if name == "start.js":
        return web.Response(text=_START, content_type="text/javascript")
    if name not in _ASSETS:
        raise errors.NotFound
    folder = resources.files("swagger_ui") / "static"
    body = await asyncio.to_thread((folder / name).read_bytes)
    return web.Response(body=body, content_type=_ASSETS[name])


_HTML, _TEXT = "text/html", "text/plain"

ROUTES = [
    Route(method="GET", path="/healthz", handler=healthz, allow=None, summary="Alive?",
          gives=str, media_type=_TEXT),
    Route(method="GET", path="/readyz", handler=readyz, allow=None, summary="Able to serve?",
          gives=str, media_type=_TEXT, fails=(503,)),
    Route(method="GET", path="/metrics", handler=metrics, allow=None,
          summary="Prometheus metrics", gives=str, media_type=_TEXT, fails=(401, 403, 503)),
    Route(method="GET", path="/docs/openapi.json", handler=document, allow=None,
          summary="This document", gives=dict),
    Route(method="GET", path="/swagger-ui", handler=to_page, allow=None,
          summary="To the API page", status=301),
    Route(method="GET", path="/swagger-ui/", handler=page, allow=None, summary="The API page",
          gives=str, media_type=_HTML),
    Route(method="GET", path="/swagger-ui/{file}", handler=asset, allow=None,
          summary="A file of the API page", gives=str, media_type=_HTML, fails=(404,)),
]  # fmt: skip
