"""The agent's REST calls, one method each."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
import msgspec

from brokkr_common import __version__
from brokkr_common.wire.agents import Agent
from brokkr_common.wire.auth import Whoami
from brokkr_common.wire.deployments import TargetObject
from brokkr_common.wire.diagnostics import DiagnosticRequest, DiagnosticSubmit
from brokkr_common.wire.events import AgentEvent, EventCreate
from brokkr_common.wire.health import HealthReport
from brokkr_common.wire.webhooks import DeliveryOutcome, DeliveryResult, PendingDelivery
from brokkr_common.wire.work_orders import Claim, Completion, Renewal, WorkOrder
from brokkr_operator.errors import BrokerError

T = TypeVar("T")
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)


class Broker:
    """One session with the broker. Every failure is a BrokerError, with the HTTP status if any."""

    def __init__(self, url: str, key: Callable[[], str]) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._http = aiohttp.ClientSession(
            timeout=_TIMEOUT, headers={"User-Agent": f"brokkr-agent/{__version__}"}
        )

    async def close(self) -> None:
        await self._http.close()

    async def ready(self) -> None:
        await self._call("GET", "/readyz")

    async def whoami(self) -> Whoami:
        return await self._read(Whoami, "POST", "/api/v1/auth/pak", body={})

    async def find_agent(self, *, name: str, cluster_name: str) -> Agent:
        query = {"name": name, "cluster_name": cluster_name}
        return await self._read(Agent, "GET", "/api/v1/agents/", query=query)

    async def get_agent(self, agent_id: UUID) -> Agent:
        return await self._read(Agent, "GET", f"/api/v1/agents/{agent_id}")

    async def activate(self, agent_id: UUID) -> Agent:
        body = {"status": "ACTIVE"}
        return await self._read(Agent, "PUT", f"/api/v1/agents/{agent_id}", body=body)

    async def heartbeat(self, agent_id: UUID) -> None:
        await self._call("POST", f"/api/v1/agents/{agent_id}/heartbeat")

    async def target_state(
        self, agent_id: UUID, *, etag: str | None
    ) -> tuple[list[TargetObject], str] | None:
        """The full state and its tag, or None where it is still the one of `etag`.

        NB: never the incremental state. What is left out of that one is not gone.
        """
        status, headers, raw = await self._call(
            "GET",
            f"/api/v1/agents/{agent_id}/target-state",
            query={"mode": "full"},
            headers={"If-None-Match": etag} if etag else {},
        )
        if status == 304:
            return None
        return _decode(list[TargetObject], raw), headers.get("ETag", "")

    async def report(self, agent_id: UUID, event: EventCreate) -> None:
        await self._read(AgentEvent, "POST", f"/api/v1/agents/{agent_id}/events", body=event)

    async def report_health(self, agent_id: UUID, report: HealthReport) -> None:
        await self._call("PATCH", f"/api/v1/agents/{agent_id}/health-status", body=report)

    async def pending_orders(self, agent_id: UUID) -> list[WorkOrder]:
        """What the agent may claim, and what it holds."""
        path = f"/api/v1/agents/{agent_id}/work-orders/pending"
        return await self._read(list[WorkOrder], "GET", path, query={"claimed": "true"})

    async def claim_order(self, order_id: UUID, agent_id: UUID) -> WorkOrder:
        path = f"/api/v1/work-orders/{order_id}/claim"
        return await self._read(WorkOrder, "POST", path, body=Claim(agent_id=agent_id))

    async def renew_order(self, order_id: UUID, agent_id: UUID, attempt: int) -> None:
        body = Renewal(attempt=attempt, agent_id=agent_id)
        await self._call("POST", f"/api/v1/work-orders/{order_id}/renew", body=body)

    async def complete_order(self, order_id: UUID, completion: Completion) -> None:
        await self._call("POST", f"/api/v1/work-orders/{order_id}/complete", body=completion)

    async def pending_diagnostics(self, agent_id: UUID) -> list[DiagnosticRequest]:
        path = f"/api/v1/agents/{agent_id}/diagnostics/pending"
        return await self._read(list[DiagnosticRequest], "GET", path)

    async def claim_diagnostic(self, request_id: UUID) -> None:
        await self._call("POST", f"/api/v1/diagnostics/{request_id}/claim")

    async def answer_diagnostic(self, request_id: UUID, answer: DiagnosticSubmit) -> None:
        await self._call("POST", f"/api/v1/diagnostics/{request_id}/result", body=answer)

    async def pending_deliveries(self, agent_id: UUID) -> list[PendingDelivery]:
        """Claims them for a minute."""
        path = f"/api/v1/agents/{agent_id}/webhooks/pending"
        return await self._read(list[PendingDelivery], "GET", path)

    async def report_delivery(self, delivery_id: UUID, result: DeliveryResult) -> DeliveryOutcome:
        path = f"/api/v1/webhook-deliveries/{delivery_id}/result"
        return await self._read(DeliveryOutcome, "POST", path, body=result)

    async def open_channel(
        self, agent_id: UUID, url: str | None
    ) -> aiohttp.ClientWebSocketResponse:
        """The agent's WebSocket; the caller closes it. `url`: where it is, if not at the broker's.

        NB: compression would cost the broker 50 KiB for every agent.
        """
        address = f"{(url or self._url).rstrip('/')}/api/v1/agents/{agent_id}/channel"
        try:
            return await self._http.ws_connect(
                address,
                headers={"Authorization": f"Bearer {self._key()}"},
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                heartbeat=20.0,
                compress=0,
                max_msg_size=64 * 1024,
            )
        except aiohttp.WSServerHandshakeError as e:
            raise BrokerError(f"GET {address}: {e.status}, no WebSocket", status=e.status) from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise BrokerError(f"the channel does not open: {type(e).__name__}: {e}"[:300]) from e

    async def _read(self, shape: type[T], method: str, path: str, **options: Any) -> T:
        _, _, raw = await self._call(method, path, **options)
        return _decode(shape, raw)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> tuple[int, Any, bytes]:
        data = None if body is None else msgspec.json.encode(body)
        sent = {"Authorization": f"Bearer {self._key()}", **(headers or {})}
        if data:
            sent["Content-Type"] = "application/json"
        try:
            async with self._http.request(
                method, self._url + path, params=query, data=data, headers=sent
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise BrokerError(f"the broker does not answer: {type(e).__name__}: {e}"[:300]) from e
        if response.status >= 400:
            text = raw[:300].decode(errors="replace")
            raise BrokerError(f"{method} {path}: {response.status} {text}", status=response.status)
        return response.status, response.headers, raw


def _decode(shape: type[T], raw: bytes) -> T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.MsgspecError as e:
        raise BrokerError(f"the broker answered something unknown: {e}") from e
