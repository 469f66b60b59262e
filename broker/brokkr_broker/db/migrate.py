"""Bring the schema up to date, under an advisory lock: any number of brokers may start at once."""

import contextlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import psycopg
import yoyo
from psycopg import sql

from brokkr_broker import errors

_LOCK = 0x62726F6B6B72  # "brokkr"


def migrate(url: str, schema: str) -> int:
    """Apply what is missing and return how many migrations that were. Blocks; run it in a thread.

    Raises StartupError where the database cannot be reached.
    """
    try:
        with _locked(url, schema):
            return _apply(url, schema)
    except psycopg.OperationalError as e:
        raise errors.StartupError(f"database: {str(e).strip()}") from e


def migrations() -> yoyo.migrations.MigrationList:
    """Every migration, in order. An empty list would be a packaging error, not an empty schema."""
    found = yoyo.read_migrations(str(directory()))
    if not found:
        raise errors.StartupError("this installation contains no migrations")
    return found


def directory() -> Path:
    """In the wheel, or in the checkout of an editable install."""
    packaged = Path(str(resources.files("brokkr_broker"))) / "_migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "migrations"


@contextlib.contextmanager
def _locked(url: str, schema: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if schema != "public":
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        yield


def _apply(url: str, schema: str) -> int:
    backend = yoyo.get_backend(yoyo_url(url, schema))
    try:
        pending = backend.to_apply(migrations())
        backend.apply_migrations(pending)
        return len(pending)
    finally:
        backend.connection.close()


def yoyo_url(url: str, schema: str) -> str:
    """yoyo picks psycopg 3 by the scheme, and the schema by a query argument of its own."""
    address = url.partition("://")[2]
    separator = "&" if "?" in address else "?"
    name = quote(f'"{schema}"')  # NB: it stands in the statement as it is given
    return f"postgresql+psycopg://{address}{separator}schema={name}"
