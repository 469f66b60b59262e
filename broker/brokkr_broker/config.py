"""The broker's settings. Every key is described in docs/configuration.md."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from brokkr_common import settings
from brokkr_common.settings import Bytes, Seconds

Port = Annotated[int, Meta(ge=0, le=65535)]


class Database(settings.Section, frozen=True, kw_only=True):
    url: str | None = None
    schema: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,55}$")] = "public"
    pool_size: Annotated[int, Meta(ge=1, le=1000)] = 10
    command_timeout: Seconds = Seconds(10)
    durable: bool = True


class Api(settings.Section, frozen=True, kw_only=True):
    host: str = "0.0.0.0"
    port: Port = 3000
    max_body_size: Bytes = Bytes(10 * 1024 * 1024)
    request_timeout: Seconds = Seconds(30)
    max_list_rows: Annotated[int, Meta(ge=1)] = 10_000


class Broker(settings.Section, frozen=True, kw_only=True):
    data_dir: str | None = None
    pak_hash: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    auth_cache_ttl_seconds: Seconds = Seconds(60)


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
    templates: Templates = Templates()
    log: Log = Log()


def load(environ: Mapping[str, str]) -> BrokerConfig:
    """Raises SettingsError."""
    return settings.load(BrokerConfig, environ=environ, optional=frozenset({"agent"}))


def data_dir(config: BrokerConfig) -> Path:
    """Where the broker keeps its own files: `broker.data_dir`, or the user's data directory."""
    if config.broker.data_dir:
        return Path(config.broker.data_dir).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/brokkr")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "brokkr"
