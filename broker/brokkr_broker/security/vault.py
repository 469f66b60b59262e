"""Secrets at rest: AES-256-GCM, as one version byte, twelve bytes of nonce, ciphertext and tag.

The first key seals; all of them open, so a key can be changed without losing what an old one has
sealed.
"""

import secrets
from collections.abc import Sequence

from nacl import bindings
from nacl.exceptions import CryptoError

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class Undecryptable(Exception):
    """None of the keys opens it."""


class Vault:
    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = list(keys)

    def seal(self, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        box = bindings.crypto_aead_aes256gcm_encrypt(text.encode(), None, nonce, self._keys[0])
        return _VERSION + nonce + bytes(box)

    def open(self, sealed: bytes) -> str:
        """Raises Undecryptable."""
        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(nonce) < _NONCE_BYTES:
            raise Undecryptable("it has no form that is known")
        for key in self._keys:
            try:
                return bytes(bindings.crypto_aead_aes256gcm_decrypt(box, None, nonce, key)).decode()
            except (CryptoError, ValueError):
                continue
        raise Undecryptable("it was sealed with another broker.webhook_encryption_key")
