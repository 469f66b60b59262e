"""Every metric of the broker, and nothing else."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_LATENCY = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


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
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.active_agents = Gauge(
            "brokkr_active_agents", "Agents with status ACTIVE.", registry=registry
        )
        self.heartbeat_age = Gauge(
            "brokkr_agent_heartbeat_age_seconds",
            "Seconds since an agent's last heartbeat.",
            ["agent_id", "agent_name"],
            registry=registry,
        )
        self.stacks = Gauge("brokkr_stacks_total", "Live stacks.", registry=registry)
        self.deployment_objects = Gauge(
            "brokkr_deployment_objects_total", "Live deployment objects.", registry=registry
        )

    def observe(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a request. The label look-up of the library is slow; ours is a dictionary."""
        key = (endpoint, method, status)
        pair = self._children.get(key)
        if pair is None:
            counter = self.requests.labels(endpoint, method, status)
            pair = self._children[key] = (counter, self.latency.labels(endpoint, method))
        pair[0].inc()
        pair[1].observe(seconds)
