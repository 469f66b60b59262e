"""Two tenants in one database see nothing of each other."""

import asyncio

import psycopg

from brokkr_broker.api import ROUTES
from brokkr_broker.config import BrokerConfig, Database
from brokkr_broker.db import migrate
from support.broker import RunningBroker, running_broker
from support.commands import command
from support.postgres import Databases


def tenant(url: str, schema: str) -> BrokerConfig:
    migrate.migrate(url, schema)
    return BrokerConfig(database=Database(schema=schema))


async def fill(broker: RunningBroker) -> set[str]:
    """One of everything that has a name. Returns the ids."""
    agent_id, agent = await broker.agent("west")
    generator = await broker.admin.ask("POST", "/generators", {"name": "ci"})
    stack = await broker.admin.ask("POST", "/stacks", {"name": "shop"})
    await broker.admin.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack["id"]})
    pushed = await broker.push(stack["id"])
    event = await broker.report(agent, agent_id, pushed["id"], "SUCCESS")
    body = {"name": "t", "template_content": "x", "parameters_schema": "{}"}
    template = await broker.admin.ask("POST", "/templates", body)
    made = {agent_id, generator["generator"]["id"], stack["id"], pushed["id"]}
    return made | {event["id"], template["id"]}


async def test_the_same_names_keys_and_lists_live_side_by_side(databases: Databases) -> None:
    url = databases.empty("two_tenants")
    async with (
        running_broker(url, config=tenant(url, "acme")) as acme,
        running_broker(url, config=tenant(url, "Globex_2")) as globex,
    ):
        ours, theirs = await fill(acme), await fill(globex)
        assert not ours & theirs

        for broker, foreign in ((acme, theirs), (globex, ours)):
            for route in ROUTES:
                if route.allow is None or route.method != "GET" or "{id}" in route.path:
                    continue
                _, answer, _ = await broker.admin.call("GET", route.path)
                assert not any(identifier in str(answer) for identifier in foreign), route.path
            for identifier in foreign:
                for owner in ("agents", "stacks", "generators", "templates", "agent-events"):
                    status, _, _ = await broker.admin.call("GET", f"/{owner}/{identifier}")
                    assert status == 404, owner
        assert (await globex.client(acme.admin.pak).call("GET", "/stacks"))[0] == 401
        assert (await acme.client(globex.admin.pak).call("GET", "/stacks"))[0] == 401


async def test_commands_take_the_tenant(databases: Databases) -> None:
    url = databases.empty("tenant_commands")
    async with (
        running_broker(url, config=tenant(url, "acme")) as acme,
        running_broker(url, config=tenant(url, "globex")) as globex,
    ):
        for broker in (acme, globex):
            assert await broker.admin.ask("GET", "/stacks") == []

        out = await asyncio.to_thread(command, url, "--schema", "acme", "rotate", "admin")
        await asyncio.to_thread(
            command, url, "create", "generator", "--name", "ci", BROKKR__DATABASE__SCHEMA="acme"
        )

        async with asyncio.timeout(1):
            while (await acme.admin.call("GET", "/stacks"))[0] != 401:
                await asyncio.sleep(0.01)
        renewed = acme.client(out.removeprefix("New PAK: ").strip())
        assert [g["name"] for g in await renewed.ask("GET", "/generators")] == ["ci"]
        assert await globex.admin.ask("GET", "/generators") == []
        entries = (await renewed.ask("GET", "/admin/audit-logs"))["logs"]
        seen = [(e["action"], e["actor_type"], e["user_agent"]) for e in entries]
        assert ("pak.rotated", "admin", "brokkr-broker") in seen
        assert ("generator.created", "admin", "brokkr-broker") in seen


def test_a_tenant_has_its_tables_in_its_schema_and_nothing_elsewhere(databases: Databases) -> None:
    url = databases.empty("tenant_tables")
    command(url, "--schema", "acme", "migrate")
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT table_schema FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    assert rows == [("acme",)]
