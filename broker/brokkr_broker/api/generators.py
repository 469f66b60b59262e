"""Generators and their keys."""

from aiohttp import web

from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, DB
from brokkr_broker.dal import generators as dal
from brokkr_broker.security.permissions import ADMIN, ADMIN_OR_GENERATOR_ITSELF
from brokkr_broker.services import agents, generators, keys
from brokkr_common.wire.generators import (
    Generator,
    GeneratorCreate,
    GeneratorUpdate,
    GeneratorWithKey,
)


async def list_generators(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    return page.answer(await dal.list_(request[DB], after=page.after, limit=page.fetch))


async def create_generator(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, GeneratorCreate)
    form = request.app[CONTEXT].config.pak
    return responses.created(await generators.create(request[DB], form, wanted))


async def get_generator(request: web.Request) -> web.Response:
    found = await generators.get(request[DB], parsing.path_id(request))
    return conditions.row(request, found)


async def update_generator(request: web.Request) -> web.Response:
    generator_id = parsing.path_id(request)
    change = await parsing.body(request, GeneratorUpdate)
    agents.require_same(change.id, generator_id, field="id", code="generator_id_mismatch")
    since = conditions.unchanged_since(request)
    db = request[DB]
    changed = await generators.update(db, generator_id, change, unchanged_since=since)
    return conditions.row(request, changed)


async def delete_generator(request: web.Request) -> web.Response:
    since = conditions.unchanged_since(request)
    db = request[DB]
    await generators.delete(db, parsing.path_id(request), unchanged_since=since)
    return responses.no_content()


async def rotate_pak(request: web.Request) -> web.Response:
    form, generator_id = request.app[CONTEXT].config.pak, parsing.path_id(request)
    return responses.created(await keys.rotate_generator(request[DB], form, generator_id))


_ITSELF = ADMIN_OR_GENERATOR_ITSELF

ROUTES = [
    Route(method="GET", path="/generators", handler=list_generators, allow=ADMIN,
          summary="List generators", gives=list[Generator], query=paging.QUERY),
    Route(method="POST", path="/generators", handler=create_generator, allow=ADMIN,
          summary="Register a generator", takes=GeneratorCreate, gives=GeneratorWithKey,
          status=201, fails=(409,), audit=("generator.created", "pak.created")),
    Route(method="GET", path="/generators/{id}", handler=get_generator, allow=_ITSELF,
          summary="Get a generator", gives=Generator, fails=(404,), conditional=True),
    Route(method="PUT", path="/generators/{id}", handler=update_generator, allow=_ITSELF,
          summary="Change a generator", takes=GeneratorUpdate, gives=Generator, fails=(404, 409),
          conditional=True, audit=("generator.updated",)),
    Route(method="DELETE", path="/generators/{id}", handler=delete_generator, allow=_ITSELF,
          summary="Delete a generator with its stacks", status=204, fails=(404,), conditional=True,
          audit=("generator.deleted", "pak.deleted")),
    Route(method="POST", path="/generators/{id}/rotate-pak", handler=rotate_pak, allow=_ITSELF,
          summary="Give a generator a new key", gives=GeneratorWithKey, status=201, fails=(404,),
          audit=("pak.rotated",)),
]  # fmt: skip
