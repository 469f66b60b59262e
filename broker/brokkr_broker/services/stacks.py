"""Stacks: who may see and change them, and what happens to them."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.dal import stacks
from brokkr_broker.db.pool import Executor
from brokkr_broker.security.identity import Identity, Role
from brokkr_common.wire.base import NIL_ID
from brokkr_common.wire.stacks import Stack, StackCreate, StackUpdate


async def get(db: Executor, stack_id: UUID, identity: Identity, *, deleted: bool = False) -> Stack:
    """The live stack (or, for the admin and on demand, a deleted one) if it is the caller's."""
    stack = await stacks.get(db, stack_id)
    if stack is None or (stack.deleted_at and not (deleted and identity.is_admin)):
        raise errors.NotFound("no stack has this id", code="stack_not_found")
    if not (identity.is_admin or identity.is_generator(stack.generator_id)):
        raise errors.Forbidden("the stack belongs to another generator", code="stack_not_owned")
    return stack


async def get_readable(db: Executor, stack_id: UUID, identity: Identity) -> Stack:
    """As `get`, and an agent may read the stacks it serves."""
    if identity.role is not Role.AGENT or identity.id is None:
        return await get(db, stack_id, identity)
    stack = await stacks.get(db, stack_id)
    if stack is None or stack.deleted_at:
        raise errors.NotFound("no stack has this id", code="stack_not_found")
    if not await stacks.serves(db, agent_id=identity.id, stack_id=stack_id):
        raise errors.Forbidden("the agent does not serve this stack", code="agent_not_associated")
    return stack


async def create(db: Executor, wanted: StackCreate, identity: Identity) -> Stack:
    owner = None if wanted.generator_id in (None, NIL_ID) else wanted.generator_id
    if identity.role is Role.GENERATOR:
        if owner not in (None, identity.id):
            raise errors.Forbidden(
                "generator_id names another generator", code="stack_generator_mismatch"
            )
        owner = identity.id
    return await stacks.create(
        db, name=wanted.name, description=wanted.description, generator_id=owner
    )


async def update(
    db: Executor,
    stack_id: UUID,
    change: StackUpdate,
    identity: Identity,
    *,
    unchanged_since: datetime | None,
) -> Stack:
    current = await get(db, stack_id, identity)
    if change.id not in (UNSET, stack_id):
        raise errors.Invalid("id differs from the path", code="stack_id_mismatch", field="id")
    if change.generator_id not in (UNSET, current.generator_id):
        raise errors.Invalid(
            "a stack stays with its generator",
            code="stack_generator_mismatch",
            field="generator_id",
        )
    stack = await stacks.update(
        db,
        stack_id,
        name=change.name or None,
        description=change.description or None,
        set_description=change.description is not UNSET,
        unchanged_since=unchanged_since,
    )
    if stack is None:
        await get(db, stack_id, identity)
        raise errors.PreconditionFailed
    return stack


async def delete(
    db: Executor, stack_id: UUID, identity: Identity, *, unchanged_since: datetime | None
) -> None:
    await get(db, stack_id, identity)
    if not await stacks.delete(db, stack_id, unchanged_since=unchanged_since):
        await get(db, stack_id, identity)
        raise errors.PreconditionFailed
