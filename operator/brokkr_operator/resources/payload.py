"""A stack's YAML as pieces that fit into Secrets, and back.

etcd takes 1.5 MiB a request, and YAML may hold secrets that not everyone who lists stacks may see.
"""

import base64
import gzip
import zlib
from collections.abc import Sequence
from typing import Any

from brokkr_operator.errors import PayloadMissing
from brokkr_operator.resources import names

PIECE_BYTES = 900 * 1024
MAX_TEXT_BYTES = 64 * 1024 * 1024
_KEY = "manifests.gz"


def split(text: str) -> list[bytes]:
    """Compressed pieces of a text; the same text always gives the same pieces."""
    packed = gzip.compress(text.encode(), compresslevel=6, mtime=0)
    return [packed[i : i + PIECE_BYTES] for i in range(0, len(packed), PIECE_BYTES)]


def join(pieces: Sequence[bytes]) -> str:
    """Raises PayloadMissing where the pieces are not a whole."""
    if not pieces:
        raise PayloadMissing("there is no payload")
    try:
        return gzip.decompress(b"".join(pieces)).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise PayloadMissing("the payload is damaged") from e


def secret_names(stack: str, checksum: str, count: int) -> list[str]:
    return [f"{stack}-{checksum[:12]}-{number}" for number in range(count)]


def secret(
    name: str, namespace: str, piece: bytes, *, owner: dict[str, Any], kind: str
) -> dict[str, Any]:
    """An immutable Secret that goes with a resource of ours."""
    reference = {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "brokkr.io/payload",
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "brokkr-agent"},
            "ownerReferences": [reference],
        },
        "data": {_KEY: base64.b64encode(piece).decode()},
    }


def piece(secret: dict[str, Any]) -> bytes:
    return base64.b64decode((secret.get("data") or {}).get(_KEY, ""))
