"""Templates."""

from aiohttp import web

from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Route
from brokkr_broker.context import CONTEXT, DB, IDENTITY
from brokkr_broker.dal import templates as dal
from brokkr_broker.security.permissions import ADMIN_OR_GENERATOR, NO_AGENTS
from brokkr_broker.services import agents, templates
from brokkr_common.wire.deployments import DeploymentObject
from brokkr_common.wire.templates import Instantiate, Template, TemplateCreate, TemplateUpdate


async def list_templates(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    reader = request[IDENTITY].id  # None for the admin: all
    rows = await dal.list_(request[DB], generator_id=reader, after=page.after, limit=page.fetch)
    return page.answer(rows)


async def create_template(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, TemplateCreate)
    workers = request.app[CONTEXT].workers
    made = await templates.create(request[DB], workers, wanted, request[IDENTITY])
    return responses.created(made)


async def get_template(request: web.Request) -> web.Response:
    template_id = parsing.path_id(request)
    found = await templates.get_readable(request[DB], template_id, request[IDENTITY])
    return conditions.row(request, found)


async def update_template(request: web.Request) -> web.Response:
    template_id = parsing.path_id(request)
    change = await parsing.body(request, TemplateUpdate)
    agents.require_same(change.id, template_id, field="id", code="template_id_mismatch")
    since = conditions.unchanged_since(request)
    db, workers, identity = request[DB], request.app[CONTEXT].workers, request[IDENTITY]
    made = await templates.update(db, workers, template_id, change, identity, unchanged_since=since)
    return conditions.row(request, made)


async def delete_template(request: web.Request) -> web.Response:
    template_id, since = parsing.path_id(request), conditions.unchanged_since(request)
    await templates.delete(request[DB], template_id, request[IDENTITY], unchanged_since=since)
    return responses.no_content()


async def instantiate(request: web.Request) -> web.Response:
    stack_id = parsing.path_id(request)
    wanted = await parsing.body(request, Instantiate)
    db, workers, identity = request[DB], request.app[CONTEXT].workers, request[IDENTITY]
    return responses.created(await templates.instantiate(db, workers, stack_id, wanted, identity))


ROUTES = [
    Route(method="GET", path="/templates", handler=list_templates, allow=NO_AGENTS,
          summary="List templates, every version (a generator: the system's and its own)",
          gives=list[Template], query=paging.QUERY),
    Route(method="POST", path="/templates", handler=create_template, allow=NO_AGENTS,
          summary="Create a template, or the next version of one with this name",
          takes=TemplateCreate, gives=Template, status=201, audit=("template.created",)),
    Route(method="GET", path="/templates/{id}", handler=get_template, allow=NO_AGENTS,
          summary="Get a version of a template", gives=Template, fails=(404,), conditional=True),
    Route(method="PUT", path="/templates/{id}", handler=update_template, allow=NO_AGENTS,
          summary="Make the next version of a template", takes=TemplateUpdate, gives=Template,
          fails=(404,), conditional=True, audit=("template.updated",)),
    Route(method="DELETE", path="/templates/{id}", handler=delete_template, allow=NO_AGENTS,
          summary="Delete a version of a template", status=204, fails=(404,), conditional=True,
          audit=("template.deleted",)),
    Route(method="POST", path="/stacks/{id}/deployment-objects/from-template", handler=instantiate,
          allow=ADMIN_OR_GENERATOR, summary="Push a version made from a template",
          takes=Instantiate, gives=DeploymentObject, status=201, fails=(404,),
          audit=("deployment.created",)),
]  # fmt: skip
