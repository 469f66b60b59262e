"""Signatures of webhooks: `t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">`."""

import hashlib
import hmac


def sign(secret: str, body: str, *, moment: int) -> str:
    digest = hmac.new(secret.encode(), f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"
