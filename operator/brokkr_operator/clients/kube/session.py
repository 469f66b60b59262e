"""One HTTP session to the API server: requests, a few retries, errors by meaning."""

import asyncio
import logging
import random
import time
from typing import Any

import aiohttp
import msgspec

from brokkr_operator import errors, metrics
from brokkr_operator.clients.kube.access import Access

logger = logging.getLogger(__name__)

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
_RETRIED = {429, 500, 503, 504}
_DELAYS = (0.2, 0.5, 1.0)
_MEANINGS: dict[int, type[errors.KubeError]] = {
    400: errors.KubeInvalid,
    403: errors.KubeForbidden,
    404: errors.KubeNotFound,
    405: errors.KubeInvalid,
    409: errors.KubeConflict,
    413: errors.KubeInvalid,
    415: errors.KubeInvalid,
    422: errors.KubeInvalid,
}


class Session:
    """Opened once per process; every request carries fresh credentials."""

    def __init__(self, access: Access, *, connections: int = 64) -> None:
        self._access = access
        connector = aiohttp.TCPConnector(
            ssl=access.ssl_context(), limit=connections, keepalive_timeout=60
        )
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=_TIMEOUT,
            json_serialize=lambda v: msgspec.json.encode(v).decode(),
        )

    async def close(self) -> None:
        await self._http.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> tuple[int, Any]:
        """Status and decoded body. Raises KubeError.

        Every request we make is safe to repeat: applies and merges are idempotent, deletes carry
        preconditions, creates answer 409.
        """
        data = None if body is None else msgspec.json.encode(body)
        for delay in (*_DELAYS, None):
            try:
                return await self._once(method, path, operation, params, data, content_type)
            except errors.KubeUnavailable as e:
                if delay is None:
                    raise
                wait = e.details.get("retryAfterSeconds") or delay * (0.5 + random.random())  # noqa: S311
                await asyncio.sleep(min(float(wait), 10))
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        operation: str,
        params: dict[str, str] | None,
        data: bytes | None,
        content_type: str,
    ) -> tuple[int, Any]:
        headers = await self._access.headers()
        headers["Accept"] = JSON
        if data is not None:
            headers["Content-Type"] = content_type
        started = time.perf_counter()
        try:
            async with self._http.request(
                method, self._access.server + path, params=params, data=data, headers=headers
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            text = f"the API server does not answer: {type(e).__name__}: {e}"
            raise errors.KubeUnavailable(text[:300]) from e
        finally:
            metrics.kubernetes_operations.labels(operation).inc()
            metrics.kubernetes_operation_duration.labels(operation).observe(
                time.perf_counter() - started
            )
        answer = _decode(raw)
        if response.status < 400:
            return response.status, answer
        raise _meaning(response.status, answer, raw)


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None


def _meaning(status: int, answer: Any, raw: bytes) -> errors.KubeError:
    body = answer if isinstance(answer, dict) else {}
    message = body.get("message") or raw[:300].decode(errors="replace") or f"HTTP {status}"
    reason = body.get("reason") or ""
    if status in _RETRIED or status == 401:
        kind: type[errors.KubeError] = errors.KubeUnavailable
    else:
        kind = _MEANINGS.get(status, errors.KubeError)
    if status == 403 and "being terminated" in message:
        kind = errors.KubeUnavailable
    if status == 500 and "typed patch object" in message:
        kind = errors.KubeInvalid  # NB: how server-side apply refuses a field of the wrong type
    return kind(message[:2000], status=status, reason=reason, details=body.get("details"))
