"""Agents, their keys, heartbeat, targets and target state."""

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import conditions, paging, parsing, responses
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import CONTEXT, DB, IDENTITY
from brokkr_broker.dal import agents as dal
from brokkr_broker.dal import targets
from brokkr_broker.security.permissions import (
    ADMIN,
    ADMIN_OR_AGENT,
    ADMIN_OR_AGENT_ITSELF,
    AGENT_ITSELF,
)
from brokkr_broker.services import agents, deployments, keys
from brokkr_common.wire.agents import (
    Agent,
    AgentCreate,
    AgentCreated,
    AgentRotated,
    AgentTarget,
    AgentUpdate,
    TargetCreate,
)
from brokkr_common.wire.deployments import TargetObject, TargetStateMode
from brokkr_common.wire.stacks import Stack


async def list_agents(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    return page.answer(await dal.list_(request[DB], after=page.after, limit=page.fetch))


async def create_agent(request: web.Request) -> web.Response:
    wanted = await parsing.body(request, AgentCreate)
    form = request.app[CONTEXT].config.pak
    return responses.created(await agents.create(request[DB], form, wanted))


async def find_agent(request: web.Request) -> web.Response:
    name, cluster_name = (request.query.get(key, "") for key in ("name", "cluster_name"))
    if not (name and cluster_name):
        raise errors.Invalid("name and cluster_name are required", code="name_and_cluster_required")
    agent = await agents.find(request[DB], name=name, cluster_name=cluster_name)
    identity = request[IDENTITY]
    if not (identity.is_admin or identity.is_agent(agent.id)):
        raise errors.Forbidden(code="agent_pak_mismatch")
    return conditions.row(request, agent)


async def get_agent(request: web.Request) -> web.Response:
    agent = await agents.get(request[DB], parsing.path_id(request))
    return conditions.row(request, agent)


async def update_agent(request: web.Request) -> web.Response:
    agent_id = parsing.path_id(request)
    change = await parsing.body(request, AgentUpdate)
    agents.require_same(change.id, agent_id, field="id", code="agent_id_mismatch")
    since = conditions.unchanged_since(request)
    db = request[DB]
    agent = await agents.update(db, agent_id, change, unchanged_since=since)
    return conditions.row(request, agent)


async def delete_agent(request: web.Request) -> web.Response:
    since = conditions.unchanged_since(request)
    db = request[DB]
    await agents.delete(db, parsing.path_id(request), unchanged_since=since)
    return responses.no_content()


async def rotate_pak(request: web.Request) -> web.Response:
    form, agent_id = request.app[CONTEXT].config.pak, parsing.path_id(request)
    return responses.json(await keys.rotate_agent(request[DB], form, agent_id))


async def heartbeat(request: web.Request) -> web.Response:
    await request.app[CONTEXT].heartbeats.submit(parsing.path_id(request))
    return responses.no_content()


async def target_state(request: web.Request) -> web.Response:
    """The state's tag is read first: where the caller, or this process, has what belongs to it, no
    YAML is read."""
    context, agent_id = request.app[CONTEXT], parsing.path_id(request)
    full = request.query.get("mode") == TargetStateMode.FULL
    mode = TargetStateMode.FULL if full else TargetStateMode.INCREMENTAL
    headers = {"Brokkr-Target-State-Mode": mode.value}
    tag = await context.polls.submit((agent_id, not full))
    if conditions.known(request, tag):
        return web.Response(status=304, headers={**headers, "ETag": tag})
    body = context.states.get(tag)
    if body is None:
        found, tag = await deployments.target_state(request[DB], agent_id, mode)
        body = responses.encode(found)
        context.states.put(tag, body)
    return web.Response(
        body=body, content_type="application/json", headers={**headers, "ETag": tag}
    )


async def list_stacks(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_CREATION)
    agent_id, db = parsing.path_id(request), request[DB]
    return page.answer(await dal.stacks(db, agent_id, after=page.after, limit=page.fetch))


async def list_targets(request: web.Request) -> web.Response:
    page = paging.Page(request, paging.BY_STACK)
    agent_id, db = parsing.path_id(request), request[DB]
    return page.answer(await targets.list_(db, agent_id, after=page.after, limit=page.fetch))


async def add_target(request: web.Request) -> web.Response:
    agent_id = parsing.path_id(request)
    wanted = await parsing.body(request, TargetCreate)
    agents.require_same(wanted.agent_id, agent_id, field="agent_id", code="agent_id_mismatch")
    db = request[DB]
    return responses.created(
        await agents.add_target(db, agent_id=agent_id, stack_id=wanted.stack_id)
    )


async def remove_target(request: web.Request) -> web.Response:
    stack_id = parsing.path_id(request, "stack_id")
    db = request[DB]
    await agents.remove_target(db, agent_id=parsing.path_id(request), stack_id=stack_id)
    return responses.no_content()


_ITSELF = ADMIN_OR_AGENT_ITSELF
_BY_NAME = (
    Query(name="name", description="The agent's name.", required=True),
    Query(name="cluster_name", description="The agent's cluster.", required=True),
)
_MODE = Query(
    name="mode",
    description="`full`: everything the agent should run. `incremental` (default): less what it "
    "has reported as applied. Absence from an incremental answer never means removal.",
    schema={"type": "string", "enum": ["incremental", "full"], "default": "incremental"},
)

ROUTES = [
    Route(method="GET", path="/agents", handler=list_agents, allow=ADMIN,
          summary="List agents", gives=list[Agent], query=paging.QUERY),
    Route(method="POST", path="/agents", handler=create_agent, allow=ADMIN,
          summary="Register an agent", takes=AgentCreate, gives=AgentCreated, status=201,
          fails=(409,), audit=("agent.created", "pak.created")),
    Route(method="GET", path="/agents/", handler=find_agent, allow=ADMIN_OR_AGENT,
          summary="Find an agent by name and cluster", gives=Agent, query=_BY_NAME, fails=(404,),
          conditional=True),
    Route(method="GET", path="/agents/{id}", handler=get_agent, allow=_ITSELF,
          summary="Get an agent", gives=Agent, fails=(404,), conditional=True),
    Route(method="PUT", path="/agents/{id}", handler=update_agent, allow=_ITSELF,
          summary="Change an agent", takes=AgentUpdate, gives=Agent, fails=(404, 409),
          conditional=True, audit=("agent.updated",)),
    Route(method="DELETE", path="/agents/{id}", handler=delete_agent, allow=ADMIN,
          summary="Delete an agent", status=204, fails=(404,), conditional=True,
          audit=("agent.deleted", "pak.deleted")),
    Route(method="POST", path="/agents/{id}/rotate-pak", handler=rotate_pak, allow=_ITSELF,
          summary="Give an agent a new key", gives=AgentRotated, fails=(404,),
          audit=("pak.rotated",)),
    Route(method="POST", path="/agents/{id}/heartbeat", handler=heartbeat, allow=AGENT_ITSELF,
          summary="Say that the agent is alive", status=204, fails=(404,), repeatable=True),
    Route(method="GET", path="/agents/{id}/target-state", handler=target_state, allow=_ITSELF,
          summary="What the agent should run", gives=list[TargetObject], query=(_MODE,),
          conditional=True),
    Route(method="GET", path="/agents/{id}/stacks", handler=list_stacks, allow=_ITSELF,
          summary="List the stacks an agent serves", gives=list[Stack], query=paging.QUERY),
    Route(method="GET", path="/agents/{id}/targets", handler=list_targets, allow=_ITSELF,
          summary="List an agent's direct targets", gives=list[AgentTarget], query=paging.QUERY),
    Route(method="POST", path="/agents/{id}/targets", handler=add_target, allow=ADMIN,
          summary="Let an agent serve a stack", takes=TargetCreate, gives=AgentTarget, status=201,
          fails=(404, 409), audit=("agent.updated",)),
    Route(method="DELETE", path="/agents/{id}/targets/{stack_id}", handler=remove_target,
          allow=ADMIN, summary="Remove a direct target", status=204, fails=(404,),
          audit=("agent.updated",)),
]  # fmt: skip
