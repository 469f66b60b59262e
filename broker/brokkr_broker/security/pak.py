"""Prefixed API keys: `brokkr_BR<short>_<long>`. Only the SHA-256 of the long token is stored."""

import hashlib
import re
import secrets
from typing import NamedTuple

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FORM = re.compile(r"^brokkr_BR([1-9A-HJ-NP-Za-km-z]{1,32})_([1-9A-HJ-NP-Za-km-z]{16,128})$")
_SHORT_LENGTH = 8
_LONG_BYTES = 24


class Key(NamedTuple):
    """A key in the clear, and what is stored of it."""

    text: str
    short: str
    hash: str


def generate() -> Key:
    """A new key of 192 random bits."""
    short = "".join(secrets.choice(_ALPHABET) for _ in range(_SHORT_LENGTH))
    long = _base58(secrets.token_bytes(_LONG_BYTES))
    return Key(f"brokkr_BR{short}_{long}", short, digest(long))


def parse(text: str) -> tuple[str, str] | None:
    """Short token and hash of a key, or None where the text is none."""
    found = _FORM.match(text)
    return (found[1], digest(found[2])) if found else None


def digest(long: str) -> str:
    return hashlib.sha256(long.encode()).hexdigest()


def _base58(data: bytes) -> str:
    number = int.from_bytes(b"\x01" + data)
    digits = ""
    while number:
        number, rest = divmod(number, 58)
        digits = _ALPHABET[rest] + digits
    return digits
