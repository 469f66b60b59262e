"""Names on the wire. Other tools and people rely on them: they never change."""

import hashlib
import re

GROUP = "brokkr.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "brokkr-agent"

STACK_LABEL = "k8s.brokkr.io/stack"
OBJECT_LABEL = "brokkr.io/deployment-object-id"
WORK_ORDER_LABEL = "brokkr.io/work-order-id"
ATTEMPT_ANNOTATION = "brokkr.io/work-order-attempt"
CHECKSUM_ANNOTATION = "k8s.brokkr.io/deployment-checksum"
LAST_CONFIG_ANNOTATION = "k8s.brokkr.io/last-config-applied"
OWNER_ANNOTATION = "brokkr.io/owner-id"
PRUNE_ANNOTATION = "brokkr.io/prune"
REPLACE_ANNOTATION = "brokkr.io/replace"
IGNORE_ANNOTATION = "brokkr.io/ignore-fields"

MARKS = frozenset(
    {STACK_LABEL, OBJECT_LABEL, CHECKSUM_ANNOTATION, LAST_CONFIG_ANNOTATION, OWNER_ANNOTATION}
)

_NOT_DNS = re.compile(r"[^a-z0-9]+")


def slug(*parts: str, unique: str = "") -> str:
    """A valid resource name that a person recognises, unique by the hash of `unique`."""
    text = _NOT_DNS.sub("-", "-".join(parts).lower()).strip("-")[:40].strip("-")
    if not unique:
        return text or "default"
    digest = hashlib.sha256(unique.encode()).hexdigest()[:8]
    return f"{text}-{digest}" if text else digest
