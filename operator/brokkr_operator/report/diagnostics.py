"""Answer the broker's diagnostics: take a request, look, tell."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from brokkr_common.wire.diagnostics import DiagnosticRequest, DiagnosticSubmit
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError
from brokkr_operator.observe import diagnose
from brokkr_operator.observe.diagnose import Findings
from brokkr_operator.resources.brokkrstack import BrokkrStack

logger = logging.getLogger(__name__)

_TAKEN = {403, 404, 409}


class Diagnostics:
    def __init__(
        self,
        broker: Broker,
        kube: Kube,
        *,
        agent_id: UUID,
        stacks: Callable[[], list[BrokkrStack]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._broker = broker
        self._kube = kube
        self._agent_id = agent_id
        self._stacks = stacks
        self._now = now

    async def run(self) -> None:
        """Raises BrokerError."""
        for request in await self._broker.pending_diagnostics(self._agent_id):
            try:
                await self._broker.claim_diagnostic(request.id)
                await self._broker.answer_diagnostic(request.id, await self._answer(request))
            except BrokerError as e:
                if e.status not in _TAKEN:
                    raise
                extra = {"diagnostic": str(request.id), "reason": str(e)[:300]}
                logger.info("diagnostic not answered", extra=extra)

    async def _answer(self, request: DiagnosticRequest) -> DiagnosticSubmit:
        wanted = str(request.deployment_object_id)
        stack = next((s for s in self._stacks() if s.deployment_object_id == wanted), None)
        if stack is None or stack.inventory is None:
            why = "this version is not the one that this agent runs, or nothing of it is applied"
            return self._submit(Findings([], [], {}, [why]), failed=True)
        findings = await diagnose.diagnose(self._kube, stack.inventory)
        nothing = bool(findings.problems) and not (findings.pods or findings.events)
        return self._submit(findings, failed=nothing)

    def _submit(self, findings: Findings, *, failed: bool) -> DiagnosticSubmit:
        events = [*findings.events, *({"error": text} for text in findings.problems)]
        return DiagnosticSubmit(
            pod_statuses=_json(findings.pods),
            events=_json(events),
            log_tails=_json(findings.logs),
            collected_at=self._now(),
            failed=failed,
        )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
