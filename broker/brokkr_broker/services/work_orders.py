"""Work orders: the state machine. An order is ended once, by whoever holds its current attempt.

PENDING -> CLAIMED -> the log (done, or failed for good)
                   -> RETRY_PENDING -> PENDING
"""

from uuid import UUID

from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.dal import work_orders
from brokkr_broker.dal.work_orders import Locked
from brokkr_broker.db.pool import Executor, transaction
from brokkr_broker.security.identity import Identity
from brokkr_common.wire.work_orders import (
    Claim,
    Completion,
    Renewal,
    RetryScheduled,
    WorkOrder,
    WorkOrderCreate,
    WorkOrderLogEntry,
    WorkOrderStatus,
)

_BOUNDS = {
    "max_retries": (0, 1000),
    "backoff_seconds": (1, 2**31 - 1),
    "claim_timeout_seconds": (1, 2**31 - 1),
}
TIMED_OUT = "the claim timed out"
_UNKNOWN = "Unknown error"


def not_found() -> errors.NotFound:
    return errors.NotFound("no work order has this id", code="work_order_not_found")


async def create(db: Executor, wanted: WorkOrderCreate) -> WorkOrder:
    """The order and whom it is for, or nothing of both."""
    targeting = wanted.targeting
    agent_ids = [*targeting.agent_ids, *wanted.target_agent_ids]
    if not (agent_ids or targeting.labels or targeting.annotations):
        raise errors.Invalid(
            "targeting: name agents, labels or annotations",
            code="no_targeting_specified",
            field="targeting",
        )
    for field, (low, high) in _BOUNDS.items():
        if not low <= getattr(wanted, field) <= high:
            raise errors.Invalid(
                f"{field} is from {low} to {high}",
                code="invalid_work_order",
                errors=[{"path": f"/{field}", "message": f"is from {low} to {high}"}],
            )
    async with transaction(db) as connection:
        order = await work_orders.create(
            connection,
            work_type=wanted.work_type,
            yaml=wanted.yaml_content,
            max_retries=wanted.max_retries,
            backoff_seconds=wanted.backoff_seconds,
            claim_timeout_seconds=wanted.claim_timeout_seconds,
        )
        await work_orders.address(
            connection,
            order.id,
            agent_ids=agent_ids,
            labels=targeting.labels,
            annotations=targeting.annotations,
        )
    return order


async def get(db: Executor, order_id: UUID) -> WorkOrder:
    """The order, or what the log has of it."""
    if order := await work_orders.get(db, order_id):
        return order
    entry = await work_orders.get_log(db, order_id)
    if entry is None:
        raise not_found()
    return _of_log(entry)


def _of_log(entry: WorkOrderLogEntry) -> WorkOrder:
    ended = WorkOrderStatus.COMPLETED if entry.success else WorkOrderStatus.FAILED
    return WorkOrder(
        id=entry.id,
        created_at=entry.created_at,
        updated_at=entry.completed_at,
        work_type=entry.work_type,
        yaml_content=entry.yaml_content,
        status=ended,
        claimed_by=entry.claimed_by,
        claimed_at=entry.claimed_at,
        claim_timeout_seconds=0,
        max_retries=0,
        retry_count=entry.retries_attempted,
        backoff_seconds=0,
        next_retry_after=None,
        last_error=None if entry.success else entry.result_message,
        last_error_at=None if entry.success else entry.completed_at,
        attempt=entry.attempt,
    )


async def get_log(db: Executor, order_id: UUID) -> WorkOrderLogEntry:
    entry = await work_orders.get_log(db, order_id)
    if entry is None:
        raise errors.NotFound(
            "no work order of the log has this id", code="work_order_log_entry_not_found"
        )
    return entry


async def delete(db: Executor, order_id: UUID) -> None:
    if not await work_orders.delete(db, order_id):
        raise not_found()


async def claim(db: Executor, order_id: UUID, wanted: Claim, identity: Identity) -> WorkOrder:
    """One winner. It gets the number of its attempt with the order."""
    _require_self(identity, wanted.agent_id)
    claimed = await work_orders.claim(db, order_id, wanted.agent_id)
    if claimed is None:
        raise errors.NotFound(
            "the work order does not exist, is taken, not due, or not for this agent",
            code="work_order_not_claimable",
        )
    return claimed


async def renew(db: Executor, order_id: UUID, wanted: Renewal, identity: Identity) -> WorkOrder:
    agent_id = identity.id if wanted.agent_id is UNSET else wanted.agent_id
    if agent_id is None:
        raise errors.Invalid("agent_id is required", code="invalid_request", field="agent_id")
    _require_self(identity, agent_id)
    renewed = await work_orders.renew(db, order_id, agent_id, wanted.attempt)
    if renewed is None:
        await get(db, order_id)
        raise _stale()
    return renewed


async def complete(
    db: Executor, order_id: UUID, done: Completion, identity: Identity
) -> WorkOrderLogEntry | RetryScheduled:
    """The end of an attempt. Repeated, it changes nothing and is answered as before.

    Raises NotFound; Forbidden where the caller does not hold the order; Conflict where its attempt
    is not the current one.
    """
    async with transaction(db) as connection:
        locked = await work_orders.lock(connection, order_id)
        if locked is None:
            return await _ended(connection, order_id, done, identity)
        order = locked.order
        if _is_repeated_failure(locked, done, identity):
            return RetryScheduled()
        if not _is_late_success(locked, done, identity):
            _require_holder(order, done, identity)
        message = done.message if done.success else done.message or _UNKNOWN
        if not done.success and done.retryable and order.retry_count < order.max_retries:
            await work_orders.retry(connection, order_id, error=message or _UNKNOWN)
            return RetryScheduled()
        return await work_orders.end(
            connection, order_id, success=done.success, message=message, by=identity.id
        )


async def _ended(
    db: Executor, order_id: UUID, done: Completion, identity: Identity
) -> WorkOrderLogEntry:
    """The order is in the log already: by this caller, or somebody else was faster."""
    entry = await work_orders.get_log(db, order_id)
    if entry is None:
        raise not_found()
    if not identity.is_admin and entry.claimed_by != identity.id:
        raise _stale() if done.attempt is not None else not_found()
    if done.attempt not in (None, entry.attempt):
        raise _stale()
    return entry


def _is_repeated_failure(locked: Locked, done: Completion, identity: Identity) -> bool:
    return (
        not done.success
        and locked.order.status is not WorkOrderStatus.CLAIMED
        and identity.id is not None
        and locked.failed_by == identity.id
        and locked.failed_attempt == locked.order.attempt
        and done.attempt in (None, locked.failed_attempt)
    )


def _is_late_success(locked: Locked, done: Completion, identity: Identity) -> bool:
    """The claim has run out, but nobody has taken the order since: the work is done, once."""
    order = locked.order
    return (
        done.success
        and order.status == WorkOrderStatus.PENDING
        and order.last_error == TIMED_OUT
        and identity.id is not None
        and locked.failed_by == identity.id
        and done.attempt == order.attempt == locked.failed_attempt
    )


def _require_holder(order: WorkOrder, done: Completion, identity: Identity) -> None:
    holds = identity.is_admin or (
        order.status == WorkOrderStatus.CLAIMED and order.claimed_by == identity.id
    )
    if done.attempt is not None and (not holds or done.attempt != order.attempt):
        raise _stale()
    if not holds:
        raise errors.Forbidden(
            "the work order is not claimed by this agent", code="work_order_not_claimed_by_agent"
        )


def _require_self(identity: Identity, agent_id: UUID) -> None:
    if not (identity.is_admin or identity.is_agent(agent_id)):
        raise errors.Forbidden("agent_id is another agent's", code="agent_pak_mismatch")


def _stale() -> errors.Conflict:
    return errors.Conflict(
        "this attempt is over: somebody else has the work order, or it has ended",
        code="work_order_attempt_stale",
    )
