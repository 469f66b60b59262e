"""Every metric of the broker, and nothing else."""

import functools
import os
import re
from collections.abc import Iterable

import prometheus_client
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_LATENCY = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_QUERY_LATENCY = _LATENCY[:-1]
_COMMENT = re.compile(r"--[^\n]*\n")
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
_KINDS = {"select", "insert", "update", "delete"}
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """One set of metrics in one registry, so that a process may hold several apps."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.requests = Counter(
            "brokkr_http_requests",
            "HTTP requests, by route, method and status.",
            ["endpoint", "method", "status"],
            registry=registry,
        )
        self.latency = Histogram(
            "brokkr_http_request_duration_seconds",
            "Time to answer an HTTP request.",
            ["endpoint", "method"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.queries = Counter(
            "brokkr_database_queries",
            "Database statements, by kind.",
            ["query_type"],
            registry=registry,
        )
        self.query_latency = Histogram(
            "brokkr_database_query_duration_seconds",
            "Time of a database statement.",
            ["query_type"],
            buckets=_QUERY_LATENCY,
            registry=registry,
        )
        self.background = Counter(
            "brokkr_background_items",
            "What background tasks have done: rows removed, orders released, and the like.",
            ["task"],
            registry=registry,
        )
        self.deliveries = Counter(
            "brokkr_webhook_deliveries",
            "Tries to deliver a webhook, by what became of it.",
            ["status"],
            registry=registry,
        )
        self._lasting(registry)
        self._requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._queries: dict[str, tuple[Counter, Histogram]] = {}

    def _lasting(self, registry: CollectorRegistry) -> None:
        """Of connections that stay open."""
        self.ws_agents = Gauge(
            "brokkr_ws_connected_agents",
            "Agents with an open channel.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ws_messages = Counter(
            "brokkr_ws_messages",
            "Frames of the agents' channels.",
            ["direction", "type"],
            registry=registry,
        )
        self.watchers = Gauge(
            "brokkr_stream_watchers",
            "Open streams of events.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def observe(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a request. The label look-up of the library is slow; ours is a dictionary."""
        key = (endpoint, method, status)
        pair = self._requests.get(key)
        if pair is None:
            counter = self.requests.labels(endpoint, method, status)
            pair = self._requests[key] = (counter, self.latency.labels(endpoint, method))
        pair[0].inc()
        pair[1].observe(seconds)

    def observe_query(self, query: str, seconds: float) -> None:
        """Count a statement."""
        kind = query_type(query)
        pair = self._queries.get(kind)
        if pair is None:
            pair = self._queries[kind] = (
                self.queries.labels(kind),
                self.query_latency.labels(kind),
            )
        pair[0].inc()
        pair[1].observe(seconds)

    def text(self, state: Iterable[Metric]) -> bytes:
        """Everything in the text format. `state` is what was read from the database just now."""
        counted = self.registry
        if os.environ.get(MULTIPROCESS_VARIABLE):  # several workers: their sum
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        read = CollectorRegistry()
        read.register(_Read(state))
        return prometheus_client.generate_latest(counted) + prometheus_client.generate_latest(read)


class _Read(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def state(
    *,
    active_agents: int,
    stacks: int,
    deployment_objects: int,
    heartbeat_ages: Iterable[tuple[str, str, float]],
) -> list[Metric]:
    """Gauges of what is in the database. An age comes with the agent's id and name."""
    ages = GaugeMetricFamily(
        "brokkr_agent_heartbeat_age_seconds",
        "Seconds since an agent's last heartbeat.",
        labels=["agent_id", "agent_name"],
    )
    for agent_id, name, seconds in heartbeat_ages:
        ages.add_metric([agent_id, name], seconds)
    return [
        GaugeMetricFamily("brokkr_active_agents", "Agents with status ACTIVE.", active_agents),
        GaugeMetricFamily("brokkr_stacks_total", "Live stacks.", stacks),
        GaugeMetricFamily(
            "brokkr_deployment_objects_total", "Live deployment objects.", deployment_objects
        ),
        ages,
    ]


@functools.lru_cache(maxsize=1000)
def query_type(query: str) -> str:
    """`select`, `insert`, `update`, `delete` or `other`."""
    text = _COMMENT.sub("", query).strip()
    word = text.split(None, 1)[0].lower() if text else ""
    if word == "with":
        write = _WRITES.search(text)
        return write[1].lower() if write else "select"
    return word if word in _KINDS else "other"
