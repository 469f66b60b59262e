"""The embedded Postgres, out of the PyPI package as well."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from brokkr_broker.db import embedded, migrate
from brokkr_broker.db.embedded import Server


@pytest.fixture
def home() -> Iterator[Path]:
    home = Path(f"/tmp/brokkr-test-{uuid4().hex[:8]}")
    home.mkdir()
    yield home
    shutil.rmtree(home)


def test_the_package_from_pypi_serves(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [folder] = embedded.wheel_folders(home)
    monkeypatch.setenv("BROKKR_PG_BINDIR", str(folder))
    server = Server(home, durable=False)
    server.start(owner=True)
    assert migrate.migrate(server.url(), "public") == len(migrate.migrations())
    with psycopg.connect(server.url()) as connection:
        version = connection.info.server_version
    server.stop()
    assert version >= 180000
    # and the same version opens it again, whatever else is found first
    monkeypatch.delenv("BROKKR_PG_BINDIR")
    server.start(owner=True)
    server.stop()


def test_data_of_a_version_that_is_not_here(home: Path) -> None:
    server = Server(home, durable=False)
    server.start(owner=True)
    server.stop()
    (home / "postgres/PG_VERSION").write_text("11\n")
    with pytest.raises(embedded.errors.StartupError, match="needs PostgreSQL 11"):
        server.start(owner=True)


def test_what_an_earlier_process_left_running_is_taken_over(home: Path) -> None:
    first, second = Server(home, durable=False), Server(home, durable=False)
    first.start(owner=False)
    second.start(owner=True)
    assert migrate.migrate(second.url(), "public")
    second.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(second.url(), connect_timeout=2)
    first.stop()


def test_only_the_owner_stops_it(home: Path) -> None:
    owner, guest = Server(home, durable=False), Server(home, durable=False)
    owner.start(owner=True)
    guest.start(owner=True)
    guest.stop()
    psycopg.connect(owner.url()).close()
    owner.stop()


def test_a_path_too_long_for_a_socket_says_so(home: Path) -> None:
    server = Server(home / ("x" * 90), durable=False)
    with pytest.raises(embedded.errors.StartupError, match=r"broker\.data_dir"):
        server.start(owner=True)
