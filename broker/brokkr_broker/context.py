"""What a running broker holds open, and the keys under which aiohttp carries it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from brokkr_broker.config import BrokerConfig
from brokkr_broker.dal.events import Report
from brokkr_broker.db.batching import Batcher
from brokkr_broker.metrics import Metrics
from brokkr_broker.rendering.pool import Workers
from brokkr_broker.security.identity import Identity
from brokkr_broker.services.keys import KeyRing
from brokkr_common.wire.events import AgentEvent


@dataclass
class Context:
    """Opened at the edge; services get its parts as arguments, never the whole."""

    config: BrokerConfig
    metrics: Metrics
    db: Any
    keys: KeyRing
    reports: Batcher[Report, AgentEvent]
    heartbeats: Batcher[UUID, None]
    polls: Batcher[tuple[UUID, bool], str]
    workers: Workers
    stopping: asyncio.Event


CONTEXT = web.AppKey("context", Context)
DB: "web.RequestKey[Any]" = web.RequestKey("db", object)
"""The pool, or the connection of the transaction that a request with an Idempotency-Key runs in."""
IDENTITY: "web.RequestKey[Identity]" = web.RequestKey("identity", Identity)
