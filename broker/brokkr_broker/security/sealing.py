"""Answers at rest, readable only with the key of the caller who got them.

The key of the box is made from the caller's PAK, of which the database has only a hash, and from
the Idempotency-Key, of which it has only a hash as well. A copy of the database opens nothing.
"""

import hashlib

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

_PURPOSE = b"brokkr-answer"


def box(pak: str, idempotency_key: str) -> SecretBox:
    secret = hashlib.sha256(pak.encode()).digest()
    digest = hashlib.blake2b(
        idempotency_key.encode(), key=secret, digest_size=SecretBox.KEY_SIZE, person=_PURPOSE
    )
    return SecretBox(digest.digest())


def seal(answer: bytes, pak: str, idempotency_key: str) -> bytes:
    return bytes(box(pak, idempotency_key).encrypt(answer))


def open_(sealed: bytes, pak: str, idempotency_key: str) -> bytes | None:
    """None where it was sealed with another key."""
    try:
        return box(pak, idempotency_key).decrypt(sealed)
    except CryptoError:
        return None
