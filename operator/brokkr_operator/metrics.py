"""Every metric of the agent, and nothing else."""

from prometheus_client import Counter, Gauge, Histogram

poll_requests = Counter("brokkr_agent_poll_requests", "Polls of the broker, by status.", ["status"])
poll_duration = Histogram(
    "brokkr_agent_poll_duration_seconds",
    "Time of one poll.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
kubernetes_operations = Counter(
    "brokkr_agent_kubernetes_operations", "Requests to the Kubernetes API.", ["operation"]
)
kubernetes_operation_duration = Histogram(
    "brokkr_agent_kubernetes_operation_duration_seconds",
    "Time of one request to the Kubernetes API.",
    ["operation"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
drift = Counter(
    "brokkr_agent_drift_corrected", "Objects that others had changed and the agent put back."
)
channel = Gauge("brokkr_agent_channel_connected", "Whether the channel is open.")
heartbeats = Counter("brokkr_agent_heartbeat_sent", "Heartbeats that the broker took.")
last_poll = Gauge(
    "brokkr_agent_last_successful_poll_timestamp", "When the last poll succeeded (Unix time)."
)
