"""The broker's settings. Every key is described in docs/configuration.md."""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from brokkr_common import settings
from brokkr_common.settings import Bytes, Seconds, SettingsError, Words
from brokkr_common.telemetry import Telemetry

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Days = Annotated[int, Meta(ge=1, le=36_500)]


class Database(settings.Section, frozen=True, kw_only=True):
    url: str | None = None
    schema: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,55}$")] = "public"
    pool_size: Annotated[int, Meta(ge=1, le=1000)] = 10
    idle_timeout: Seconds = Seconds(10 * 60)
    max_lifetime: Seconds = Seconds(30 * 60)
    statement_cache_size: Annotated[int, Meta(ge=0, le=100_000)] = 100
    command_timeout: Seconds = Seconds(10)
    durable: bool = True


class Api(settings.Section, frozen=True, kw_only=True):
    host: str = "0.0.0.0"
    port: Port = 3000
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    max_body_size: Bytes = Bytes(10 * 1024 * 1024)
    request_timeout: Seconds = Seconds(30)
    max_list_rows: Count = 10_000
    rate_limit: Annotated[int, Meta(ge=0)] = 0
    trusted_proxies: Words = Words()
    cors_origins: Words | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None


class Broker(settings.Section, frozen=True, kw_only=True):
    data_dir: str | None = None
    pak_hash: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    auth_cache_ttl_seconds: Seconds = Seconds(60)
    audit_log_retention_days: Days = 90
    agent_events_retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 30
    diagnostic_cleanup_interval_seconds: Count = 900
    diagnostic_max_age_hours: Count = 1
    webhook_encryption_key: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    webhook_encryption_old_keys: Words = Words()
    webhook_delivery_interval_seconds: Count = 5
    webhook_delivery_batch_size: Count = 50
    webhook_cleanup_retention_days: Days = 7


class Pak(settings.Section, frozen=True, kw_only=True):
    """`rng` and `digest` have one value each; they are here because older files name them."""

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,32}$")] = "brokkr"
    short_token_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{0,8}$")] = "BR"  # noqa: S105
    short_token_length: Annotated[int, Meta(ge=4, le=32)] = 8
    long_token_length: Annotated[int, Meta(ge=16, le=64)] = 24
    rng: Literal["osrng"] = "osrng"
    digest: Literal[8] = 8


class Cors(settings.Section, frozen=True, kw_only=True):
    allowed_origins: Words = Words(("http://localhost:3001",))
    allowed_methods: Words = Words(("GET", "POST", "PUT", "DELETE", "OPTIONS"))
    allowed_headers: Words = Words(("Authorization", "Content-Type"))
    max_age_seconds: Annotated[int, Meta(ge=0)] = 3600


class Webhooks(settings.Section, frozen=True, kw_only=True):
    blocked_networks: Words = Words(("169.254.0.0/16", "fe80::/10"))


class Metrics(settings.Section, frozen=True, kw_only=True):
    require_auth: bool = False


class Templates(settings.Section, frozen=True, kw_only=True):
    timeout: Seconds = Seconds(5)
    workers: Annotated[int, Meta(ge=1, le=64)] = 2


class Log(settings.Section, frozen=True, kw_only=True):
    level: Literal["trace", "debug", "info", "warn", "error"] = "info"
    format: Literal["text", "json"] = "text"


class BrokerConfig(settings.Section, frozen=True, kw_only=True):
    database: Database = Database()
    api: Api = Api()
    broker: Broker = Broker()
    pak: Pak = Pak()
    cors: Cors = Cors()
    webhooks: Webhooks = Webhooks()
    metrics: Metrics = Metrics()
    templates: Templates = Templates()
    telemetry: Telemetry = Telemetry()
    log: Log = Log()


RELOADABLE = (
    "log.level",
    "cors.allowed_origins",
    "cors.max_age_seconds",
    "broker.diagnostic_cleanup_interval_seconds",
    "broker.diagnostic_max_age_hours",
    "broker.webhook_delivery_interval_seconds",
    "broker.webhook_delivery_batch_size",
    "broker.webhook_cleanup_retention_days",
)
"""What may change while the broker runs (seed 003, "Hot-Reloadable Settings")."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A setting with its values, as texts."""

    key: str
    old_value: str
    new_value: str


def load(environ: Mapping[str, str]) -> BrokerConfig:
    """Raises SettingsError."""
    config = settings.load(
        BrokerConfig, environ=environ, optional=frozenset({"agent", "kubernetes"})
    )
    if bool(config.api.tls_cert_file) != bool(config.api.tls_key_file):
        raise SettingsError("api.tls_cert_file and api.tls_key_file: one needs the other")
    _networks("api.trusted_proxies", config.api.trusted_proxies)
    _networks("webhooks.blocked_networks", config.webhooks.blocked_networks)
    for key in config.broker.webhook_encryption_old_keys:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", key):
            raise SettingsError("broker.webhook_encryption_old_keys: 32 bytes in hex each")
    return config


def _networks(key: str, networks: Words) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as e:
            raise SettingsError(f"{key}: {e}") from e


def reload(running: BrokerConfig, wanted: BrokerConfig) -> tuple[BrokerConfig, list[Change]]:
    """The running settings with the reloadable ones of `wanted`, and what that changes."""
    sections: dict[str, dict[str, Any]] = {}
    changes = []
    for key in RELOADABLE:
        section, _, name = key.partition(".")
        old, new = (getattr(getattr(config, section), name) for config in (running, wanted))
        if old != new:
            sections.setdefault(section, {})[name] = new
            changes.append(Change(key=key, old_value=_shown(old), new_value=_shown(new)))
    replaced = {
        section: msgspec.structs.replace(getattr(running, section), **values)
        for section, values in sections.items()
    }
    return msgspec.structs.replace(running, **replaced), changes


def need_restart(running: BrokerConfig, wanted: BrokerConfig) -> list[str]:
    """The keys that differ and are read at the start only."""
    old, new = _flat(running), _flat(wanted)
    return sorted(key for key in old if old[key] != new[key] and key not in RELOADABLE)


def _flat(section: msgspec.Struct, prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(section).items():
        if isinstance(value, msgspec.Struct):
            values |= _flat(value, f"{prefix}{name}.")
        else:
            values[prefix + name] = value
    return values


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, Words) else str(value)


def data_dir(config: BrokerConfig) -> Path:
    """Where the broker keeps its own files: `broker.data_dir`, or the user's data directory."""
    if config.broker.data_dir:
        return Path(config.broker.data_dir).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/brokkr")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "brokkr"
