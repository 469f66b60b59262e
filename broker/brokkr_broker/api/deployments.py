"""Deployment objects."""

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import deployments as dal
from brokkr_broker.security.permissions import ADMIN_OR_GENERATOR, ANYONE
from brokkr_broker.services import deployments, stacks
from brokkr_common.wire.deployments import DeploymentCreate, DeploymentObject


async def list_objects(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_SEQUENCE)
    db, identity = request[DB], request[IDENTITY]
    stack = await stacks.get(db, parsing.path_id(request), identity, deleted=True)
    gone = stack.deleted_at is not None
    rows = await dal.list_(db, stack.id, deleted=gone, after=page.after, limit=page.fetch)
    return page.answer(rows)


async def create_object(request: web.Request) -> web.Response:
    stack_id = parsing.path_id(request)
    wanted = await _wanted(request)
    db = request[DB]
    return responses.created(await deployments.create(db, stack_id, wanted, request[IDENTITY]))


async def _wanted(request: web.Request) -> DeploymentCreate:
    """JSON, or the YAML itself: `curl --data-binary @stack.yaml`."""
    if request.content_type not in _YAML_TYPES:
        return await parsing.body(request, DeploymentCreate)
    try:
        text = (await request.read()).decode()
    except UnicodeDecodeError as e:
        raise errors.Invalid(f"the body is not UTF-8: {e.reason} at byte {e.start}") from e
    marker = request.query.get("deletion_marker") == "true"
    return DeploymentCreate(yaml_content=text, is_deletion_marker=marker)


async def get_object(request: web.Request) -> web.Response:
    object_id = parsing.path_id(request)
    db = request[DB]
    found = await deployments.get(db, object_id, request[IDENTITY])
    return conditions.row(request, found)


_YAML_TYPES = {"application/yaml", "application/x-yaml", "text/yaml"}
_MARKER = Query(
    name="deletion_marker",
    description="With a YAML body: `true` makes it a deletion marker.",
    schema={"type": "boolean", "default": False},
)

ROUTES = [
    Route(method="GET", path="/stacks/{id}/deployment-objects", handler=list_objects,
          allow=ADMIN_OR_GENERATOR, summary="List a stack's versions, newest first",
          gives=list[DeploymentObject], fails=(404,), query=paging.QUERY),
    Route(method="POST", path="/stacks/{id}/deployment-objects", handler=create_object,
          allow=ADMIN_OR_GENERATOR, summary="Push a version (YAML, or a deletion marker)",
          takes=DeploymentCreate, takes_yaml=True, query=(_MARKER,), gives=DeploymentObject,
          status=201, fails=(404,), audit=("deployment.created",)),
    Route(method="GET", path="/deployment-objects/{id}", handler=get_object, allow=ANYONE,
          summary="Get a version", gives=DeploymentObject, fails=(404,), conditional=True),
]  # fmt: skip
