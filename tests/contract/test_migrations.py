"""Migrations: numbered once, and reversible."""

from collections import Counter

import psycopg
import yoyo

from brokkr_broker.db import migrate
from support.postgres import Databases


def test_numbers_are_unique_and_each_has_its_way_back() -> None:
    files = sorted(p.name for p in migrate.directory().glob("*.sql"))
    forward = [f for f in files if not f.endswith(".rollback.sql")]
    assert max(Counter(f[:4] for f in forward).values()) == 1
    assert [f.replace(".sql", ".rollback.sql") for f in forward] == [
        f for f in files if f.endswith(".rollback.sql")
    ]


def test_up_down_up(databases: Databases) -> None:
    url = databases.empty("up_down_up")
    migrate.migrate(url, "public")
    first = _tables(url)
    backend = yoyo.get_backend(migrate.yoyo_url(url, "public"))
    backend.rollback_migrations(backend.to_rollback(migrate.migrations()))
    backend.connection.close()
    assert _tables(url) & first <= {t for t in first if "yoyo" in t}
    migrate.migrate(url, "public")
    assert _tables(url) == first


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    return {row[0] for row in rows}
