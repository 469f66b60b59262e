"""Administration: the audit trail, and reading the settings again."""

from datetime import datetime

import msgspec
from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import paging, parsing, responses
from brokkr_broker.api.route import Query, Route
from brokkr_broker.context import CONTEXT, DB
from brokkr_broker.dal import audit as dal
from brokkr_broker.dal import notices
from brokkr_broker.security.permissions import ADMIN
from brokkr_common.wire.admin import ConfigReload
from brokkr_common.wire.audit import AuditPage

_DEFAULT_LIMIT, _MOST = 100, 1000


async def list_audit(request: web.Request) -> web.Response:
    wanted = _filter(request)
    limit = min(parsing.number(request, "limit", _DEFAULT_LIMIT, least=1), _MOST)
    offset = parsing.number(request, "offset", 0, least=0)
    page = paging.Page(request, paging.BY_TIMESTAMP, limit=limit)
    rows = await dal.search(request[DB], wanted, after=page.after, limit=page.fetch, offset=offset)
    shown, headers = page.cut(rows)
    total = await dal.count(request[DB], wanted)
    answer = AuditPage(logs=shown, total=total, count=len(shown), limit=limit, offset=offset)
    return responses.json(answer, headers=headers)


def _filter(request: web.Request) -> dal.Filter:
    query = request.query
    action = query.get("action", "")
    is_prefix = action.endswith("*")
    return dal.Filter(
        actor_type=query.get("actor_type") or None,
        actor_id=parsing.uuid(request, "actor_id"),
        action=None if is_prefix else action or None,
        action_prefix=action.removesuffix("*") if is_prefix else None,
        resource_type=query.get("resource_type") or None,
        resource_id=parsing.uuid(request, "resource_id"),
        since=_moment(request, "from"),
        until=_moment(request, "to"),
    )


def _moment(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        moment = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.Invalid(
            f"{name} is no time like 2026-01-31T12:00:00Z", code="invalid_time", field=name
        )
    return moment


async def reload_config(request: web.Request) -> web.Response:
    live = request.app[CONTEXT].live
    outcome = await live.reload()
    if outcome.success:
        await notices.send(request[DB], ("config", live.name))
    return responses.json(outcome)


def _text(name: str, description: str, **schema: object) -> Query:
    return Query(name=name, description=description, schema={"type": "string", **schema})


_FILTERS = (
    _text("actor_type", "`admin`, `agent`, `generator` or `system`."),
    _text("actor_id", "Of an agent or a generator.", format="uuid"),
    _text("action", "As `agent.created`; `agent.*` takes all that begin so."),
    _text("resource_type", "As `stack`."),
    _text("resource_id", "What was acted on.", format="uuid"),
    _text("from", "From this moment on.", format="date-time"),
    _text("to", "Before this moment.", format="date-time"),
    Query(name="offset", description="Entries to skip.", schema={"type": "integer", "minimum": 0}),
)

ROUTES = [
    Route(method="GET", path="/admin/audit-logs", handler=list_audit, allow=ADMIN,
          summary="Search the audit trail, newest first", gives=AuditPage,
          query=(*_FILTERS, *paging.QUERY)),
    Route(method="POST", path="/admin/config/reload", handler=reload_config, allow=ADMIN,
          summary="Read the settings again, on every broker of this database",
          gives=ConfigReload, audit=("config.reloaded",)),
]  # fmt: skip
