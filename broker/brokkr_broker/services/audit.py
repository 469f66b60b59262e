"""The audit trail: one call for who did what.

Entries are written in batches, but none is lost: a full queue makes the request wait, a batch that
the database does not take is tried again, and the end of the broker waits for the rest.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from brokkr_broker import errors
from brokkr_broker.dal.audit import Entry
from brokkr_broker.db import violations
from brokkr_broker.security.identity import Identity

logger = logging.getLogger(__name__)

_RESOURCES = {
    "auth": "pak",
    "deployment": "deployment_object",
    "webhook": "webhook_subscription",
    "workorder": "work_order",
}
_SHOWN = (
    "name", "cluster_name", "generator_id", "stack_id", "status", "is_active", "version",
    "sequence_id", "yaml_checksum", "is_deletion_marker", "label", "key", "value",
    "changes", "success", "message",
)  # fmt: skip
_MAX_AGENT = 500


class Origin(msgspec.Struct, frozen=True):
    """Where a request comes from. None for what the broker does by itself."""

    address: str | None = None
    user_agent: str | None = None


def entry(
    action: str,
    *,
    actor: Identity | None,
    origin: Origin,
    resource_id: UUID | None = None,
    details: dict[str, Any] | None = None,
) -> Entry:
    """`actor` is None for the system."""
    kind = action.partition(".")[0]
    return Entry(
        id=uuid4(),
        timestamp=datetime.now(UTC),
        actor_type=(actor.role.name or "system").lower() if actor else "system",
        actor_id=actor.id if actor else None,
        action=action,
        resource_type=_RESOURCES.get(kind, kind),
        resource_id=resource_id,
        details=msgspec.json.encode(details).decode() if details else None,
        ip_address=origin.address,
        user_agent=_clean(origin.user_agent),
    )


def subject(model: Any) -> tuple[UUID | None, dict[str, Any]]:
    """Id and telling fields of what a request made or changed. Never a key or a manifest."""
    for wrapped in ("agent", "generator"):
        model = getattr(model, wrapped, model)
    fields = {name: getattr(model, name, None) for name in _SHOWN}
    details = {name: value for name, value in fields.items() if value is not None}
    return getattr(model, "id", None), details


class Trail:
    """A bounded queue and the task that empties it: every `interval` seconds or `batch` entries."""

    def __init__(
        self,
        write: Callable[[Sequence[Entry]], Awaitable[None]],
        *,
        capacity: int = 10_000,
        batch: int = 100,
        interval: float = 1.0,
    ) -> None:
        self._write = write
        self._batch = batch
        self._interval = interval
        self._queue: asyncio.Queue[Entry] = asyncio.Queue(capacity)
        self._hurry = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())

    async def record(self, *entries: Entry) -> None:
        """Waits where the database cannot keep up."""
        for item in entries:
            await self._queue.put(item)
        if self._queue.qsize() >= self._batch:
            self._hurry.set()

    async def close(self, *, timeout: float = 10.0) -> None:
        """Write what is left. What the database does not take by then is lost, and counted."""
        self._closing = True
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._queue.qsize():
            logger.error("audit entries lost", extra={"entries": self._queue.qsize()})

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._hurry.wait()
            while len(batch) < self._batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            if self._queue.qsize() < self._batch and not self._closing:
                self._hurry.clear()
            await self._keep(batch)
            for _ in batch:
                self._queue.task_done()

    async def _keep(self, batch: Sequence[Entry]) -> None:
        """Until the database has taken it. What it will never take is dropped, alone and aloud."""
        delay = 0.1
        while True:
            try:
                return await self._write(batch)
            except Exception as e:
                lasting = not isinstance(violations.translate(e), errors.Unavailable)
                logger.warning("audit entries wait", extra={"reason": repr(e)[:200]})
            if lasting and len(batch) > 1:
                for item in batch:
                    await self._keep([item])
                return None
            if lasting:
                logger.error("audit entry refused", extra={"action": batch[0].action})
                return None
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5)


def _clean(text: str | None) -> str | None:
    """What a text column takes: no lone surrogates, which headers may hold."""
    return text.encode("utf-8", "replace").decode()[:_MAX_AGENT] if text else None
