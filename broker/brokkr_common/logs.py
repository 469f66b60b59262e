"""Logging: one line an event, as text for people or as JSON for machines.

Loggers get an event phrase and fields in `extra`. Values of fields that carry credentials are
never written, and neither is anything that looks like a key.
"""

import contextvars
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

trace_id: contextvars.ContextVar[str] = contextvars.ContextVar("trace_id", default="")
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

TRACE = 5
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_KEY = re.compile(r"\b([A-Za-z0-9]{1,32}_[A-Za-z0-9]{4,40})_[1-9A-HJ-NP-Za-km-z]{16,}")
_SECRET_FIELDS = frozenset({"pak", "authorization", "token", "password", "secret"})


def configure(*, level: str, format: str, component: str) -> None:
    """Send every logger of the process to stderr."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(component) if format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    level_of_others = max(logging.WARNING, logging.getLogger().level)
    for noisy in ("yoyo", "asyncio", "kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(level_of_others)
    # Says with a traceback, again and again, what each failed request says in one line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def set_level(level: str) -> None:
    """Of every logger but those that say nothing for us below a warning."""
    logging.getLogger().setLevel(level.upper())


def redact(text: str) -> str:
    """Hide the secret part of every PAK in a text."""
    return _KEY.sub(r"\1_***", text)


class JsonFormatter(logging.Formatter):
    """timestamp, level, component, trace_id, message, metadata, as seed 002 has them."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": _moment(record),
            "level": record.levelname,
            "component": self.component,
            "trace_id": trace_id.get() or request_id.get(),
            "message": redact(record.getMessage()),
        }
        if not line["trace_id"]:
            del line["trace_id"]
        fields = _fields(record)
        if fields:
            line["metadata"] = fields
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """`12:00:00.123 INFO  phrase  field=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        line = f"{_moment(record)[11:23]} {record.levelname:<5} {redact(record.getMessage())}"
        if fields:
            line = f"{line}  {fields}"
        if record.exc_info:
            line = f"{line}\n{redact(self.formatException(record.exc_info))}"
        return line


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if current := request_id.get():
        fields.setdefault("request_id", current)
    return {
        key: "***" if key in _SECRET_FIELDS else redact(value) if isinstance(value, str) else value
        for key, value in fields.items()
        if not key.startswith("_")
    }
