"""Deployment objects, and the target state of an agent."""

from collections.abc import Sequence
from uuid import UUID

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.deployments import DeploymentObject, TargetObject

SQL = queries.load(__name__)


async def create(
    db: Executor,
    stack_id: UUID,
    *,
    yaml: str,
    checksum: str,
    is_deletion_marker: bool,
    generator_id: UUID | None,
) -> DeploymentObject | None:
    """None where the stack is not live, or not the generator's (None: anybody's)."""
    row = await db.fetchrow(SQL.create, stack_id, yaml, checksum, is_deletion_marker, generator_id)
    return DeploymentObject(**row) if row else None


async def get(db: Executor, object_id: UUID) -> DeploymentObject | None:
    row = await db.fetchrow(SQL.get, object_id)
    return DeploymentObject(**row) if row else None


async def list_(
    db: Executor, stack_id: UUID, *, deleted: bool, after: int | None, limit: int
) -> list[DeploymentObject]:
    rows = await db.fetch(SQL.list_, stack_id, deleted, after, limit)
    return [DeploymentObject(**row) for row in rows]


async def wanted(db: Executor, asks: Sequence[tuple[UUID, bool]]) -> list[list[tuple[UUID, str]]]:
    """For each (agent, without what it reported as applied): objects and names of their stacks."""
    found: list[list[tuple[UUID, str]]] = [[] for _ in asks]
    agents, without_applied = ([ask[i] for ask in asks] for i in (0, 1))
    for row in await db.fetch(SQL.wanted, agents, without_applied):
        found[row["position"] - 1].append((row["id"], row["stack_name"]))
    return found


async def targets(db: Executor, agent_id: UUID, *, without_applied: bool) -> list[TargetObject]:
    return [TargetObject(**row) for row in await db.fetch(SQL.targets, agent_id, without_applied)]


async def count(db: Executor) -> int:
    number: int = await db.fetchval(SQL.count)
    return number
