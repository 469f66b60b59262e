"""One row of the routing table: everything there is to know about an endpoint."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from brokkr_broker.security.permissions import Rule

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIX = "/api/v1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """A query parameter, for the document."""

    name: str
    description: str
    required: bool = False
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """`allow` is None for public routes. `fails` lists the statuses beyond the usual ones.

    `gives_else`: other successes, by status. `repeatable`: a POST whose handler sees to repetitions
    itself. `audit`: the actions that a success is written down as.
    """

    method: str
    path: str
    handler: Handler
    allow: Rule | None
    summary: str
    takes: Any = None
    takes_yaml: bool = False
    gives: Any = None
    gives_else: dict[int, Any] = field(default_factory=dict)
    status: int = 200
    fails: tuple[int, ...] = ()
    query: tuple[Query, ...] = ()
    conditional: bool = False
    repeatable: bool = False
    audit: tuple[str, ...] = ()
    media_type: str = "application/json"

    @property
    def url(self) -> str:
        return self.path if self.allow is None else PREFIX + self.path

    @property
    def tag(self) -> str:
        return "operations" if self.allow is None else self.path.split("/")[1]
