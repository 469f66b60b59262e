"""Agent events."""

from aiohttp import web

from brokkr_broker.api import parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT
from brokkr_broker.dal import events as dal
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_AGENT_ITSELF
from brokkr_broker.services import agents, events
from brokkr_common.wire.events import AgentEvent, EventCreate


async def list_of_agent(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    limit = context.config.api.max_list_rows
    agent_id = parsing.path_id(request)
    return responses.json(await dal.list_(context.db, agent_id=agent_id, limit=limit))


async def report(request: web.Request) -> web.Response:
    agent_id = parsing.path_id(request)
    event = await parsing.body(request, EventCreate)
    agents.require_same(event.agent_id, agent_id, field="agent_id", code="agent_id_mismatch")
    stored = await request.app[CONTEXT].reports.submit(events.report(agent_id, event))
    return responses.created(stored)


async def list_all(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    limit = context.config.api.max_list_rows
    return responses.json(await dal.list_(context.db, agent_id=None, limit=limit))


async def get_event(request: web.Request) -> web.Response:
    return responses.json(await events.get(request.app[CONTEXT].db, parsing.path_id(request)))


ROUTES = [
    Route(method="GET", path="/agents/{id}/events", handler=list_of_agent,
          allow=ADMIN_OR_AGENT_ITSELF, summary="List an agent's events, newest first",
          gives=list[AgentEvent]),
    Route(method="POST", path="/agents/{id}/events", handler=report, allow=ADMIN_OR_AGENT_ITSELF,
          summary="Report what became of a version (stored once per id)", takes=EventCreate,
          gives=AgentEvent, status=201, fails=(409,)),
    Route(method="GET", path="/agent-events", handler=list_all, allow=ADMIN,
          summary="List all events, newest first", gives=list[AgentEvent]),
    Route(method="GET", path="/agent-events/{id}", handler=get_event, allow=ADMIN,
          summary="Get an event", gives=AgentEvent, fails=(404,)),
]  # fmt: skip
