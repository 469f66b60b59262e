"""Agent events."""

from aiohttp import web

from brokkr_broker.api import paging, parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, DB
from brokkr_broker.dal import events as dal
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_AGENT_ITSELF
from brokkr_broker.services import agents, events
from brokkr_common.wire.events import AgentEvent, EventCreate


async def list_of_agent(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    agent_id, db = parsing.path_id(request), request[DB]
    rows = await dal.list_(db, agent_id=agent_id, after=page.after, limit=page.fetch)
    return page.answer(rows)


async def report(request: web.Request) -> web.Response:
    agent_id = parsing.path_id(request)
    event = await parsing.body(request, EventCreate)
    agents.require_same(event.agent_id, agent_id, field="agent_id", code="agent_id_mismatch")
    key = request.headers.get("Idempotency-Key")
    report = events.report(agent_id, event, idempotency_key=key)
    stored = await request.app[CONTEXT].reports.submit(report)
    return responses.created(stored)


async def list_all(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    db = request[DB]
    return page.answer(await dal.list_(db, agent_id=None, after=page.after, limit=page.fetch))


async def get_event(request: web.Request) -> web.Response:
    return responses.json(await events.get(request[DB], parsing.path_id(request)))


ROUTES = [
    Route(method="GET", path="/agents/{id}/events", handler=list_of_agent,
          allow=ADMIN_OR_AGENT_ITSELF, summary="List an agent's events, newest first",
          gives=list[AgentEvent], query=paging.QUERY),
    Route(method="POST", path="/agents/{id}/events", handler=report, allow=ADMIN_OR_AGENT_ITSELF,
          summary="Report what became of a version (stored once per id)", takes=EventCreate,
          gives=AgentEvent, status=201, fails=(409,), repeatable=True),
    Route(method="GET", path="/agent-events", handler=list_all, allow=ADMIN,
          summary="List all events, newest first", gives=list[AgentEvent], query=paging.QUERY),
    Route(method="GET", path="/agent-events/{id}", handler=get_event, allow=ADMIN,
          summary="Get an event", gives=AgentEvent, fails=(404,)),
]  # fmt: skip
