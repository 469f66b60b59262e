"""Health: take an agent's report, and sum up what all of them say."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from brokkr_broker import errors
from brokkr_broker.dal import health
from brokkr_broker.db.pool import Executor, transaction
from brokkr_common.wire.health import (
    Health,
    HealthReport,
    HealthSummary,
    ObjectHealth,
    ObjectHealthCounts,
    ObjectReport,
    StackHealth,
)

_WORST_FIRST = (Health.FAILING, Health.DEGRADED, Health.HEALTHY)


async def report(db: Executor, agent_id: UUID, wanted: HealthReport) -> None:
    """Store all records, or none. Raises Unprocessable naming the record that is wrong."""
    checks: dict[UUID, health.Check] = {}
    for position, record in enumerate(wanted.deployment_objects):
        check = _check(record, position)
        if check.id not in checks or checks[check.id].checked_at <= check.checked_at:
            checks[check.id] = check
    if not checks:
        return
    ids = list(checks)
    async with transaction(db) as connection:
        if unknown := await health.find_unknown(connection, ids):
            position = next(i for i, r in enumerate(wanted.deployment_objects) if r.id == unknown)
            raise _wrong(position, "id", "names no deployment object", "foreign_key_violation")
        await health.record(connection, agent_id, list(checks.values()))
        await health.forget_older(connection, agent_id, ids)


def _check(record: ObjectReport, position: int) -> health.Check:
    if record.checked_at.tzinfo is None:
        raise _wrong(position, "checked_at", "needs a time zone", "invalid_health_record")
    summary = record.summary
    if isinstance(summary, str):
        try:
            summary = msgspec.json.decode(summary, type=HealthSummary | None) if summary else None
        except msgspec.MsgspecError as e:
            raise _wrong(position, "summary", str(e), "invalid_health_record") from e
    text = msgspec.json.encode(summary).decode() if summary else None
    return health.Check(record.id, record.status.value, text, record.checked_at)


def _wrong(position: int, field: str, message: str, code: str) -> errors.Unprocessable:
    path = f"/deployment_objects/{position}/{field}"
    problem = {"path": path, "message": message}
    return errors.Unprocessable(f"{path.lstrip('/')}: {message}", code=code, errors=[problem])


async def of_object(db: Executor, object_id: UUID, *, limit: int) -> ObjectHealth:
    records = await health.of_object(db, object_id, limit=limit)
    return ObjectHealth(
        deployment_object_id=object_id,
        overall_status=worst(record.status for record in records),
        health_records=records,
    )


async def of_stack(db: Executor, stack_id: UUID, *, limit: int) -> StackHealth:
    objects = [
        ObjectHealthCounts(
            status=worst(status for status in _WORST_FIRST if row[f"{status}_agents"]), **row
        )
        for row in await health.of_stack(db, stack_id, limit=limit)
    ]
    overall = worst(item.status for item in objects)
    return StackHealth(stack_id=stack_id, overall_status=overall, deployment_objects=objects)


def worst(statuses: Iterable[str]) -> Health:
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), Health.UNKNOWN)
