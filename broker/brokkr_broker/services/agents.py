"""Agents: register, change, delete, heartbeat, and what they serve."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.config import Pak
from brokkr_broker.dal import agents, targets
from brokkr_broker.db.pool import Executor
from brokkr_broker.security import pak
from brokkr_common.wire.agents import Agent, AgentCreate, AgentCreated, AgentTarget, AgentUpdate


def not_found() -> errors.NotFound:
    return errors.NotFound("no agent has this id", code="agent_not_found")


async def get(db: Executor, agent_id: UUID) -> Agent:
    agent = await agents.get(db, agent_id)
    if agent is None:
        raise not_found()
    return agent


async def find(db: Executor, *, name: str, cluster_name: str) -> Agent:
    agent = await agents.find(db, name=name, cluster_name=cluster_name)
    if agent is None:
        raise errors.NotFound("no agent has this name and cluster", code="agent_not_found")
    return agent


async def create(db: Executor, form: Pak, wanted: AgentCreate) -> AgentCreated:
    key = pak.generate(form)
    agent = await agents.create(
        db, name=wanted.name, cluster_name=wanted.cluster_name, hash=key.hash, head=key.head
    )
    return AgentCreated(agent=agent, initial_pak=key.text)


async def update(
    db: Executor, agent_id: UUID, change: AgentUpdate, *, unchanged_since: datetime | None
) -> Agent:
    agent = await agents.update(
        db,
        agent_id,
        name=change.name or None,
        cluster_name=change.cluster_name or None,
        status=change.status or None,
        unchanged_since=unchanged_since,
    )
    if agent is None:
        await get(db, agent_id)
        raise errors.PreconditionFailed
    return agent


async def delete(db: Executor, agent_id: UUID, *, unchanged_since: datetime | None) -> None:
    if not await agents.delete(db, agent_id, unchanged_since=unchanged_since):
        await get(db, agent_id)
        raise errors.PreconditionFailed


async def record_heartbeats(db: Executor, agent_ids: Sequence[UUID]) -> list[None | Exception]:
    """For a Batcher: stamp many agents in one statement."""
    live = await agents.heartbeat(db, list(set(agent_ids)))
    return [None if agent_id in live else not_found() for agent_id in agent_ids]


async def add_target(db: Executor, *, agent_id: UUID, stack_id: UUID) -> AgentTarget:
    target = await targets.create(db, agent_id=agent_id, stack_id=stack_id)
    if target is None:
        await get(db, agent_id)
        raise errors.NotFound("no stack has this id", code="stack_not_found")
    return target


async def remove_target(db: Executor, *, agent_id: UUID, stack_id: UUID) -> None:
    if not await targets.delete(db, agent_id=agent_id, stack_id=stack_id):
        raise errors.NotFound("the agent has no such target", code="agent_target_not_found")


def require_same(given: object, path_id: UUID, *, field: str, code: str) -> None:
    """An id in the body may be left out, but not differ from the path's."""
    if given is not UNSET and given != path_id:
        raise errors.Invalid(f"{field} differs from the path", code=code, field=field)
