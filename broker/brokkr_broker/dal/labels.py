"""Labels and annotations: one implementation for every kind of owner."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from brokkr_broker.db import queries
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.agents import AgentAnnotation, AgentLabel
from brokkr_common.wire.stacks import StackAnnotation, StackLabel
from brokkr_common.wire.templates import TemplateAnnotation, TemplateLabel

SQL = queries.load(__name__)
M = TypeVar("M", bound=msgspec.Struct)


@dataclass(frozen=True)
class Table(Generic[M]):
    """The statements of one kind of owner. `create` answers None where the owner is not live."""

    model: type[M]
    list_sql: str
    create_sql: str
    delete_sql: str

    async def list_(
        self, db: Executor, owner_id: UUID, *, after: str | None, limit: int
    ) -> list[M]:
        rows = await db.fetch(self.list_sql, owner_id, after, limit)
        return [self.model(**row) for row in rows]

    async def create(self, db: Executor, owner_id: UUID, *values: str) -> M | None:
        row: Any = await db.fetchrow(self.create_sql, owner_id, *values)
        return self.model(**row) if row else None

    async def delete(self, db: Executor, owner_id: UUID, name: str) -> bool:
        return await db.fetchval(self.delete_sql, owner_id, name) is not None


agent_labels = Table(
    AgentLabel, SQL.list_agent_labels, SQL.create_agent_label, SQL.delete_agent_label
)
agent_annotations = Table(
    AgentAnnotation,
    SQL.list_agent_annotations,
    SQL.create_agent_annotation,
    SQL.delete_agent_annotation,
)
stack_labels = Table(
    StackLabel, SQL.list_stack_labels, SQL.create_stack_label, SQL.delete_stack_label
)
stack_annotations = Table(
    StackAnnotation,
    SQL.list_stack_annotations,
    SQL.create_stack_annotation,
    SQL.delete_stack_annotation,
)
template_labels = Table(
    TemplateLabel, SQL.list_template_labels, SQL.create_template_label, SQL.delete_template_label
)
template_annotations = Table(
    TemplateAnnotation,
    SQL.list_template_annotations,
    SQL.create_template_annotation,
    SQL.delete_template_annotation,
)
