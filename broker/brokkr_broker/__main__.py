"""`brokkr-broker`: serve, create, rotate, migrate."""

import asyncio
import contextlib
import functools
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click
import uvloop

from brokkr_broker import config as settings
from brokkr_broker import errors, server, supervisor
from brokkr_broker.config import BrokerConfig, Pak
from brokkr_broker.context import Context
from brokkr_broker.dal import audit as audit_rows
from brokkr_broker.dal.audit import Entry
from brokkr_broker.db import migrate, pool, violations
from brokkr_broker.db.embedded import Server
from brokkr_broker.security.identity import Identity, Role
from brokkr_broker.services import agents, audit, generators, keys
from brokkr_broker.services.audit import Origin
from brokkr_common import __version__, extensions, logs
from brokkr_common.extensions import ExtensionError
from brokkr_common.loops import Loop
from brokkr_common.settings import FILE_VARIABLE, SettingsError
from brokkr_common.wire.agents import AgentCreate
from brokkr_common.wire.generators import GeneratorCreate

logger = logging.getLogger(__name__)
Entries = list[Entry]


@click.group()
@click.version_option(__version__, prog_name="brokkr-broker")
@click.option("--config", "file", type=click.Path(dir_okay=False), help="The settings file.")
@click.option("--schema", help="The tenant: the same as database.schema.")
def main(file: str | None, schema: str | None) -> None:
    """The Brokkr broker. Settings: a TOML file (BROKKR_CONFIG_FILE) and BROKKR__SECTION__KEY."""
    if file:
        os.environ[FILE_VARIABLE] = file
    if schema:
        os.environ["BROKKR__DATABASE__SCHEMA"] = schema


@main.command()
def serve() -> None:
    """Serve the API. Without database.url, an embedded Postgres is started as well."""
    _run(_serve)


@main.command(name="migrate")
def migrate_command() -> None:
    """Bring the database schema up to date, and stop."""
    _run(_migrate)


@main.group()
def create() -> None:
    """Create an agent or a generator and print its key."""


@create.command("agent")
@click.option("--name", required=True)
@click.option("--cluster-name", "--cluster_name", required=True)
def create_agent(name: str, cluster_name: str) -> None:
    """Register an agent."""

    async def run(db: Any, form: Pak) -> Entries:
        made = await agents.create(db, form, AgentCreate(name=name, cluster_name=cluster_name))
        click.echo(f"ID: {made.agent.id}\nName: {made.agent.name}")
        click.echo(f"Cluster: {made.agent.cluster_name}\nInitial PAK: {made.initial_pak}")
        return _entries(made, "agent.created", "pak.created")

    _run_with_database(run)


@create.command("generator")
@click.option("--name", required=True)
@click.option("--description")
def create_generator(name: str, description: str | None) -> None:
    """Register a generator."""

    async def run(db: Any, form: Pak) -> Entries:
        wanted = GeneratorCreate(name=name, description=description)
        made = await generators.create(db, form, wanted)
        click.echo(f"ID: {made.generator.id}\nName: {made.generator.name}\nInitial PAK: {made.pak}")
        return _entries(made, "generator.created", "pak.created")

    _run_with_database(run)


@main.group()
def rotate() -> None:
    """Replace a key. The old one is dead on every broker at once."""


@rotate.command("admin")
def rotate_admin() -> None:
    """Replace the admin's key."""

    async def run(db: Any, form: Pak) -> Entries:
        click.echo(f"New PAK: {await keys.rotate_admin(db, form)}")
        return _entries(None, "pak.rotated")

    _run_with_database(run)


@rotate.command("agent")
@click.option("--uuid", "agent_id", required=True, type=click.UUID)
def rotate_agent(agent_id: UUID) -> None:
    """Replace an agent's key."""

    async def run(db: Any, form: Pak) -> Entries:
        made = await keys.rotate_agent(db, form, agent_id)
        click.echo(f"New PAK: {made.pak}")
        return _entries(made, "pak.rotated")

    _run_with_database(run)


@rotate.command("generator")
@click.option("--uuid", "generator_id", required=True, type=click.UUID)
def rotate_generator(generator_id: UUID) -> None:
    """Replace a generator's key."""

    async def run(db: Any, form: Pak) -> Entries:
        made = await keys.rotate_generator(db, form, generator_id)
        click.echo(f"New PAK: {made.pak}")
        return _entries(made, "pak.rotated")

    _run_with_database(run)


def _entries(made: Any, *actions: str) -> Entries:
    """For the audit trail: whoever may run this command is an admin."""
    resource_id, details = audit.subject(made)
    admin, origin = Identity(Role.ADMIN), Origin(user_agent="brokkr-broker")
    return [
        audit.entry(action, actor=admin, origin=origin, resource_id=resource_id, details=details)
        for action in actions
    ]


def _run(command: Callable[[BrokerConfig], Awaitable[None]]) -> None:
    """Read settings, run a command, and turn expected failures into a line and exit code 1."""
    try:
        config = settings.load(os.environ)
        logs.configure(level=config.log.level, format=config.log.format, component="broker")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(command(config))  # type: ignore[arg-type]
    except (SettingsError, ExtensionError, errors.StartupError, errors.BrokerError) as e:
        click.echo(f"brokkr-broker: {e}", err=True)
        sys.exit(1)
    except (OSError, asyncpg.PostgresError) as e:
        meant = violations.translate(e)
        click.echo(f"brokkr-broker: {meant or e}", err=True)
        sys.exit(1)


def _run_with_database(action: Callable[[Any, Pak], Awaitable[Entries]]) -> None:
    async def run(config: BrokerConfig) -> None:
        async with _database(config, owner=False) as url:
            await asyncio.to_thread(migrate.migrate, url, config.database.schema)
            db = await pool.connect(url, config.database)
            try:
                await _first_start(config, db)
                await audit_rows.record(db, await action(db, config.pak))
            finally:
                await db.close()

    _run(run)


@contextlib.asynccontextmanager
async def _database(config: BrokerConfig, *, owner: bool) -> AsyncIterator[str]:
    """The URL of the database; where none is set, an embedded server for as long as needed."""
    if config.database.url:
        yield config.database.url
        return
    server = Server(settings.data_dir(config), durable=config.database.durable)
    await asyncio.to_thread(server.start, owner=owner)
    logger.info("embedded Postgres", extra={"data": str(server.data)})
    watch = Loop("embedded Postgres", functools.partial(_ensure, server), interval=1.0)
    watching = asyncio.create_task(watch.run())
    try:
        yield server.url()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.to_thread(server.stop)


async def _ensure(server: Server) -> None:
    if await asyncio.to_thread(server.ensure):
        logger.warning("the embedded Postgres had died and was started again")


async def _migrate(config: BrokerConfig) -> None:
    async with _database(config, owner=False) as url:
        count = await asyncio.to_thread(migrate.migrate, url, config.database.schema)
        click.echo(f"{count} migrations applied")


def _raise_file_limit() -> None:
    """Every channel is an open file, and a usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(config: BrokerConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server.certificate_of(config.api)  # wrong files are found before anything is started
    extensions.announce()
    _raise_file_limit()
    async with _database(config, owner=True) as url:
        count = await asyncio.to_thread(migrate.migrate, url, config.database.schema)
        if count:
            logger.info("schema migrated", extra={"migrations": count})
        if config.api.workers > 1:
            db = await pool.connect(url, config.database)
            await _first_start(config, db)
            await db.close()
            await supervisor.supervise(config, url, stop=stop)
        else:
            await server.serve(config, url, stop=stop, first=_open)


async def _open(context: Context) -> None:
    await _first_start(context.config, context.db)


async def _first_start(config: BrokerConfig, db: Any) -> None:
    key = await keys.initialize(db, config.pak, preset_hash=config.broker.pak_hash)
    if key is None:
        return
    path = settings.data_dir(config) / "admin-pak"
    try:
        where = str(await asyncio.to_thread(_keep, path, key))
    except OSError as e:
        where = f"nowhere ({e.strerror}: {path}): copy it now"
    click.echo(f"First start. Admin PAK (shown once): {key}\nKept in: {where}", err=True)


def _keep(path: Path, key: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    return path


if __name__ == "__main__":
    main()
