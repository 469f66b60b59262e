"""The agent's settings. Every key is described in docs/configuration.md."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from brokkr_common import settings
from brokkr_common.settings import Seconds


class Agent(settings.Section, frozen=True, kw_only=True):
    pak: Annotated[str, Meta(min_length=1)] | None = None
    pak_file: str | None = None
    broker_url: Annotated[str, Meta(pattern=r"^https?://")] = "http://localhost:3000"
    agent_name: str = "DEFAULT"
    cluster_name: str = "DEFAULT"
    polling_interval: Seconds = Seconds(10)
    ws_force_rest: bool = False
    ws_url: Annotated[str, Meta(pattern=r"^(https?|wss?)://")] | None = None
    kubeconfig_path: str | None = None
    max_retries: Annotated[int, Meta(ge=0)] = 60
    event_message_retry_delay: Seconds = Seconds(5)
    health_port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    deployment_health_enabled: bool = True
    deployment_health_interval: Seconds = Seconds(60)
    drift: Literal["correct", "report", "off"] = "correct"
    leader_election: bool = True
    lease_duration: Seconds = Seconds(15)
    namespace: str = "brokkr-system"
    resync_interval: Seconds = Seconds(300)
    on_untarget: Literal["keep", "delete"] = "keep"
    install_crds: bool = True
    concurrent_stacks: Annotated[int, Meta(ge=1, le=256)] = 8
    concurrent_work_orders: Annotated[int, Meta(ge=1, le=256)] = 4
    work_order_ttl: Seconds = Seconds(3600)
    concurrent_objects: Annotated[int, Meta(ge=1, le=256)] = 16


class Kubernetes(settings.Section, frozen=True, kw_only=True):
    qps: Annotated[float, Meta(ge=0)] = 1000.0
    burst: Annotated[int, Meta(ge=1)] = 2000


class Log(settings.Section, frozen=True, kw_only=True):
    level: Literal["trace", "debug", "info", "warn", "error"] = "info"
    format: Literal["text", "json"] = "text"


class OperatorConfig(settings.Section, frozen=True, kw_only=True):
    agent: Agent = Agent()
    kubernetes: Kubernetes = Kubernetes()
    log: Log = Log()


def load(environ: Mapping[str, str]) -> OperatorConfig:
    """Raises SettingsError."""
    others = frozenset(
        {
            "api",
            "broker",
            "cors",
            "database",
            "metrics",
            "pak",
            "telemetry",
            "templates",
            "webhooks",
        }
    )
    config = settings.load(OperatorConfig, environ=environ, optional=others)
    if (config.agent.pak is None) == (config.agent.pak_file is None):
        raise settings.SettingsError(
            "agent.pak: required: set BROKKR__AGENT__PAK, or agent.pak_file; not both"
        )
    return config
