"""Fixtures that many tests share. Helpers live in `support`."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from brokkr_broker.db.embedded import Server
from support.broker import RunningBroker, running_broker
from support.postgres import Databases


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    home = Path(f"/tmp/brokkr-test-{uuid4().hex[:8]}")  # NB: short, for the Unix socket
    server = Server(home, durable=False, max_connections=300)
    server.start(owner=True)
    yield Databases(server)
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database(databases: Databases) -> str:
    """The URL of a fresh, migrated database."""
    return databases.create()


@pytest.fixture
async def broker(database: str) -> AsyncIterator[RunningBroker]:
    async with running_broker(database) as running:
        yield running
