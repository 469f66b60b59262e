"""Diagnostics, for the admin who asks and the agent that answers."""

from aiohttp import web

from brokkr_broker.api import paging, parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import diagnostics as dal
from brokkr_broker.security.permissions import (
    ADMIN,
    ADMIN_OR_AGENT,
    ADMIN_OR_AGENT_ITSELF,
    ANY_AGENT,
)
from brokkr_broker.services import diagnostics
from brokkr_common.wire.diagnostics import (
    Diagnostic,
    DiagnosticCreate,
    DiagnosticRequest,
    DiagnosticResult,
    DiagnosticSubmit,
)


async def create_diagnostic(request: web.Request) -> web.Response:
    object_id = parsing.path_id(request)
    wanted = await parsing.body(request, DiagnosticCreate)
    made = await diagnostics.create(request[DB], object_id, wanted, request[IDENTITY])
    return responses.created(made)


async def get_diagnostic(request: web.Request) -> web.Response:
    return responses.json(
        await diagnostics.get(request[DB], parsing.path_id(request), request[IDENTITY])
    )


async def list_pending(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    agent_id = parsing.path_id(request)
    return page.answer(await dal.pending(request[DB], agent_id, after=page.after, limit=page.fetch))


async def claim_diagnostic(request: web.Request) -> web.Response:
    return responses.json(
        await diagnostics.claim(request[DB], parsing.path_id(request), request[IDENTITY])
    )


async def submit_result(request: web.Request) -> web.Response:
    request_id = parsing.path_id(request)
    found = await parsing.body(request, DiagnosticSubmit)
    stored = await diagnostics.submit(request[DB], request_id, found, request[IDENTITY])
    return responses.created(stored)


ROUTES = [
    Route(method="POST", path="/deployment-objects/{id}/diagnostics", handler=create_diagnostic,
          allow=ADMIN, summary="Ask an agent what it sees of a version", takes=DiagnosticCreate,
          gives=DiagnosticRequest, status=201, fails=(404,)),
    Route(method="GET", path="/diagnostics/{id}", handler=get_diagnostic, allow=ADMIN_OR_AGENT,
          summary="Get a diagnostic, with its result if there is one", gives=Diagnostic,
          fails=(404,)),
    Route(method="GET", path="/agents/{id}/diagnostics/pending", handler=list_pending,
          allow=ADMIN_OR_AGENT_ITSELF, summary="List what an agent is asked, oldest first",
          gives=list[DiagnosticRequest], query=paging.QUERY),
    Route(method="POST", path="/diagnostics/{id}/claim", handler=claim_diagnostic,
          allow=ADMIN_OR_AGENT, summary="Begin to answer a diagnostic", gives=DiagnosticRequest,
          fails=(404, 409)),
    Route(method="POST", path="/diagnostics/{id}/result", handler=submit_result,
          allow=ANY_AGENT, summary="Answer a diagnostic", takes=DiagnosticSubmit,
          gives=DiagnosticResult, status=201, fails=(404, 409)),
]  # fmt: skip
