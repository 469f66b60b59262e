"""Traces by OTLP, where they are switched on, and the trace id of the log in any case.

OpenTelemetry is an extra (`pip install brokkr[telemetry]`). Without it, and when it is switched
off, a span costs next to nothing. A caller's `traceparent` (W3C Trace Context) is continued.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from brokkr_common import logs, settings

Rate = Annotated[float, Meta(ge=0, le=1)]
_PARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")


class Override(settings.Section, frozen=True, kw_only=True):
    """What one component has otherwise. None: as the base says."""

    enabled: bool | None = None
    otlp_endpoint: str | None = None
    service_name: str | None = None
    sampling_rate: Rate | None = None


class Telemetry(settings.Section, frozen=True, kw_only=True):
    enabled: bool = False
    otlp_endpoint: str = "http://localhost:4317"
    service_name: str = "brokkr"
    sampling_rate: Rate = 0.1
    broker: Override = Override()
    agent: Override = Override()

    def of(self, component: str) -> "Telemetry":
        """The settings of `broker` or `agent`: its own over the base."""
        own: Override = getattr(self, component)
        return Telemetry(
            enabled=self.enabled if own.enabled is None else own.enabled,
            otlp_endpoint=own.otlp_endpoint or self.otlp_endpoint,
            service_name=own.service_name or f"brokkr-{component}",
            sampling_rate=self.sampling_rate if own.sampling_rate is None else own.sampling_rate,
        )


class Tracing:
    """Spans that go nowhere. The trace id for the log is the caller's, if there is one."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Called at the begin of a request, whose task ends with it."""
        parent = headers.get("traceparent")
        if parent and (given := _PARENT.match(parent)):
            logs.trace_id.set(given[1])

    def request(
        self, name: str, headers: Mapping[str, str], **attributes: Any
    ) -> contextlib.AbstractContextManager[Any] | None:
        """A span around one request, or None where nothing is traced.

        What it yields takes attributes by `set_attribute`.
        """

    def close(self) -> None:
        """Send what is left."""


class OtlpTracing(Tracing):
    """Spans to an OTLP collector over gRPC, in batches, from a thread of its own."""

    def __init__(self, wanted: Telemetry) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": wanted.service_name}),
            sampler=ParentBased(TraceIdRatioBased(wanted.sampling_rate)),
        )
        insecure = not wanted.otlp_endpoint.startswith("https://")
        exporter = OTLPSpanExporter(endpoint=wanted.otlp_endpoint, insecure=insecure, timeout=5)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("brokkr")

    def request(
        self, name: str, headers: Mapping[str, str], **attributes: Any
    ) -> contextlib.AbstractContextManager[Any]:
        return self._request(name, headers, attributes)

    @contextlib.contextmanager
    def _request(
        self, name: str, headers: Mapping[str, str], attributes: dict[str, Any]
    ) -> Iterator[Any]:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {"traceparent": headers.get("traceparent", "")}
        parent = TraceContextTextMapPropagator().extract(carrier)
        with self._tracer.start_as_current_span(
            name, context=parent, kind=trace.SpanKind.SERVER, attributes=attributes
        ) as span:
            logs.trace_id.set(f"{span.get_span_context().trace_id:032x}")
            yield span

    def close(self) -> None:
        self._provider.shutdown()


def start(wanted: Telemetry, *, component: str) -> Tracing:
    """Raises SettingsError where traces are wanted and the extra is not installed."""
    wanted = wanted.of(component)
    if not wanted.enabled:
        return Tracing()
    try:
        return OtlpTracing(wanted)
    except ImportError as e:
        raise settings.SettingsError(
            f"telemetry.enabled: needs `pip install brokkr[telemetry]` ({e.name} is missing)"
        ) from e
