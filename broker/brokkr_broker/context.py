"""What a running broker holds open, and the keys under which aiohttp carries it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import web

from brokkr_broker.config import BrokerConfig
from brokkr_broker.dal.events import Report
from brokkr_broker.db.batching import Batcher
from brokkr_broker.live.channels import Channels
from brokkr_broker.live.notices import Notices
from brokkr_broker.live.stream import Stream
from brokkr_broker.metrics import Metrics
from brokkr_broker.outbound import Sender
from brokkr_broker.rendering.pool import Workers
from brokkr_broker.security.identity import Identity
from brokkr_broker.security.proxies import Network
from brokkr_broker.security.throttle import Throttle
from brokkr_broker.security.vault import Vault
from brokkr_broker.services.audit import Trail
from brokkr_broker.services.configuration import Live
from brokkr_broker.services.deployments import StateCache
from brokkr_broker.services.failures import Failures
from brokkr_broker.services.keys import KeyRing
from brokkr_common.telemetry import Tracing
from brokkr_common.wire.events import AgentEvent


@dataclass(kw_only=True)
class Context:
    """Opened at the edge; services get its parts as arguments, never the whole."""

    live: Live
    metrics: Metrics
    tracing: Tracing
    db: Any
    keys: KeyRing
    throttle: Throttle
    trusted_proxies: Sequence[Network]
    audit: Trail
    failures: Failures
    reports: Batcher[Report, AgentEvent]
    heartbeats: Batcher[UUID, None]
    polls: Batcher[tuple[UUID, bool], str]
    workers: Workers
    sender: Sender
    channels: Channels
    stream: Stream
    notices: Notices
    vault: Callable[[], Vault]
    ping: "asyncio.Future[bool] | None" = None
    webhook_due: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    states: StateCache = field(default_factory=StateCache)
    reload_wanted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def config(self) -> BrokerConfig:
        return self.live.current


CONTEXT = web.AppKey("context", Context)
DB: "web.RequestKey[Any]" = web.RequestKey("db", object)
"""The pool, or the connection of the transaction that a request with an Idempotency-Key runs in."""
DEADLINE: "web.RequestKey[asyncio.Timeout]" = web.RequestKey("deadline", asyncio.Timeout)
"""When the request has to be answered; connections that stay open lift it."""
IDENTITY: "web.RequestKey[Identity]" = web.RequestKey("identity", Identity)
