"""Stacks."""

from aiohttp import web

from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import stacks as dal
from brokkr_broker.security.permissions import ADMIN_OR_GENERATOR
from brokkr_broker.services import stacks
from brokkr_common.wire.stacks import Stack, StackCreate, StackUpdate


async def list_stacks(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    owner = request[IDENTITY].id  # None for the admin: all
    db = request[DB]
    rows = await dal.list_(db, generator_id=owner, after=page.after, limit=page.fetch)
    return page.answer(rows)


async def create_stack(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, StackCreate)
    db = request[DB]
    return responses.created(await stacks.create(db, wanted, request[IDENTITY]))


async def get_stack(request: web.Request) -> web.Response:
    db = request[DB]
    found = await stacks.get(db, parsing.path_id(request), request[IDENTITY])
    return conditions.row(request, found)


async def update_stack(request: web.Request) -> web.Response:
    stack_id = parsing.path_id(request)
    change = await parsing.body(request, StackUpdate)
    since = conditions.unchanged_since(request)
    db, identity = request[DB], request[IDENTITY]
    changed = await stacks.update(db, stack_id, change, identity, unchanged_since=since)
    return conditions.row(request, changed)


async def delete_stack(request: web.Request) -> web.Response:
    since = conditions.unchanged_since(request)
    db, identity = request[DB], request[IDENTITY]
    await stacks.delete(db, parsing.path_id(request), identity, unchanged_since=since)
    return responses.no_content()


ROUTES = [
    Route(method="GET", path="/stacks", handler=list_stacks, allow=ADMIN_OR_GENERATOR,
          summary="List stacks (a generator: its own)", gives=list[Stack], query=paging.QUERY),
    Route(method="POST", path="/stacks", handler=create_stack, allow=ADMIN_OR_GENERATOR,
          summary="Create a stack", takes=StackCreate, gives=Stack, status=201, fails=(409,),
          audit=("stack.created",)),
    Route(method="GET", path="/stacks/{id}", handler=get_stack, allow=ADMIN_OR_GENERATOR,
          summary="Get a stack", gives=Stack, fails=(404,), conditional=True),
    Route(method="PUT", path="/stacks/{id}", handler=update_stack, allow=ADMIN_OR_GENERATOR,
          summary="Change a stack", takes=StackUpdate, gives=Stack, fails=(404, 409),
          conditional=True, audit=("stack.updated",)),
    Route(method="DELETE", path="/stacks/{id}", handler=delete_stack, allow=ADMIN_OR_GENERATOR,
          summary="Delete a stack; its agents remove its objects", status=204, fails=(404,),
          conditional=True, audit=("stack.deleted",)),
]  # fmt: skip
