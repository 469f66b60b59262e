"""Several brokers on one database, and the commands beside them."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import asyncpg

from brokkr_broker.config import Pak
from brokkr_broker.db import migrate
from brokkr_broker.security import pak
from harness import Broker, eventually
from support.broker import RunningBroker, running_broker
from support.commands import BROKER, command
from support.postgres import Databases


async def test_a_key_rotated_by_command_is_dead_on_every_broker(
    broker: RunningBroker, database: str
) -> None:
    async with running_broker(database) as second:
        both = [broker.admin, second.client(broker.admin.pak)]
        for admin in both:
            await admin.ask("GET", "/stacks")

        out = await asyncio.to_thread(command, database, "rotate", "admin")

        new = out.removeprefix("New PAK: ").strip()
        async with asyncio.timeout(1):
            for admin in both:
                while (await admin.call("GET", "/stacks"))[0] != 401:
                    await asyncio.sleep(0.01)
        for some in (broker, second):
            assert await some.client(new).ask("GET", "/stacks") == []


async def test_a_lost_notification_channel_empties_the_cache(
    broker: RunningBroker, database: str
) -> None:
    connection = await asyncpg.connect(database)
    await _listening(connection)
    await broker.admin.ask("GET", "/stacks")
    # Given a channel that breaks, and a key that changes without a word
    await connection.execute("ALTER TABLE admin_role DISABLE TRIGGER admin_role_forget_key")
    await connection.execute("UPDATE admin_role SET pak_hash = 'other'")
    assert (await broker.admin.call("GET", "/stacks"))[0] == 200, "the cache still has it"
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' OR (query = 'SELECT 1' AND application_name = '')"
    )
    await connection.close()
    async with asyncio.timeout(20):
        while (await broker.admin.call("GET", "/stacks"))[0] != 401:
            await asyncio.sleep(0.05)


async def _listening(connection: asyncpg.Connection) -> None:
    """Until the broker listens: that it does not yet is a reason to forget every key as well."""
    async with asyncio.timeout(10):
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query = 'SELECT 1' AND application_name = ''"
        ):
            await asyncio.sleep(0.02)


def test_ten_brokers_start_at_once_on_an_empty_database(databases: Databases) -> None:
    url = databases.empty("ten_brokers")
    env = {**os.environ, "BROKKR__DATABASE__URL": url}
    starts = [
        subprocess.Popen([BROKER, "migrate"], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    counts = [int(p.communicate()[0].split()[0]) for p in starts]
    assert sorted(counts) == [0, 0, 0, len(migrate.migrations())]


def test_commands_create_identities_and_print_their_keys(database: str, tmp_path: Path) -> None:
    settings = {"BROKKR__BROKER__DATA_DIR": str(tmp_path)}
    agent = command(
        database, "create", "agent", "--name", "a", "--cluster-name", "c", **settings
    ).splitlines()
    assert [line.split(":")[0] for line in agent] == ["ID", "Name", "Cluster", "Initial PAK"]
    generator = command(database, "create", "generator", "--name", "g", **settings).splitlines()
    generator_id = generator[0].removeprefix("ID: ")
    rotated = command(database, "rotate", "generator", "--uuid", generator_id, **settings)
    assert rotated.startswith("New PAK: brokkr_BR")
    # and the first of them made the admin's key, and kept it for its owner alone
    kept = tmp_path / "admin-pak"
    assert kept.read_text().startswith("brokkr_BR")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_wrong_settings_say_which(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text("[api]\nprot = 3000\n")
    cases = [
        ({"BROKKR_CONFIG_FILE": str(file)}, "api.prot: unknown setting"),
        ({"BROKKR__API__PORT": "many"}, "api.port: Expected `int`, got `str`"),
        ({"BROKKR__DATABASE__URL": "postgresql://nobody@127.0.0.1:1/x"}, "database: "),
    ]
    for settings, message in cases:
        done = subprocess.run(
            [BROKER, "serve"], env={**os.environ, **settings}, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"brokkr-broker: {message}"), done.stderr
        assert "Traceback" not in done.stderr


async def test_a_preset_admin_key(databases: Databases) -> None:
    url = databases.create()
    key = pak.generate(Pak())
    async with running_broker(url, preset_hash=key.hash) as broker:
        assert await broker.client(key.text).ask("GET", "/stacks") == []


def test_the_embedded_postgres_is_started_again_when_it_dies() -> None:
    folder = Path(f"/tmp/brokkr-test-{uuid4().hex[:8]}")
    broker = Broker(folder, durable=True)
    broker.start()
    try:
        broker.wait()
        stack = broker.stack("kept")
        pid = int((folder / "data/postgres/postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: broker.call("GET", "/stacks").status_code == 503)
        broker.wait()
        assert [s["id"] for s in broker.ask("GET", "/stacks")] == [stack]
    finally:
        assert broker.kill(signal.SIGTERM) == 0
        shutil.rmtree(folder)
