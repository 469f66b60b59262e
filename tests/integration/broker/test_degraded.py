"""A database that is slow, gone, full or read-only: honest probes, 503 in time, back by itself."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from brokkr_broker.config import Api, Broker, BrokerConfig, Database
from brokkr_common.settings import Seconds
from support.broker import WEBHOOK_KEY, RunningBroker, running_broker
from support.relay import relayed

CONFIG = BrokerConfig(
    database=Database(command_timeout=Seconds(1), pool_size=5),
    api=Api(request_timeout=Seconds(2)),
    broker=Broker(webhook_encryption_key=WEBHOOK_KEY),
)


async def timed(call: Any) -> tuple[int, Any, Any, float]:
    started = time.monotonic()
    status, body, headers = await call
    return status, body, headers, time.monotonic() - started


async def until_well(broker: RunningBroker) -> None:
    async with asyncio.timeout(20):
        while True:
            ready, _, _ = await broker.root.call("GET", "/readyz")
            status, _, _ = await broker.admin.call("GET", "/stacks")
            if (ready, status) == (200, 200):
                return
            await asyncio.sleep(0.1)


async def test_frozen(database: str) -> None:
    async with relayed(database) as (relay, url), running_broker(url, config=CONFIG) as broker:
        agent_id, agent = await broker.agent()
        await agent.ask("POST", f"/agents/{agent_id}/heartbeat")
        relay.freeze()
        beating = [
            asyncio.create_task(timed(agent.call("POST", f"/agents/{agent_id}/heartbeat")))
            for _ in range(8)
        ]
        alive = [await timed(broker.root.call("GET", "/healthz")) for _ in range(20)]
        assert {status for status, *_ in alive} == {200}
        status, body, headers, seconds = await timed(broker.root.call("GET", "/readyz"))
        assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")
        assert seconds < 2.5
        for status, body, headers, seconds in await asyncio.gather(*beating):
            assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")
            assert seconds < 5
        relay.thaw()
        await until_well(broker)
        await agent.ask("POST", f"/agents/{agent_id}/heartbeat")


async def test_readiness_has_less_patience_than_the_driver(database: str) -> None:
    async with relayed(database) as (relay, url), running_broker(url) as broker:
        assert (await broker.root.call("GET", "/readyz"))[0] == 200
        relay.freeze()
        async with asyncio.timeout(5):  # NB: a statement may take ten seconds by default
            probes = [broker.root.call("GET", "/readyz") for _ in range(5)]
            answers = await asyncio.gather(*probes)
        assert {(status, body["code"]) for status, body, _ in answers} == {(503, "unavailable")}
        relay.thaw()
        await until_well(broker)


async def test_connections_that_break(database: str) -> None:
    async with relayed(database) as (relay, url), running_broker(url, config=CONFIG) as broker:
        for _ in range(5):
            await broker.admin.ask("GET", "/stacks")
            relay.drop()
            status, _, _ = await broker.admin.call("GET", "/stacks")
            assert status in (200, 503)
            await until_well(broker)


async def test_read_only_and_back(database: str, broker: RunningBroker) -> None:
    name = database.partition("/test_")[2].partition("?")[0]
    admin = await asyncpg.connect(database)
    switch = f"ALTER DATABASE test_{name} SET default_transaction_read_only = "
    await admin.execute(switch + "on")
    await broker.context.db.expire_connections()

    status, body, headers = await broker.admin.call("POST", "/stacks", {"name": "x"})
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await broker.admin.call("GET", "/stacks"))[0] == 200, "reading goes on"
    status, body, _ = await broker.root.call("GET", "/readyz")
    assert (status, body["error"]) == (503, "the database takes no writes")

    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute(switch + "off")
    await admin.close()
    await until_well(broker)
    await broker.admin.ask("POST", "/stacks", {"name": "x"})


@pytest.mark.parametrize("state", ["53100", "53200", "58030", "40P01"])
async def test_what_the_server_cannot_do_now(
    database: str, broker: RunningBroker, state: str
) -> None:
    """Disk full, out of memory, a failing disk, a deadlock: as the server says it."""
    admin = await asyncpg.connect(database)
    await admin.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$;"
        " CREATE TRIGGER fail BEFORE INSERT ON stacks EXECUTE FUNCTION fail()"
    )
    status, body, headers = await broker.admin.call("POST", "/stacks", {"name": "x"})
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    await admin.execute("DROP TRIGGER fail ON stacks")
    await admin.close()
    await broker.admin.ask("POST", "/stacks", {"name": "x"})


async def test_no_connection_to_be_had(database: str, broker: RunningBroker) -> None:
    """The role may have two: the broker works on with what it gets."""
    admin = await asyncpg.connect(database)
    await admin.execute(
        "DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN CONNECTION LIMIT 2;"
        " GRANT ALL ON ALL TABLES IN SCHEMA public TO limited;"
        " GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO limited"
    )
    url = database.replace("brokkr@", "limited@")
    async with running_broker(url, config=CONFIG) as second:
        client = second.client(broker.admin.pak)
        answers = await asyncio.gather(*(client.call("GET", "/agents") for _ in range(40)))
        assert {status for status, _, _ in answers} <= {200, 503}
        assert (await client.call("GET", "/agents"))[0] == 200
    await admin.execute("DROP OWNED BY limited; DROP ROLE limited")
    await admin.close()
