"""The audit trail: every action, its true actor, and nothing lost or changed."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from brokkr_broker.api import ROUTES
from brokkr_broker.config import Api, BrokerConfig
from brokkr_broker.security.identity import Identity, Role
from brokkr_broker.services import audit
from brokkr_broker.services.audit import Entry, Origin, Trail
from support.broker import RunningBroker, running_broker

UNWRITTEN = {
    "/agents/{id}/heartbeat": "every few seconds, from every agent",
    "/agents/{id}/events": "an event is a record itself",
    "/agents/{id}/health-status": "so is a report",
    "/deployment-objects/{id}/diagnostics": "the request is the record",
    "/diagnostics/{id}/claim": "so it is here",
    "/diagnostics/{id}/result": "and here",
    "/webhooks/{id}/test": "changes nothing",
    "/webhook-deliveries/{id}/redeliver": "the delivery itself is the record",
    "/webhook-deliveries/{id}/result": "so it is here",
    "/work-orders/{id}/renew": "a sign of life, like a heartbeat",
}


async def logs(broker: RunningBroker, query: str = "", *, least: int = 1) -> list[Any]:
    """Entries are written within a second."""
    async with asyncio.timeout(10):
        while True:
            found = await broker.admin.ask("GET", f"/admin/audit-logs?{query}")
            # NB: the total is counted after the page is read, and may be ahead of it.
            if len(found["logs"]) >= min(least, found["limit"]):
                return found["logs"]
            await asyncio.sleep(0.05)


def test_every_change_is_written_down_or_has_a_reason() -> None:
    changing = [r for r in ROUTES if r.allow and r.method != "GET"]
    assert {r.path for r in changing if not r.audit} == set(UNWRITTEN)
    assert not any(r.audit for r in ROUTES if r.method == "GET")


async def test_who_did_what_to_what(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent("west")
    generator_id, generator = await broker.generator()
    stack = await broker.stack(by=generator)
    await generator.ask("PUT", f"/stacks/{stack}", {"description": "d"})
    await generator.ask("POST", f"/stacks/{stack}/labels", "prod")
    pushed = await generator.ask(
        "POST", f"/stacks/{stack}/deployment-objects", {"is_deletion_marker": True}
    )
    await agent.ask("POST", "/auth/pak", headers={"User-Agent": "brokkr-agent/1"})
    await generator.ask("DELETE", f"/stacks/{stack}")
    await broker.admin.ask("DELETE", f"/agents/{agent_id}")

    found = await logs(broker, least=12)

    seen = [
        (e["action"], e["actor_type"], e["actor_id"], e["resource_type"], e["resource_id"])
        for e in reversed(found)
    ]
    ours, admin = ("generator", generator_id), ("admin", None)
    assert seen == [
        ("agent.created", *admin, "agent", agent_id),
        ("pak.created", *admin, "pak", agent_id),
        ("generator.created", *admin, "generator", generator_id),
        ("pak.created", *admin, "pak", generator_id),
        ("stack.created", *ours, "stack", stack),
        ("stack.updated", *ours, "stack", stack),
        ("stack.updated", *ours, "stack", stack),
        ("deployment.created", *ours, "deployment_object", pushed["id"]),
        ("auth.success", "agent", agent_id, "pak", None),
        ("stack.deleted", *ours, "stack", stack),
        ("agent.deleted", *admin, "agent", agent_id),
        ("pak.deleted", *admin, "pak", agent_id),
    ]
    by_action = {e["action"]: e for e in found}
    assert by_action["agent.created"]["details"] == {
        "name": "west", "cluster_name": "c", "status": "INACTIVE",
    }  # fmt: skip
    assert by_action["auth.success"]["user_agent"] == "brokkr-agent/1"
    assert all(e["ip_address"] == "127.0.0.1" for e in found)
    text = str(found)
    for client in (broker.admin, agent, generator):
        assert client.pak
        assert client.pak.rpartition("_")[2] not in text


async def test_entries_keep_the_order_and_the_moment_of_their_actions(
    broker: RunningBroker,
) -> None:
    for number in range(30):
        await broker.admin.ask("POST", "/stacks", {"name": f"s{number}"})
    found = await logs(broker, "action=stack.created", least=30)
    names = [e["details"]["name"] for e in reversed(found)]
    assert names == [f"s{number}" for number in range(30)]
    moments = [e["timestamp"] for e in found]
    assert len(set(moments)) == 30
    assert all(e["timestamp"] <= e["created_at"] for e in found)


async def test_a_refused_change_is_not_written_down(broker: RunningBroker) -> None:
    await broker.admin.ask("POST", "/stacks", {"name": "one"})
    assert (await broker.admin.call("POST", "/stacks", {"name": "one"}))[0] == 409
    await broker.admin.ask("POST", "/stacks", {"name": "two"})
    found = await logs(broker, "resource_type=stack", least=2)
    assert [e["details"]["name"] for e in found] == ["two", "one"]


async def test_searching(broker: RunningBroker) -> None:
    generator_id, generator = await broker.generator()
    stacks = [await broker.stack(by=generator) for _ in range(3)]
    await logs(broker, "action=stack.*", least=3)

    async def total(query: str) -> int:
        found: int = (await broker.admin.ask("GET", f"/admin/audit-logs?{query}"))["total"]
        return found

    assert await total(f"actor_type=generator&actor_id={generator_id}") == 3
    assert await total(f"resource_type=stack&resource_id={stacks[0]}") == 1
    assert await total("action=stack.c") == 0
    assert await total("action=stack.c*") == 3
    assert await total("from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z") == 0
    moment = (await logs(broker, "action=stack.*"))[1]["timestamp"]
    assert await total(f"action=stack.*&from={moment}") == 2, "from is inclusive"
    assert await total(f"action=stack.*&to={moment}") == 1, "to is exclusive"

    page = await broker.admin.ask("GET", "/admin/audit-logs?action=stack.*&limit=2&offset=1")
    assert (page["total"], page["count"], page["limit"], page["offset"]) == (3, 2, 2, 1)
    assert [e["resource_id"] for e in page["logs"]] == stacks[1::-1]
    _, first, headers = await broker.admin.call("GET", "/admin/audit-logs?action=stack.*&limit=2")
    following = headers["Link"].partition("<")[2].partition(">")[0].removeprefix("/api/v1")
    rest = await broker.admin.ask("GET", following)
    assert [e["resource_id"] for e in [*first["logs"], *rest["logs"]]] == stacks[::-1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=yesterday", "invalid_time"),
        ("to=2026-01-01T00:00:00", "invalid_time"),
        ("actor_id=x", "invalid_id"),
        ("limit=0", "invalid_limit"),
        ("offset=-1", "invalid_offset"),
        ("cursor=x", "invalid_cursor"),
    ],
)
async def test_a_wrong_question_is_named(broker: RunningBroker, query: str, code: str) -> None:
    status, problem, _ = await broker.admin.call("GET", f"/admin/audit-logs?{query}")
    assert (status, problem["code"]) == (400, code)


async def test_the_database_keeps_entries_as_they_are(broker: RunningBroker, database: str) -> None:
    await broker.stack()
    await logs(broker)
    connection = await asyncpg.connect(database)
    for statement in (
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
    ):
        with pytest.raises(asyncpg.RaiseError, match="immutable"):
            await connection.execute(statement)
    await connection.close()


async def test_many_wrong_keys_leave_few_entries_and_disturb_nobody(broker: RunningBroker) -> None:
    wrong = [broker.client(f"brokkr_BRaaaaaaaa_{n:032d}".replace("0", "b")) for n in range(10_000)]
    served = 0

    async def flood(clients: list[Any]) -> None:
        for client in clients:
            assert (await client.call("GET", "/stacks"))[0] == 401

    async def others(until: asyncio.Event) -> None:
        nonlocal served
        while not until.is_set():
            assert (await broker.admin.call("GET", "/stacks"))[0] == 200
            served += 1

    done = asyncio.Event()
    other = asyncio.create_task(others(done))
    await asyncio.gather(*(flood(wrong[start::20]) for start in range(20)))
    done.set()
    await other

    await broker.context.failures.sweep()
    found = await logs(broker, "action=auth.failed", least=2)
    assert len(found) == 2, "the first, and how often it was repeated"
    assert found[0]["details"] == {"reason": "invalid_pak", "repeated": 9_999}
    first = found[1]
    assert first["actor_type"] == "system"
    assert first["details"]["path"] == "/api/v1/stacks"
    assert first["details"]["pak_prefix"] == "brokkr_BRaaaaaaaa"
    assert served > 100


async def test_the_address_behind_a_trusted_proxy(database: str) -> None:
    config = BrokerConfig(api=Api(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")))  # type: ignore[arg-type]
    async with running_broker(database, config=config) as broker:
        headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3"}
        await broker.admin.ask("POST", "/stacks", {"name": "one"}, headers=headers)
        [entry] = await logs(broker)
        assert entry["ip_address"] == "203.0.113.9"


def entry(number: int) -> Entry:
    return audit.entry(
        f"stack.created{number}", actor=Identity(Role.ADMIN, UUID(int=1)), origin=Origin()
    )


async def test_a_database_that_fails_for_a_while_loses_no_entry() -> None:
    stored: list[str] = []
    failures = 3

    async def write(entries: Any) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionError
        stored.extend(e.action for e in entries)

    trail = Trail(write, interval=0.01)
    await trail.record(*(entry(n) for n in range(250)))
    await trail.close()
    assert stored == [f"stack.created{n}" for n in range(250)]


async def test_a_full_queue_makes_the_caller_wait() -> None:
    gate = asyncio.Event()
    stored = 0

    async def write(entries: Any) -> None:
        nonlocal stored
        await gate.wait()
        stored += len(entries)

    trail = Trail(write, capacity=10, batch=5, interval=0.01)
    recording = asyncio.create_task(trail.record(*(entry(n) for n in range(40))))
    await asyncio.sleep(0.1)
    assert not recording.done()
    gate.set()
    await recording
    await trail.close()
    assert stored == 40


async def test_an_entry_that_the_database_never_takes_does_not_stop_the_others() -> None:
    stored: list[str] = []

    async def write(entries: Any) -> None:
        if any(e.action == "stack.created3" for e in entries):
            raise ValueError("poison")
        stored.extend(e.action for e in entries)

    trail = Trail(write, interval=0.01)
    await trail.record(*(entry(n) for n in range(6)))
    await trail.close()
    assert stored == [f"stack.created{n}" for n in (0, 1, 2, 4, 5)]
