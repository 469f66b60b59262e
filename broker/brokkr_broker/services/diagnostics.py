"""Diagnostics: ask, claim, answer. Whoever does not answer in time has failed."""

from uuid import UUID

from brokkr_broker import errors
from brokkr_broker.dal import diagnostics
from brokkr_broker.db.pool import Executor
from brokkr_broker.security.identity import Identity
from brokkr_broker.services import agents, deployments
from brokkr_common.wire.diagnostics import (
    Diagnostic,
    DiagnosticCreate,
    DiagnosticRequest,
    DiagnosticResult,
    DiagnosticSubmit,
)

_MINUTES = (1, 1440)


async def create(
    db: Executor, object_id: UUID, wanted: DiagnosticCreate, identity: Identity
) -> DiagnosticRequest:
    low, high = _MINUTES
    if not low <= wanted.retention_minutes <= high:
        raise errors.Invalid(
            f"retention_minutes is from {low} to {high}",
            code="invalid_diagnostic_request",
            errors=[{"path": "/retention_minutes", "message": f"is from {low} to {high}"}],
        )
    await deployments.get(db, object_id, identity)
    await agents.get(db, wanted.agent_id)
    return await diagnostics.create(
        db,
        agent_id=wanted.agent_id,
        object_id=object_id,
        requested_by=wanted.requested_by,
        minutes=wanted.retention_minutes,
    )


async def get(db: Executor, request_id: UUID, identity: Identity) -> Diagnostic:
    request = await _require(db, request_id, identity)
    return Diagnostic(request=request, result=await diagnostics.result(db, request_id))


async def claim(db: Executor, request_id: UUID, identity: Identity) -> DiagnosticRequest:
    await _require(db, request_id, identity)
    claimed = await diagnostics.claim(db, request_id)
    if claimed is None:
        raise errors.Conflict(
            "the request is not pending any more", code="diagnostic_already_claimed"
        )
    return claimed


async def submit(
    db: Executor, request_id: UUID, found: DiagnosticSubmit, identity: Identity
) -> DiagnosticResult:
    """The agent's answer: one, by whoever has claimed the request."""
    await _require(db, request_id, identity)
    if found.collected_at.tzinfo is None:
        raise errors.Invalid(
            "collected_at needs a time zone",
            code="invalid_diagnostic_result",
            errors=[{"path": "/collected_at", "message": "needs a time zone"}],
        )
    stored = await diagnostics.complete(
        db,
        request_id,
        pod_statuses=found.pod_statuses,
        events=found.events,
        log_tails=found.log_tails,
        collected_at=found.collected_at,
        failed=found.failed,
    )
    if stored is None:
        raise errors.Conflict("the request is not claimed", code="diagnostic_not_claimed")
    return stored


async def _require(db: Executor, request_id: UUID, identity: Identity) -> DiagnosticRequest:
    request = await diagnostics.get(db, request_id)
    if request is None:
        raise errors.NotFound("no diagnostic has this id", code="diagnostic_not_found")
    if not (identity.is_admin or identity.is_agent(request.agent_id)):
        raise errors.Forbidden("the diagnostic is another agent's", code="diagnostic_not_owned")
    return request
