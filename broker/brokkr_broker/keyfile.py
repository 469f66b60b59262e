"""The key that seals webhooks: the configured one, or one that the broker makes and keeps."""

import logging
import os
import secrets
from pathlib import Path

from brokkr_broker.config import BrokerConfig, data_dir
from brokkr_broker.security.vault import KEY_BYTES, Vault

logger = logging.getLogger(__name__)

_NAME = "webhook-key"


def vault(config: BrokerConfig) -> Vault:
    """Raises OSError where a key has to be kept and cannot be."""
    settings = config.broker
    configured = settings.webhook_encryption_key
    first = bytes.fromhex(configured) if configured else _kept(data_dir(config) / _NAME)
    return Vault([first, *(bytes.fromhex(key) for key in settings.webhook_encryption_old_keys)])


def _kept(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text())
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another worker was faster
        return bytes.fromhex(path.read_text())
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex())
    logger.warning(
        "a key for webhooks was made; several brokers need broker.webhook_encryption_key",
        extra={"file": str(path)},
    )
    return key
