"""Killed at random under load: each order ends once, each event is stored once, nothing is lost."""

import asyncio
import os
import random
import shutil
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from support.soak import Agent, Caller, History, System, listening, order_work, push

SECONDS = float(os.environ.get("BROKKR_SOAK_SECONDS", "60"))
ORDERS, EVENTS, AGENTS = int(SECONDS * 3.4), int(SECONDS * 8.4), 20


@pytest.mark.timeout(SECONDS + 240)
async def test_whatever_is_killed() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    folder = Path(f"/tmp/brokkr-soak-{uuid4().hex[:6]}")
    system = await asyncio.to_thread(System, folder, 3, random.Random(seed))
    history = History()
    try:
        async with aiohttp.ClientSession() as http, listening(history) as receiver:
            await run(system, http, receiver, history, random.Random(seed + 1))
        print(f"kills {dict(history.kills)}, answers {dict(history.answers)}")
        await check(system.database, history)
    finally:
        await asyncio.to_thread(system.stop)
        for broker in system.brokers:
            print(broker.log.read_text()[-20_000:])
        shutil.rmtree(folder, ignore_errors=True)


async def run(
    system: System,
    http: aiohttp.ClientSession,
    receiver: str,
    history: History,
    chance: random.Random,
) -> None:
    urls = [broker.url for broker in system.brokers]
    pak = (system.brokers[0].folder / "data" / "admin-pak").read_text().strip()
    admin = Caller(http, urls, pak, history)
    hook = {"name": "h", "url": receiver, "max_retries": 10, "timeout_seconds": 5}
    made = await admin.ask("POST", "/webhooks", {**hook, "event_types": ["workorder.completed"]})
    deliveries = f"/webhooks/{made['id']}/deliveries"
    agents, ids = [], []
    for number in range(AGENTS):
        made = await admin.ask("POST", "/agents", {"name": f"a{number}", "cluster_name": "c"})
        ids.append(made["agent"]["id"])
        caller = Caller(http, urls, made["initial_pak"], history)
        agents.append(Agent(caller, ids[-1], random.Random(chance.random())))
    stacks = [(await admin.ask("POST", "/stacks", {"name": f"s{n}"}))["id"] for n in range(4)]
    for stack in stacks:
        await push(admin, stack, 1, history)
    objects = [pushed[0][0] for pushed in history.pushes.values()]

    working = [asyncio.create_task(agent.work(history)) for agent in agents]
    chaos = asyncio.create_task(system.chaos(history))
    load = [
        order_work(admin, ids, ORDERS, SECONDS, history),
        *(agent.report(objects, EVENTS // AGENTS, history) for agent in agents),
        *(push(Caller(http, urls, pak, history), s, int(SECONDS * 2), history) for s in stacks),
        asyncio.sleep(SECONDS),
    ]
    try:
        await asyncio.gather(*load)
        chaos.cancel()
        await asyncio.gather(chaos, return_exceptions=True)
        await asyncio.to_thread(system.heal)
        await settle(admin, deliveries, history)
    finally:
        for task in (chaos, *working):
            task.cancel()
        ends = await asyncio.gather(chaos, *working, return_exceptions=True)
    failed = [e for e in ends if isinstance(e, Exception)]
    assert not failed, failed


async def settle(admin: Caller, deliveries: str, history: History) -> None:
    """Until nothing is left to do. A delivery that a killed broker had is sent again by another."""

    async def is_settled() -> bool:
        page = await admin.ask("GET", f"{deliveries}?limit=10000")
        return all(one["status"] in ("success", "dead") for one in page)

    async with asyncio.timeout(150):
        while await admin.ask("GET", "/work-orders?limit=1"):
            await asyncio.sleep(0.5)
        while {one for _, one in history.told} != history.orders:
            await asyncio.sleep(0.5)
        while not await is_settled():
            await asyncio.sleep(0.5)


async def check(database: str, history: History) -> None:
    connection = await asyncpg.connect(database)
    try:
        log = await connection.fetch(
            "SELECT id::text, claimed_by::text AS agent, attempt, success FROM work_order_log"
        )
        stored = await connection.fetch("SELECT id::text FROM agent_events")
        objects = await connection.fetch(
            "SELECT id::text, stack_id::text, sequence_id FROM deployment_objects"
        )
        dead = await connection.fetchval(
            "SELECT count(*) FROM webhook_deliveries WHERE status <> 'success'"
        )
    finally:
        await connection.close()
    # Each accepted order ended once, well, by an attempt that was carried out and told so.
    assert len(log) == len(history.orders)
    assert {row["id"] for row in log} == history.orders
    assert all(row["success"] for row in log)
    for row in log:
        ending = (row["agent"], row["attempt"])
        assert (row["id"], *ending) in history.executed
        assert {e[:2] for e in history.endings[row["id"]] if e[2] == 200} == {ending}
    # Each accepted event is stored once, and nothing else.
    assert len(stored) == len(history.events)
    assert {row["id"] for row in stored} == history.events
    # Versions are those that were accepted, in the order in which they were.
    accepted = {pair for pushed in history.pushes.values() for pair in pushed}
    assert {(row["id"], row["sequence_id"]) for row in objects} == accepted
    assert len(objects) == len(accepted)
    for pushed in history.pushes.values():
        numbers = [number for _, number in pushed]
        assert numbers == sorted(numbers)
    # Each ending was told at least once, and no other.
    assert {one for _, one in history.told} == history.orders
    assert dead == 0
    assert history.answers[500] == 0
    assert sum(history.kills.values()) > SECONDS / 10
