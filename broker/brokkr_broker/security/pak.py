"""Prefixed API keys: `brokkr_BR<short>_<long>`. Only the SHA-256 of the long token is stored.

What stands before the long token is the head: it is for people, and is stored in the clear.
"""

import hashlib
import re
import secrets
from typing import NamedTuple

from brokkr_broker.config import Pak

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FORM = re.compile(r"^([A-Za-z0-9]{1,32}_[A-Za-z0-9]{1,40})_([1-9A-HJ-NP-Za-km-z]{16,128})$")


class Key(NamedTuple):
    """A key in the clear, and what is stored of it."""

    text: str
    head: str
    hash: str


def generate(form: Pak) -> Key:
    """A new key of `long_token_length` random bytes."""
    short = "".join(secrets.choice(_ALPHABET) for _ in range(form.short_token_length))
    head = f"{form.prefix}_{form.short_token_prefix}{short}"
    long = _base58(secrets.token_bytes(form.long_token_length))
    return Key(f"{head}_{long}", head, digest(long))


def parse(text: str) -> tuple[str, str] | None:
    """Head and hash of a key, or None where the text is none."""
    found = _FORM.match(text)
    return (found[1], digest(found[2])) if found else None


def fits(head: str, stored: str, form: Pak) -> bool:
    """Whether a key's head is the stored one.

    Of a key that was preset by its hash none is stored: its prefixes must be the configured ones.
    """
    if stored:
        return head == stored
    return head.startswith(f"{form.prefix}_{form.short_token_prefix}")


def digest(long: str) -> str:
    return hashlib.sha256(long.encode()).hexdigest()


def _base58(data: bytes) -> str:
    number = int.from_bytes(b"\x01" + data)
    digits = ""
    while number:
        number, rest = divmod(number, 58)
        digits = _ALPHABET[rest] + digits
    return digits
