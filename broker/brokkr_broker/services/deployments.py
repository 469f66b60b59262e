"""Deployment objects: accept a manifest, and tell an agent what it should run."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from brokkr_broker import errors
from brokkr_broker.dal import deployments, stacks
from brokkr_broker.db.pool import Executor
from brokkr_broker.security.identity import Identity, Role
from brokkr_broker.services import stacks as stack_service
from brokkr_common import extensions, manifests
from brokkr_common.wire.deployments import (
    DeploymentCreate,
    DeploymentObject,
    TargetObject,
    TargetStateMode,
)

_INLINE_BYTES = 64 * 1024


async def create(
    db: Executor, stack_id: UUID, wanted: DeploymentCreate, identity: Identity
) -> DeploymentObject:
    text, marker = wanted.yaml_content, wanted.is_deletion_marker
    try:
        await _check(
            text, may_be_empty=marker, title="yaml_content", code="invalid_deployment_object"
        )
    except errors.Invalid:
        await stack_service.get(db, stack_id, identity)  # whose it is comes first
        raise
    return await store(db, stack_id, identity, yaml=text, is_deletion_marker=marker)


async def store(
    db: Executor, stack_id: UUID, identity: Identity, *, yaml: str, is_deletion_marker: bool
) -> DeploymentObject:
    """One statement, which looks whose the stack is as well."""
    created = await deployments.create(
        db,
        stack_id,
        yaml=yaml,
        checksum=manifests.checksum(yaml),
        is_deletion_marker=is_deletion_marker,
        generator_id=None if identity.is_admin else identity.id,
    )
    if created is None:
        await stack_service.get(db, stack_id, identity)  # says why
        raise errors.NotFound("no stack has this id", code="stack_not_found")
    return created


async def check_rendered(text: str) -> None:
    """Refuse a template's output that no agent could apply."""
    title = "Template rendering failed: the result"
    await _check(text, may_be_empty=False, title=title, code="template_render_failed")


async def _check(text: str, *, may_be_empty: bool, title: str, code: str) -> None:
    """Refuse what no agent could apply. A marker may be empty; its text is never applied."""
    try:
        if len(text) > _INLINE_BYTES:  # NB: keeps the event loop free
            found = await asyncio.to_thread(extensions.check, text)
        else:
            found = extensions.check(text)
    except manifests.ManifestError as e:
        where = {"document": e.document, "line": e.line}
        problem: dict[str, Any] = {"path": "/yaml_content", "message": str(e), **where}
        raise errors.Invalid(f"{title}: {e}", code=code, errors=[problem]) from e
    if not found and not may_be_empty:
        problem = {"path": "/yaml_content", "message": "contains no document"}
        raise errors.Invalid(f"{title}: contains no document", code=code, errors=[problem])


async def get(db: Executor, object_id: UUID, identity: Identity) -> DeploymentObject:
    found = await deployments.get(db, object_id)
    if found is None:
        raise errors.NotFound(
            "no deployment object has this id", code="deployment_object_not_found"
        )
    if identity.role is Role.AGENT and identity.id is not None:
        if not await stacks.serves(db, agent_id=identity.id, stack_id=found.stack_id):
            raise errors.Forbidden(
                "the agent does not serve this stack", code="agent_not_associated"
            )
    else:
        await stack_service.get(db, found.stack_id, identity, deleted=True)
    return found


async def poll(db: Executor, asks: Sequence[tuple[UUID, bool]]) -> list[str | Exception]:
    """For a Batcher: the tags of many agents' states, in one statement that reads no YAML."""
    return [etag(found) for found in await deployments.wanted(db, asks)]


async def target_state(
    db: Executor, agent_id: UUID, mode: TargetStateMode
) -> tuple[list[TargetObject], str]:
    """What the agent should run, and its tag."""
    incremental = mode is TargetStateMode.INCREMENTAL
    found = await deployments.targets(db, agent_id, without_applied=incremental)
    return found, etag([(target.id, target.stack_name) for target in found])


class StateCache:
    """Encoded target states by tag, the most recently used ones, within `limit` bytes.

    A tag names immutable objects, so what is kept is never wrong; many agents with the same stacks
    share one entry.
    """

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._bodies: dict[str, bytes] = {}

    def get(self, tag: str) -> bytes | None:
        body = self._bodies.pop(tag, None)
        if body is not None:
            self._bodies[tag] = body
        return body

    def put(self, tag: str, body: bytes) -> None:
        if len(body) > self._limit // 4 or tag in self._bodies:
            return
        self._bodies[tag] = body
        self._size += len(body)
        while self._size > self._limit:
            self._size -= len(self._bodies.pop(next(iter(self._bodies))))


def etag(found: Sequence[tuple[UUID, str]]) -> str:
    """Objects are immutable: their ids in order and the names of their stacks say everything."""
    digest = hashlib.blake2b(digest_size=16)
    for object_id, stack_name in found:
        digest.update(object_id.bytes)
        digest.update(stack_name.encode() + b"\0")
    return f'"{digest.hexdigest()}"'
