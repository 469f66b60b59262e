"""Webhooks: subscriptions, deliveries, and what agents send."""

from aiohttp import web

from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import CONTEXT, DB, IDENTITY
from brokkr_broker.dal import deliveries
from brokkr_broker.dal import webhooks as dal
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_AGENT_ITSELF, ANY_AGENT
from brokkr_broker.services import agents, webhooks
from brokkr_common.wire.webhooks import (
    EVENT_TYPES,
    Delivery,
    DeliveryOutcome,
    DeliveryResult,
    PendingDelivery,
    Webhook,
    WebhookCreate,
    WebhookCreated,
    WebhookTest,
    WebhookUpdate,
)

_DEFAULT_LIMIT = 50


async def list_webhooks(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    return page.answer(await dal.list_(request[DB], after=page.after, limit=page.fetch))


async def list_types(_request: web.Request) -> web.Response:
    return responses.json(EVENT_TYPES)


async def create_webhook(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, WebhookCreate)
    context = request.app[CONTEXT]
    made = await webhooks.create(request[DB], context.vault(), context.sender, wanted)
    return responses.created(made)


async def get_webhook(request: web.Request) -> web.Response:
    found = await webhooks.get(request[DB], parsing.path_id(request))
    return conditions.row(request, found)


async def update_webhook(request: web.Request) -> web.Response:
    webhook_id = parsing.path_id(request)
    change = await parsing.body(request, WebhookUpdate)
    since = conditions.unchanged_since(request)
    changed = await webhooks.update(
        request[DB], request.app[CONTEXT].vault(), webhook_id, change, unchanged_since=since
    )
    return conditions.row(request, changed)


async def delete_webhook(request: web.Request) -> web.Response:
    since = conditions.unchanged_since(request)
    await webhooks.delete(request[DB], parsing.path_id(request), unchanged_since=since)
    return responses.no_content()


async def test_webhook(request: web.Request) -> web.Response:
    context, webhook_id = request.app[CONTEXT], parsing.path_id(request)
    return responses.json(
        await webhooks.test(request[DB], context.vault(), context.sender, webhook_id)
    )


async def list_deliveries(request: web.Request) -> web.Response:
    webhook = await webhooks.get(request[DB], parsing.path_id(request))
    limit = parsing.number(request, "limit", _DEFAULT_LIMIT, least=1)
    most = request.app[CONTEXT].config.api.max_list_rows
    page = paging.Page(request, paging.BY_CREATION, limit=min(limit, most))
    rows = await deliveries.list_(
        request[DB],
        webhook.id,
        status=request.query.get("status") or None,
        after=page.after,
        limit=page.fetch,
        offset=parsing.number(request, "offset", 0, least=0),
    )
    return page.answer(rows)


async def redeliver(request: web.Request) -> web.Response:
    return responses.json(await webhooks.redeliver(request[DB], parsing.path_id(request)))


async def claim_deliveries(request: web.Request) -> web.Response:
    agent = await agents.get(request[DB], parsing.path_id(request))
    vault = request.app[CONTEXT].vault()
    return responses.json(await webhooks.claim_for_agent(request[DB], vault, agent.id))


async def report_result(request: web.Request) -> web.Response:
    delivery_id = parsing.path_id(request)
    result = await parsing.body(request, DeliveryResult)
    return responses.json(
        await webhooks.report(request[DB], delivery_id, result, request[IDENTITY])
    )


_STATUS = Query(
    name="status",
    description="Where it stands.",
    schema={
        "type": "string", "enum": ["pending", "acquired", "success", "failed", "dead"],
    },
)  # fmt: skip
_OFFSET = Query(
    name="offset", description="Rows to skip.", schema={"type": "integer", "minimum": 0}
)

ROUTES = [
    Route(method="GET", path="/webhooks", handler=list_webhooks, allow=ADMIN,
          summary="List webhooks", gives=list[Webhook], query=paging.QUERY),
    Route(method="POST", path="/webhooks", handler=create_webhook, allow=ADMIN,
          summary="Subscribe a URL to events", takes=WebhookCreate, gives=WebhookCreated,
          status=201, audit=("webhook.created",)),
    Route(method="GET", path="/webhooks/event-types", handler=list_types, allow=ADMIN,
          summary="List the kinds of events", gives=list[str]),
    Route(method="GET", path="/webhooks/{id}", handler=get_webhook, allow=ADMIN,
          summary="Get a webhook", gives=Webhook, fails=(404,), conditional=True),
    Route(method="PUT", path="/webhooks/{id}", handler=update_webhook, allow=ADMIN,
          summary="Change a webhook", takes=WebhookUpdate, gives=Webhook, fails=(404,),
          conditional=True, audit=("webhook.updated",)),
    Route(method="DELETE", path="/webhooks/{id}", handler=delete_webhook, allow=ADMIN,
          summary="Delete a webhook with its deliveries", status=204, fails=(404,),
          conditional=True, audit=("webhook.deleted",)),
    Route(method="POST", path="/webhooks/{id}/test", handler=test_webhook, allow=ADMIN,
          summary="Call a webhook now", gives=WebhookTest, fails=(404,), repeatable=True),
    Route(method="GET", path="/webhooks/{id}/deliveries", handler=list_deliveries, allow=ADMIN,
          summary="List deliveries, newest first", gives=list[Delivery], fails=(404,),
          query=(_STATUS, _OFFSET, *paging.QUERY)),
    Route(method="POST", path="/webhook-deliveries/{id}/redeliver", handler=redeliver,
          allow=ADMIN, summary="Send a dead delivery again", gives=Delivery, fails=(404, 409),
          repeatable=True),
    Route(method="GET", path="/agents/{id}/webhooks/pending", handler=claim_deliveries,
          allow=ADMIN_OR_AGENT_ITSELF, fails=(404,), gives=list[PendingDelivery],
          summary="Claim what an agent has to send, for 60 seconds"),
    Route(method="POST", path="/webhook-deliveries/{id}/result", handler=report_result,
          allow=ANY_AGENT, summary="Report what became of a delivery", takes=DeliveryResult,
          gives=DeliveryOutcome, fails=(404,), repeatable=True),
]  # fmt: skip
