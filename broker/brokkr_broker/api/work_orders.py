"""Work orders, for the admin and for the agents that do them."""

from aiohttp import web

from brokkr_broker.api import paging, parsing, responses
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import work_orders as dal
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_AGENT, ADMIN_OR_AGENT_ITSELF
from brokkr_broker.services import work_orders
from brokkr_common.wire.work_orders import (
    Claim,
    Completion,
    Renewal,
    RetryScheduled,
    WorkOrder,
    WorkOrderCreate,
    WorkOrderLogEntry,
)


async def list_orders(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    status = request.query.get("status", "").upper() or None
    rows = await dal.list_(
        request[DB],
        status=status,
        work_type=request.query.get("work_type") or None,
        after=page.after,
        limit=page.fetch,
    )
    return page.answer(rows)


async def create_order(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, WorkOrderCreate)
    return responses.created(await work_orders.create(request[DB], wanted))


async def get_order(request: web.Request) -> web.Response:
    return responses.json(await work_orders.get(request[DB], parsing.path_id(request)))


async def delete_order(request: web.Request) -> web.Response:
    await work_orders.delete(request[DB], parsing.path_id(request))
    return responses.no_content()


async def list_pending(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    rows = await dal.pending(
        request[DB],
        parsing.path_id(request),
        work_type=request.query.get("work_type") or None,
        claimed=parsing.flag(request, "claimed") is True,
        after=page.after,
        limit=page.fetch,
    )
    return page.answer(rows)


async def claim_order(request: web.Request) -> web.Response:
    order_id = parsing.path_id(request)
    wanted = await parsing.body(request, Claim)
    claimed = await work_orders.claim(request[DB], order_id, wanted, request[IDENTITY])
    return responses.json(claimed)


async def renew_claim(request: web.Request) -> web.Response:
    order_id = parsing.path_id(request)
    wanted = await parsing.body(request, Renewal)
    renewed = await work_orders.renew(request[DB], order_id, wanted, request[IDENTITY])
    return responses.json(renewed)


async def complete_order(request: web.Request) -> web.Response:
    order_id = parsing.path_id(request)
    done = await parsing.body(request, Completion)
    outcome = await work_orders.complete(request[DB], order_id, done, request[IDENTITY])
    if isinstance(outcome, RetryScheduled):
        return responses.audited(responses.json(outcome, status=202), "workorder.retry")
    action = "workorder.completed" if outcome.success else "workorder.failed"
    return responses.audited(responses.json(outcome), action)


async def list_log(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_COMPLETION)
    rows = await dal.list_log(
        request[DB],
        work_type=request.query.get("work_type") or None,
        success=parsing.flag(request, "success"),
        agent_id=parsing.uuid(request, "agent_id"),
        after=page.after,
        limit=page.fetch,
    )
    return page.answer(rows)


async def get_log_entry(request: web.Request) -> web.Response:
    return responses.json(await work_orders.get_log(request[DB], parsing.path_id(request)))


_TYPE = Query(name="work_type", description="As `build` or `custom`.")
_STATUS = Query(
    name="status",
    description="Where it stands.",
    schema={"type": "string", "enum": ["PENDING", "CLAIMED", "RETRY_PENDING"]},
)
_CLAIMED = Query(
    name="claimed",
    description="`true`: also what the agent has claimed and not ended.",
    schema={"type": "boolean", "default": False},
)
_LOG = (
    _TYPE,
    Query(name="success", description="How it ended.", schema={"type": "boolean"}),
    Query(
        name="agent_id",
        description="Who did it.",
        schema={"type": "string", "format": "uuid"},
    ),
)

ROUTES = [
    Route(method="GET", path="/work-orders", handler=list_orders, allow=ADMIN,
          summary="List work orders that have not ended, newest first", gives=list[WorkOrder],
          query=(_STATUS, _TYPE, *paging.QUERY)),
    Route(method="POST", path="/work-orders", handler=create_order, allow=ADMIN,
          summary="Order work", takes=WorkOrderCreate, gives=WorkOrder, status=201,
          audit=("workorder.created",)),
    Route(method="GET", path="/work-orders/{id}", handler=get_order, allow=ADMIN,
          summary="Get a work order, ended or not", gives=WorkOrder, fails=(404,)),
    Route(method="DELETE", path="/work-orders/{id}", handler=delete_order, allow=ADMIN,
          summary="Cancel a work order, or remove it from the log", status=204, fails=(404,),
          audit=("workorder.deleted",)),
    Route(method="GET", path="/agents/{id}/work-orders/pending", handler=list_pending,
          allow=ADMIN_OR_AGENT_ITSELF, summary="List what an agent may claim, oldest first",
          gives=list[WorkOrder], query=(_TYPE, _CLAIMED, *paging.QUERY)),
    Route(method="POST", path="/work-orders/{id}/claim", handler=claim_order,
          allow=ADMIN_OR_AGENT, summary="Claim a work order: exactly one agent gets it",
          takes=Claim, gives=WorkOrder, fails=(404,), audit=("workorder.claimed",)),
    Route(method="POST", path="/work-orders/{id}/renew", handler=renew_claim,
          allow=ADMIN_OR_AGENT, summary="Keep a claim while the work goes on", takes=Renewal,
          gives=WorkOrder, fails=(404, 409), repeatable=True),
    Route(method="POST", path="/work-orders/{id}/complete", handler=complete_order,
          allow=ADMIN_OR_AGENT, summary="End an attempt: done, failed, or to be tried again (202)",
          takes=Completion, gives=WorkOrderLogEntry, gives_else={202: RetryScheduled},
          fails=(404, 409), repeatable=True, audit=("workorder.completed",)),
    Route(method="GET", path="/work-order-log", handler=list_log, allow=ADMIN,
          summary="List work orders that have ended, newest first",
          gives=list[WorkOrderLogEntry], query=(*_LOG, *paging.QUERY)),
    Route(method="GET", path="/work-order-log/{id}", handler=get_log_entry, allow=ADMIN,
          summary="Get a work order that has ended", gives=WorkOrderLogEntry, fails=(404,)),
]  # fmt: skip
