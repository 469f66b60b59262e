"""One HTTP session to the API server: requests, a few retries, errors by meaning."""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec

from brokkr_operator import errors, metrics
from brokkr_operator.clients.kube.access import Access

logger = logging.getLogger(__name__)

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
LEASE = "lease"

_TIMEOUT = aiohttp.ClientTimeout(total=40, sock_connect=5)
_RETRIED = {429, 500, 503, 504}
_DELAYS = (0.2, 0.5, 1.0)
_QUOTED = re.compile(r"got &value\..*")
_STRUCTURE = re.compile(r"^(\w+ value): [^\"].*[\]}]: ", re.DOTALL)
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
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


class RateLimit:
    """A token bucket: `burst` requests at once, `qps` a second after that. 0 is no limit."""

    def __init__(self, qps: float, burst: int) -> None:
        self._qps = qps
        self._burst = burst
        self._tokens = float(burst)
        self._at = time.monotonic()

    async def wait(self) -> None:
        if not self._qps:
            return
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._qps)


class Session:
    """Opened once per process; every request carries fresh credentials."""

    def __init__(
        self, access: Access, *, qps: float = 0, burst: int = 1, connections: int = 64
    ) -> None:
        self._access = access
        self._rate = RateLimit(qps, burst)
        self._may_write: Callable[[], bool] = lambda: True
        connector = aiohttp.TCPConnector(
            ssl=access.ssl_context(), limit=connections, keepalive_timeout=60
        )
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=_TIMEOUT,
            json_serialize=lambda v: msgspec.json.encode(v).decode(),
        )

    def fence(self, may_write: Callable[[], bool]) -> None:
        """From now on, nothing is written while this says no (the lease of the leader)."""
        self._may_write = may_write

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
        preconditions, creates answer 409. A lost connection and a 429 are tried again here; what
        else may pass is for the caller, who can do other work meanwhile.
        """
        data = None if body is None else msgspec.json.encode(body)
        for delay in (*_DELAYS, None):
            await self._rate.wait()
            if method in _WRITES and operation != LEASE and not self._may_write():
                raise errors.KubeUnavailable("another replica leads now")
            try:
                return await self._once(method, path, operation, params, data, content_type)
            except errors.KubeUnavailable as e:
                if delay is None or e.status not in (0, 429):
                    raise
                wait = e.details.get("retryAfterSeconds") or delay * (0.5 + random.random())  # noqa: S311
                await asyncio.sleep(min(float(wait), 10))
        raise AssertionError("unreachable")

    async def read(
        self, path: str, *, operation: str, params: dict[str, str], accept: str
    ) -> bytes:
        """The body as it came. Raises KubeError."""
        await self._rate.wait()
        status, raw = await self._exchange(
            "GET", path, operation=operation, params=params, headers={"Accept": accept}
        )
        if status >= 400:
            raise _meaning(status, _decode(raw), raw)
        return raw

    async def stream(
        self, path: str, *, params: dict[str, str], accept: str, seconds: float
    ) -> AsyncIterator[bytes]:
        """The lines of a watch, until the API server ends it. Raises KubeError."""
        headers = {**await self._access.headers(), "Accept": accept}
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=5)
        try:
            async with self._http.get(
                self._access.server + path, params=params, headers=headers, timeout=timeout
            ) as response:
                metrics.kubernetes_operations.labels("watch").inc()
                if response.status >= 400:
                    raw = await response.read()
                    raise _meaning(response.status, _decode(raw), raw)
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
        except TimeoutError:
            return  # a watch that is long enough; the next goes on from here
        except (aiohttp.ClientError, OSError) as e:
            raise errors.KubeUnavailable(f"watch: {type(e).__name__}: {e}"[:300]) from e

    async def _once(
        self,
        method: str,
        path: str,
        operation: str,
        params: dict[str, str] | None,
        data: bytes | None,
        content_type: str,
    ) -> tuple[int, Any]:
        headers = {"Accept": JSON}
        if data is not None:
            headers["Content-Type"] = content_type
        status, raw = await self._exchange(
            method, path, operation=operation, params=params, headers=headers, data=data
        )
        answer = _decode(raw)
        if status < 400:
            return status, answer
        raise _meaning(status, answer, raw)

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: dict[str, str] | None,
        headers: dict[str, str],
        data: bytes | None = None,
    ) -> tuple[int, bytes]:
        headers = {**await self._access.headers(), **headers}
        started = time.perf_counter()
        try:
            async with self._http.request(
                method, self._access.server + path, params=params, data=data, headers=headers
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            text = f"the API server does not answer: {type(e).__name__}: {e}"
            raise errors.KubeUnavailable(text[:300]) from e
        finally:
            metrics.kubernetes_operations.labels(operation).inc()
            metrics.kubernetes_operation_duration.labels(operation).observe(
                time.perf_counter() - started
            )


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
    details = body.get("details") or {}
    message = _without_contents(message, details)
    return kind(message[:2000], status=status, reason=reason, details=details)


def _without_contents(message: str, details: dict[str, Any]) -> str:
    """What is wrong and where, without what the API server quotes of Secrets and whole pods.

    NB: of a structure it shows all values, of a pod that cannot change a diff below the first line.
    """
    for cause in details.get("causes") or ():
        if quoted := cause.get("message"):
            told = _STRUCTURE.sub(r"\1: ", quoted).partition("\n")[0]
            message = message.replace(quoted, told)
    return _QUOTED.sub("got another type", message)
