"""Health of deployment objects and stacks, as agents see it."""

from aiohttp import web

from brokkr_broker.api import parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, DB
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_AGENT_ITSELF
from brokkr_broker.services import health
from brokkr_common.wire.health import HealthReport, ObjectHealth, StackHealth


async def report_health(request: web.Request) -> web.Response:
    agent_id = parsing.path_id(request)
    report = await parsing.body(request, HealthReport)
    await health.report(request[DB], agent_id, report)
    return web.Response(status=200)


async def object_health(request: web.Request) -> web.Response:
    most = request.app[CONTEXT].config.api.max_list_rows
    return responses.json(await health.of_object(request[DB], parsing.path_id(request), limit=most))


async def stack_health(request: web.Request) -> web.Response:
    most = request.app[CONTEXT].config.api.max_list_rows
    return responses.json(await health.of_stack(request[DB], parsing.path_id(request), limit=most))


ROUTES = [
    Route(method="PATCH", path="/agents/{id}/health-status", handler=report_health,
          allow=ADMIN_OR_AGENT_ITSELF, summary="Report the health of deployment objects",
          takes=HealthReport),
    Route(method="GET", path="/deployment-objects/{id}/health", handler=object_health, allow=ADMIN,
          summary="What every agent says of a version's health", gives=ObjectHealth),
    Route(method="GET", path="/stacks/{id}/health", handler=stack_health, allow=ADMIN,
          summary="A stack's health over all agents", gives=StackHealth),
]  # fmt: skip
