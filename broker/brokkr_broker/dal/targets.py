"""Direct targets: this agent serves that stack."""

from collections.abc import Sequence
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.agents import AgentTarget

SQL = queries.load(__name__)


async def serving(db: Executor, stacks: Sequence[UUID]) -> list[UUID]:
    """The agents that serve any of these stacks, however they are matched."""
    return [row["agent_id"] for row in await db.fetch(SQL.serving, list(stacks))]


async def list_(
    db: Executor, agent_id: UUID, *, after: UUID | None, limit: int
) -> list[AgentTarget]:
    return [AgentTarget(**row) for row in await db.fetch(SQL.list_, agent_id, after, limit)]


async def create(db: Executor, *, agent_id: UUID, stack_id: UUID) -> AgentTarget | None:
    """None where agent or stack is not live."""
    row = await db.fetchrow(SQL.create, agent_id, stack_id)
    return AgentTarget(**row) if row else None


async def delete(db: Executor, *, agent_id: UUID, stack_id: UUID) -> bool:
    return await db.fetchval(SQL.delete, agent_id, stack_id) is not None
