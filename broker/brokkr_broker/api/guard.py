"""What stands between a route and its handler: the key, the rule, repetitions, the audit trail."""

from aiohttp import web

from brokkr_broker.api import access, parsing, responses
from brokkr_broker.api.route import Handler, Route
from brokkr_broker.context import CONTEXT, DB, IDENTITY
from brokkr_broker.db.pool import transaction
from brokkr_broker.security.permissions import Rule
from brokkr_broker.services import audit, idempotency
from brokkr_common.wire.deployments import DeploymentObject

_REPLAYED = "Idempotency-Replayed"


def guard(route: Route) -> Handler:
    """The handler of a route, behind its rule. Public handlers stay as they are."""
    if route.allow is None:
        return route.handler
    rule: Rule = route.allow

    async def guarded(request: web.Request) -> web.StreamResponse:
        access.admit(request, await access.identify(request), rule)
        request[DB] = request.app[CONTEXT].db
        if route.method == "POST" and not route.repeatable and "Idempotency-Key" in request.headers:
            response = await _once(request, route.handler)
        else:
            response = await route.handler(request)
        made = response.get(responses.MODEL)
        if response.status == 201 and isinstance(
            made, DeploymentObject
        ):  # NB: only now is it committed
            request.app[CONTEXT].notices.add("stack", [made.stack_id])
        if route.audit and response.status < 300 and _REPLAYED not in response.headers:
            await _record(request, response, response.get(responses.ACTIONS, route.audit))
        return response

    return guarded


async def _once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The request's work and its answer in one transaction; a repetition gets the answer alone."""
    claim = idempotency.claim(
        request[IDENTITY],
        key=request.headers["Idempotency-Key"],
        pak=access.credential(request),
        method=request.method,
        path=request.rel_url.raw_path_qs,
        body=await request.read(),
    )
    async with transaction(request.app[CONTEXT].db) as connection:
        given = await idempotency.begin(connection, claim)
        if given is not None:
            status, answer = given
            headers = {_REPLAYED: "true"}
            kind = "application/json" if answer else None
            return web.Response(status=status, body=answer, content_type=kind, headers=headers)
        request[DB] = connection
        response = await handler(request)
        body = response.body if isinstance(response, web.Response) else None
        answer = body if isinstance(body, bytes) else b""
        await idempotency.end(connection, claim, status=response.status, body=answer)
        return response


async def _record(
    request: web.Request, response: web.StreamResponse, actions: tuple[str, ...]
) -> None:
    """What was made is the subject of its making; of every other action it is the path's id."""
    made_id, details = audit.subject(response.get(responses.MODEL))
    path_id = parsing.path_id(request) if "id" in request.match_info else made_id
    if "name" in request.match_info:
        details["removed"] = request.match_info["name"]
    actor, origin = request[IDENTITY], access.origin(request)
    for action in actions:
        subject = made_id if action.endswith(".created") else path_id
        entry = audit.entry(
            action, actor=actor, origin=origin, resource_id=subject, details=details
        )
        await request.app[CONTEXT].audit.record(entry)
