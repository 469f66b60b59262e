"""Receivers of webhooks: one POST, and what became of it."""

import time

import aiohttp

from brokkr_common import __version__
from brokkr_common.wire.webhooks import DeliveryResult, PendingDelivery

_SHOWN = 500
_MAX_ANSWER = 4096


class Receivers:
    """One HTTP client for all deliveries. Follows no redirect, keeps no cookie."""

    def __init__(self) -> None:
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": f"brokkr-agent/{__version__}"},
        )

    async def close(self) -> None:
        await self._http.close()

    async def send(self, delivery: PendingDelivery) -> DeliveryResult:
        """Never raises for what the other side does."""
        started = time.monotonic()
        status, error = await self._post(delivery)
        return DeliveryResult(
            success=error is None,
            status_code=status,
            error=error,
            duration_ms=round((time.monotonic() - started) * 1000),
        )

    async def _post(self, delivery: PendingDelivery) -> tuple[int | None, str | None]:
        headers = {
            "Content-Type": "application/json",
            "X-Brokkr-Event-Type": delivery.event_type,
            "X-Brokkr-Delivery-Id": str(delivery.id),
            "X-Brokkr-Signature": delivery.signature,
        }
        if delivery.auth_header is not None:
            headers["Authorization"] = delivery.auth_header
        timeout = aiohttp.ClientTimeout(total=delivery.timeout_seconds)
        try:
            async with self._http.post(
                delivery.url,
                data=delivery.payload.encode(),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                text = (await response.content.read(_MAX_ANSWER)).decode(errors="replace")
        except TimeoutError:
            return None, "Request timed out"
        except (aiohttp.ClientError, OSError, ValueError) as e:
            return None, f"Connection failed: {type(e).__name__}: {e}"[:_SHOWN]
        if 200 <= response.status < 300:
            return response.status, None
        return response.status, f"HTTP {response.status}: {text[:_SHOWN]}"
