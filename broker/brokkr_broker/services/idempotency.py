"""Idempotency-Key: a repeated POST does nothing and gets the first answer again.

The claim, the work and the answer are one transaction. A request that fails leaves nothing behind,
so its repetition is a new try; one that comes while the first is under way waits for it.
"""

import hashlib
from uuid import UUID

import msgspec

from brokkr_broker import errors
from brokkr_broker.dal import idempotency
from brokkr_broker.db.pool import Executor
from brokkr_broker.security import sealing
from brokkr_broker.security.identity import Identity
from brokkr_common.wire.base import NIL_ID

MAX_LENGTH = 255


class Claim(msgspec.Struct, frozen=True):
    """One request and its key. `pak` is the caller's own, in the clear."""

    identity: Identity
    key: str
    pak: str
    request_hash: bytes

    @property
    def owner(self) -> UUID:
        return self.identity.id or NIL_ID

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(self.key.encode()).digest()


def claim(identity: Identity, *, key: str, pak: str, method: str, path: str, body: bytes) -> Claim:
    """Raises Invalid where the key is unusable."""
    if not 1 <= len(key) <= MAX_LENGTH or not key.isprintable():
        raise errors.Invalid(
            f"Idempotency-Key: 1 to {MAX_LENGTH} printable characters",
            code="invalid_idempotency_key",
            field="Idempotency-Key",
        )
    digest = hashlib.sha256(f"{method} {path}\n".encode())
    digest.update(body)
    return Claim(identity, key, pak, digest.digest())


async def begin(db: Executor, wanted: Claim) -> tuple[int, bytes] | None:
    """None: do the work. Otherwise the answer that was given to the first request.

    Raises Conflict where the key stands for another request, or another PAK was used then.
    """
    owner, key_hash = wanted.owner, wanted.key_hash
    if await idempotency.claim(
        db, owner=owner, key_hash=key_hash, request_hash=wanted.request_hash
    ):
        return None
    kept = await idempotency.find(db, owner=owner, key_hash=key_hash)
    if kept is None or kept.request_hash != wanted.request_hash:
        raise errors.Unprocessable(
            "this Idempotency-Key was used for another request", code="idempotency_key_reused"
        )
    answer = sealing.open_(kept.body, wanted.pak, wanted.key)
    if answer is None:
        raise errors.Conflict(
            "the first request was made with another PAK: its answer cannot be shown again",
            code="idempotency_key_sealed",
        )
    return kept.status, answer


async def end(db: Executor, wanted: Claim, *, status: int, body: bytes) -> None:
    """Keep the answer."""
    sealed = sealing.seal(body, wanted.pak, wanted.key)
    await idempotency.keep(
        db, owner=wanted.owner, key_hash=wanted.key_hash, status=status, body=sealed
    )
