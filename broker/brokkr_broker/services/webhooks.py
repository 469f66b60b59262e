"""Webhooks: subscriptions with sealed secrets, and what becomes of deliveries.

What is told to whom is decided by the database, in the transaction of the event.
"""

import secrets
import time
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.dal import deliveries, webhooks
from brokkr_broker.dal.deliveries import Due
from brokkr_broker.dal.webhooks import Columns
from brokkr_broker.db.pool import Executor
from brokkr_broker.security import signing
from brokkr_broker.security.identity import Identity
from brokkr_broker.security.vault import Undecryptable, Vault
from brokkr_common.wire.webhooks import (
    Delivery,
    DeliveryOutcome,
    DeliveryResult,
    DeliveryStatus,
    PendingDelivery,
    Webhook,
    WebhookCreate,
    WebhookCreated,
    WebhookTest,
    WebhookUpdate,
)

_MAX_DELAY = 3600.0
_SECRETS = ("url", "auth_header", "signing_secret")


class Outcome(Protocol):
    """What became of a call: see `outbound.Outcome`."""

    @property
    def status(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def retry_after(self) -> float | None: ...
    @property
    def lasting(self) -> bool: ...
    @property
    def success(self) -> bool: ...


class Sender(Protocol):
    async def send(
        self, url: str, *, body: str, headers: dict[str, str], timeout: float
    ) -> Outcome: ...


def not_found() -> errors.NotFound:
    return errors.NotFound("no webhook has this id", code="webhook_not_found")


async def get(db: Executor, webhook_id: UUID) -> Webhook:
    found = await webhooks.get(db, webhook_id)
    if found is None:
        raise not_found()
    return found


async def create(
    db: Executor, vault: Vault, sender: Sender, wanted: WebhookCreate
) -> WebhookCreated:
    secret = wanted.signing_secret or secrets.token_urlsafe(32)
    _check(wanted.url, wanted.auth_header)
    if wanted.validate:
        target = _Target(wanted.url, wanted.auth_header, secret, wanted.timeout_seconds)
        await _try(sender, target, uuid4())
    columns = _columns(vault, {**msgspec.structs.asdict(wanted), "signing_secret": secret})
    made = await webhooks.create(db, columns, created_by="admin")
    return WebhookCreated(**msgspec.structs.asdict(made), signing_secret=secret)


async def update(
    db: Executor,
    vault: Vault,
    webhook_id: UUID,
    change: WebhookUpdate,
    *,
    unchanged_since: datetime | None,
) -> Webhook:
    fields = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
    _check(fields.get("url"), fields.get("auth_header"))
    cleared = [name for name, value in fields.items() if value is None]
    changed = await webhooks.update(
        db,
        webhook_id,
        _columns(vault, fields),
        cleared=cleared,
        unchanged_since=unchanged_since,
    )
    if changed is None:
        await get(db, webhook_id)
        raise errors.PreconditionFailed
    return changed


async def delete(db: Executor, webhook_id: UUID, *, unchanged_since: datetime | None) -> None:
    if not await webhooks.delete(db, webhook_id, unchanged_since=unchanged_since):
        await get(db, webhook_id)
        raise errors.PreconditionFailed


def _columns(vault: Vault, fields: dict[str, Any]) -> Columns:
    known = {field: fields[field] for field in Columns.__struct_fields__ if field in fields}
    for name in _SECRETS:
        if known.get(name) is not None:
            known[name] = vault.seal(known[name])
    if known.get("filters") is not None:
        known["filters"] = msgspec.json.encode(known["filters"]).decode()
    return Columns(**known)


def _check(url: str | None, auth_header: str | None) -> None:
    if url is not None:
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https"):
            raise _invalid("url", "begins with http:// or https://", "invalid_url_scheme")
        if not parts.hostname:
            raise _invalid("url", "names no host", "invalid_webhook")
    if auth_header is not None and not auth_header.isprintable():
        raise _invalid("auth_header", "has characters that a header cannot have", "invalid_webhook")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _invalid(field: str, message: str, code: str) -> errors.Invalid:
    problem = {"path": f"/{field}", "message": message}
    return errors.Invalid(f"{field} {message}", code=code, errors=[problem])


# --- calling ---


class _Target(msgspec.Struct, frozen=True):
    url: str
    auth_header: str | None
    secret: str
    timeout_seconds: int


async def test(db: Executor, vault: Vault, sender: Sender, webhook_id: UUID) -> WebhookTest:
    """Call it now. Raises Invalid where it does not answer with a 2xx."""
    sealed = await webhooks.sealed(db, webhook_id)
    if sealed is None:
        raise not_found()
    try:
        auth = sealed.auth_header
        target = _Target(
            vault.open(sealed.url),
            vault.open(auth) if auth else None,
            vault.open(sealed.signing_secret),
            sealed.timeout_seconds,
        )
    except Undecryptable as e:
        raise errors.Invalid(f"the webhook cannot be opened: {e}", code="invalid_webhook") from e
    status = await _try(sender, target, webhook_id)
    return WebhookTest(success=True, status_code=status, message="Test delivery successful")


async def _try(sender: Sender, target: _Target, webhook_id: UUID) -> int:
    body = msgspec.json.encode(
        {
            "id": uuid4(),
            "event_type": "webhook.test",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": {"message": "Test delivery", "subscription_id": webhook_id},
        }
    ).decode()
    headers = _headers(target, "webhook.test", uuid4(), body)
    outcome = await sender.send(
        target.url, body=body, headers=headers, timeout=target.timeout_seconds
    )
    if outcome.status is None or not outcome.success:
        raise errors.Invalid(
            f"the webhook does not answer well: {outcome.error}",
            code="webhook_test_failed",
            status_code=outcome.status,
            error=outcome.error,
        )
    return outcome.status


def _headers(target: _Target, event_type: str, delivery_id: UUID, body: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "brokkr-broker",
        "X-Brokkr-Event-Type": event_type,
        "X-Brokkr-Delivery-Id": str(delivery_id),
        "X-Brokkr-Signature": signing.sign(target.secret, body, moment=int(time.time())),
    }
    if target.auth_header:
        headers["Authorization"] = target.auth_header
    return headers


def _open(vault: Vault, due: Due) -> _Target:
    """Raises Undecryptable: never sent without its auth header."""
    auth = due.auth_header_encrypted
    return _Target(
        vault.open(due.url_encrypted),
        vault.open(auth) if auth else None,
        vault.open(due.signing_secret_encrypted),
        due.timeout_seconds,
    )


async def deliver(db: Executor, vault: Vault, sender: Sender, due: Due) -> DeliveryStatus | None:
    """One try of one delivery. Returns what it is now; None where it is somebody else's by now."""
    try:
        target = _open(vault, due)
    except Undecryptable as e:
        return await _settle(db, due, success=False, error=f"undecryptable: {e}", lasting=True)
    headers = _headers(target, due.event_type, due.id, due.payload)
    outcome = await sender.send(
        target.url, body=due.payload, headers=headers, timeout=due.timeout_seconds
    )
    return await _settle(
        db,
        due,
        success=outcome.success,
        error=outcome.error,
        lasting=outcome.lasting or _is_final(outcome.status),
        retry_after=outcome.retry_after,
    )


async def _settle(
    db: Executor,
    due: Due,
    *,
    success: bool,
    error: str | None,
    lasting: bool,
    retry_after: float | None = None,
) -> DeliveryStatus | None:
    status, delay = _next(
        due.attempts, due.max_retries, success=success, lasting=lasting, retry_after=retry_after
    )
    settled = await deliveries.settle(
        db, due.id, held_until=due.acquired_until, status=status.value, error=error, delay=delay
    )
    return status if settled else None


def _is_final(code: int | None) -> bool:
    """Whether a receiver's answer will be the same next time."""
    return code is not None and 300 <= code < 500 and code not in (408, 425, 429)


def _next(
    attempts: int, max_retries: int, *, success: bool, lasting: bool, retry_after: float | None
) -> tuple[DeliveryStatus, float | None]:
    """Status and seconds until the next try, after one more attempt. `max_retries` are granted."""
    if success:
        return DeliveryStatus.SUCCESS, None
    if lasting or attempts >= max_retries:
        return DeliveryStatus.DEAD, None
    backoff = 2.0 ** min(attempts + 1, 12)
    return DeliveryStatus.FAILED, min(max(backoff, retry_after or 0), _MAX_DELAY)


# --- by agents ---


async def claim_for_agent(db: Executor, vault: Vault, agent_id: UUID) -> list[PendingDelivery]:
    """What the agent has to send within 60 seconds."""
    claimed = []
    for due in sorted(await deliveries.claim_for_agent(db, agent_id), key=lambda d: d.attempts):
        try:
            target = _open(vault, due)
        except Undecryptable as e:
            await _settle(db, due, success=False, error=f"undecryptable: {e}", lasting=True)
            continue
        claimed.append(
            PendingDelivery(
                id=due.id,
                subscription_id=due.subscription_id,
                event_type=due.event_type,
                payload=due.payload,
                url=target.url,
                auth_header=target.auth_header,
                signature=signing.sign(target.secret, due.payload, moment=int(time.time())),
                timeout_seconds=due.timeout_seconds,
                max_retries=due.max_retries,
                attempts=due.attempts,
            )
        )
    return claimed


async def report(
    db: Executor, delivery_id: UUID, result: DeliveryResult, identity: Identity
) -> DeliveryOutcome:
    """What an agent says of a delivery it holds."""
    held = await deliveries.held(db, delivery_id)
    if held is None:
        raise errors.NotFound("no delivery has this id", code="delivery_not_found")
    if held.acquired_by is None or held.acquired_by != identity.id or held.acquired_until is None:
        raise errors.Forbidden(
            "the delivery is not held by this agent", code="delivery_not_acquired_by_agent"
        )
    code = result.status_code
    status, delay = _next(
        held.attempts,
        held.max_retries,
        success=result.success,
        lasting=_is_final(code),
        retry_after=None,
    )
    error = None if result.success else result.error or (f"HTTP {code}" if code else "failed")
    settled = await deliveries.settle(
        db,
        delivery_id,
        held_until=held.acquired_until,
        status=status.value,
        error=error,
        delay=delay,
    )
    if settled is None:
        raise errors.Forbidden(
            "the delivery is not held by this agent any more",
            code="delivery_not_acquired_by_agent",
        )
    return DeliveryOutcome(
        status=status,
        delivery_id=delivery_id,
        attempts=settled.attempts,
        next_retry_at=settled.next_retry_at,
    )


async def redeliver(db: Executor, delivery_id: UUID) -> Delivery:
    """All tries again for a dead one."""
    revived = await deliveries.revive(db, delivery_id)
    if revived:
        return revived
    if await deliveries.get(db, delivery_id) is None:
        raise errors.NotFound("no delivery has this id", code="delivery_not_found")
    raise errors.Conflict("only a dead delivery is sent again", code="delivery_not_dead")
