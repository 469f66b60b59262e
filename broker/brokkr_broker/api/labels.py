"""Labels and annotations of agents, stacks and templates.

A label's body is a bare JSON string or an object; both forms are in use.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiohttp import web

from brokkr_broker.api import paging, parsing, responses
from brokkr_broker.api.route import Handler, Route
from brokkr_broker.context import DB, IDENTITY
from brokkr_broker.dal import labels as dal
from brokkr_broker.dal.labels import Table
from brokkr_broker.db.pool import Executor
from brokkr_broker.security.identity import Identity
from brokkr_broker.security.permissions import (
    ADMIN,
    ADMIN_OR_AGENT_ITSELF,
    ADMIN_OR_GENERATOR,
    ANYONE,
    NO_AGENTS,
    Rule,
)
from brokkr_broker.services import agents, labels, stacks, templates
from brokkr_common.wire import base
from brokkr_common.wire.agents import (
    AgentAnnotationCreate,
    AgentLabelCreate,
)
from brokkr_common.wire.stacks import (
    StackAnnotationCreate,
    StackLabelCreate,
)
from brokkr_common.wire.templates import TemplateAnnotationCreate, TemplateLabelCreate


async def _agent(db: Executor, agent_id: UUID, _identity: Identity) -> None:
    """The route's rule has said already who may; here is whether there is one."""
    await agents.get(db, agent_id)


async def _allowed(_db: Executor, _agent_id: UUID, _identity: Identity) -> None:
    """Labels of agents are the admin's, who may change all."""


Check = dict[str, Callable[[Executor, UUID, Identity], Awaitable[Any]]]
_READABLE: Check = {
    "agent": _agent,
    "stack": stacks.get_readable,
    "template": templates.get_readable,
}
_CHANGEABLE: Check = {"agent": _allowed, "stack": stacks.get, "template": templates.get}


def _reader(table: Table[Any], owner: str, what: str) -> Handler:
    order = paging.BY_LABEL if what == "label" else paging.BY_KEY

    async def list_(request: web.Request) -> web.Response:
        owner_id, db = parsing.path_id(request), request[DB]
        await _READABLE[owner](db, owner_id, request[IDENTITY])
        page = paging.Page(request, order)
        return page.answer(await table.list_(db, owner_id, after=page.after, limit=page.fetch))

    return list_


def _adder(table: Table[Any], owner: str, takes: Any) -> Handler:
    async def add(request: web.Request) -> web.Response:
        owner_id, db = parsing.path_id(request), request[DB]
        await _CHANGEABLE[owner](db, owner_id, request[IDENTITY])
        wanted = await parsing.body(request, takes)
        if isinstance(wanted, str):
            values = [wanted]
        else:
            field = f"{owner}_id"
            given = getattr(wanted, field)
            agents.require_same(given, owner_id, field=field, code=f"{field}_mismatch")
            values = [getattr(wanted, f) for f in ("label", "key", "value") if hasattr(wanted, f)]
        return responses.created(await labels.add(table, db, owner_id, *values, owner=owner))

    return add


def _remover(table: Table[Any], owner: str, what: str) -> Handler:
    async def remove(request: web.Request) -> web.Response:
        owner_id, db = parsing.path_id(request), request[DB]
        await _CHANGEABLE[owner](db, owner_id, request[IDENTITY])
        name = request.match_info["name"]
        await labels.remove(table, db, owner_id, name, owner=owner, what=what)
        return responses.no_content()

    return remove


def _routes(
    owner: str, what: str, table: Table[Any], takes: Any, *, read: Rule, write: Rule
) -> list[Route]:
    path = f"/{owner}s/{{id}}/{what}s"
    article = "an" if owner == "agent" else "a"
    return [
        Route(method="GET", path=path, handler=_reader(table, owner, what), allow=read,
              summary=f"List {article} {owner}'s {what}s", gives=list[table.model],  # type: ignore[name-defined]
              query=paging.QUERY, fails=(404,)),
        Route(method="POST", path=path, handler=_adder(table, owner, takes), allow=write,
              summary=f"Add {article} {owner}'s {what}", takes=takes, gives=table.model,
              status=201, fails=(404, 409), audit=(f"{owner}.updated",)),
        Route(method="DELETE", path=path + "/{name}", handler=_remover(table, owner, what),
              allow=write, summary=f"Remove {article} {owner}'s {what}", status=204, fails=(404,),
              audit=(f"{owner}.updated",)),
    ]  # fmt: skip


ROUTES = [
    *_routes("agent", "label", dal.agent_labels, AgentLabelCreate | base.Label,
             read=ADMIN_OR_AGENT_ITSELF, write=ADMIN),
    *_routes("agent", "annotation", dal.agent_annotations, AgentAnnotationCreate,
             read=ADMIN_OR_AGENT_ITSELF, write=ADMIN),
    *_routes("template", "label", dal.template_labels, TemplateLabelCreate | base.Label,
             read=NO_AGENTS, write=NO_AGENTS),
    *_routes("template", "annotation", dal.template_annotations, TemplateAnnotationCreate,
             read=NO_AGENTS, write=NO_AGENTS),
    *_routes("stack", "label", dal.stack_labels, StackLabelCreate | base.Label,
             read=ANYONE, write=ADMIN_OR_GENERATOR),
    *_routes("stack", "annotation", dal.stack_annotations, StackAnnotationCreate,
             read=ANYONE, write=ADMIN_OR_GENERATOR),
]  # fmt: skip
