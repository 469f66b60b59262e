"""Agent events: take each report once, whatever is repeated or lost on the way."""

from collections.abc import Callable, Sequence
from uuid import UUID, uuid4, uuid5

from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.dal import events
from brokkr_broker.dal.events import Report
from brokkr_broker.db.pool import Executor
from brokkr_common.wire.events import AgentEvent, EventCreate


def report(agent_id: UUID, event: EventCreate, *, idempotency_key: str | None) -> Report:
    """Without an id of its own, a report is known by its Idempotency-Key, if it has one."""
    if event.id is not UNSET:
        event_id = event.id
    elif idempotency_key:
        event_id = uuid5(agent_id, idempotency_key)
    else:
        event_id = uuid4()
    return Report(
        id=event_id,
        agent_id=agent_id,
        deployment_object_id=event.deployment_object_id,
        event_type=event.event_type,
        status=event.status.value,
        message=event.message,
    )


async def record(
    db: Executor, reports: Sequence[Report], *, told: Callable[[Sequence[UUID]], None]
) -> list[AgentEvent | Exception]:
    """For a Batcher: store many reports in one statement, and answer each."""
    stored = await events.record(db, reports)
    told(list(stored))
    return [_answer(item, stored.get(item.id) or await events.get(db, item.id)) for item in reports]


def _answer(wanted: Report, stored: AgentEvent | None) -> AgentEvent | Exception:
    if stored is None:
        return errors.Unprocessable(
            "deployment_object_id names nothing that exists", code="foreign_key_violation"
        )
    if stored.agent_id != wanted.agent_id:
        return errors.Conflict("another agent's event has this id", fields=["id"])
    return stored


async def get(db: Executor, event_id: UUID) -> AgentEvent:
    found = await events.get(db, event_id)
    if found is None:
        raise errors.NotFound("no event has this id", code="agent_event_not_found")
    return found
