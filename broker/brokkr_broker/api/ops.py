"""Liveness, readiness, metrics, and the API document with its page."""

import asyncio
from importlib import resources

import prometheus_client
from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import openapi, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, Context
from brokkr_broker.dal import agents, deployments, keys, stacks

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
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await keys.ping(context.db)
    except Exception as e:
        raise errors.Unavailable from e
    if context.stopping.is_set():
        raise errors.Unavailable("shutting down")
    return responses.text("Ready")


async def metrics(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    await _refresh(context)
    body = prometheus_client.generate_latest(context.metrics.registry)
    return web.Response(
        body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def _refresh(context: Context) -> None:
    """Gauges that are read from the database when somebody looks."""
    gauges = context.metrics
    gauges.active_agents.set(await agents.count_active(context.db))
    gauges.stacks.set(await stacks.count(context.db))
    gauges.deployment_objects.set(await deployments.count(context.db))
    gauges.heartbeat_age.clear()
    for row in await agents.heartbeat_ages(context.db):
        gauges.heartbeat_age.labels(row["id"], row["name"]).set(row["age"])


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
          summary="Prometheus metrics", gives=str, media_type=_TEXT, fails=(503,)),
    Route(method="GET", path="/docs/openapi.json", handler=document, allow=None,
          summary="This document", gives=dict),
    Route(method="GET", path="/swagger-ui", handler=to_page, allow=None,
          summary="To the API page", status=301),
    Route(method="GET", path="/swagger-ui/", handler=page, allow=None, summary="The API page",
          gives=str, media_type=_HTML),
    Route(method="GET", path="/swagger-ui/{file}", handler=asset, allow=None,
          summary="A file of the API page", gives=str, media_type=_HTML, fails=(404,)),
]  # fmt: skip
