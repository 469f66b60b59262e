"""Idempotency-Key: a repeated POST makes no second row and gets the first answer."""

import asyncio
from typing import Any

from brokkr_broker.api import ROUTES
from support.broker import YAML, RunningBroker, running_broker


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def test_a_repeated_push_is_one_version(broker: RunningBroker) -> None:
    stack = await broker.stack()
    path, body = f"/stacks/{stack}/deployment-objects", {"yaml_content": YAML}

    first, again = [
        await broker.admin.call("POST", path, body, headers=key("one")) for _ in range(2)
    ]

    assert again[:2] == first[:2]
    assert first[0] == 201
    assert "Idempotency-Replayed" not in first[2]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert len(await broker.admin.ask("GET", path)) == 1


async def test_repetitions_at_the_same_time_wait_for_the_first(broker: RunningBroker) -> None:
    body = {"name": "same"}
    answers = await asyncio.gather(
        *(broker.admin.call("POST", "/stacks", body, headers=key("k")) for _ in range(8))
    )
    assert {status for status, _, _ in answers} == {201}
    assert len({answer["id"] for _, answer, _ in answers}) == 1
    assert sum("Idempotency-Replayed" in headers for _, _, headers in answers) == 7


async def test_a_key_that_is_shown_once_is_shown_again_to_the_same_caller_only(
    broker: RunningBroker, database: str
) -> None:
    body = {"name": "west", "cluster_name": "c"}
    made = await broker.admin.ask("POST", "/agents", body, headers=key("new agent"))

    async with running_broker(database) as second:
        same = second.client(broker.admin.pak)
        assert await same.ask("POST", "/agents", body, headers=key("new agent")) == made
    # It does not lie in the database, and another caller's key is another key
    rows = await broker.context.db.fetch("SELECT body FROM idempotency_keys")
    assert made["initial_pak"].encode() not in b"".join(row["body"] for row in rows)
    _, generator = await broker.generator()
    stack = await generator.ask("POST", "/stacks", {"name": "s"}, headers=key("new agent"))
    assert stack["name"] == "s"


async def test_a_failure_leaves_nothing_behind(broker: RunningBroker) -> None:
    headers = key("retry")
    await broker.admin.ask("POST", "/stacks", {"name": "taken"})
    status, _, _ = await broker.admin.call("POST", "/stacks", {"name": "taken"}, headers=headers)
    assert status == 409
    made = await broker.admin.ask("POST", "/stacks", {"name": "free"}, headers=headers)
    assert made["name"] == "free"


async def test_one_key_stands_for_one_request(broker: RunningBroker) -> None:
    await broker.admin.ask("POST", "/stacks", {"name": "one"}, headers=key("k"))
    status, problem, _ = await broker.admin.call(
        "POST", "/stacks", {"name": "two"}, headers=key("k")
    )
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    for wrong in ("", "x" * 256):
        status, problem, _ = await broker.admin.call(
            "POST", "/stacks", {"name": "three"}, headers=key(wrong)
        )
        assert (status, problem["code"]) == (400, "invalid_idempotency_key")


async def test_an_event_is_known_by_its_key_where_it_has_no_id(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack())
    body = {"deployment_object_id": pushed["id"], "event_type": "DEPLOY", "status": "SUCCESS"}
    path = f"/agents/{agent_id}/events"
    ids = {(await agent.ask("POST", path, body, headers=key("e")))["id"] for _ in range(3)}
    assert len(ids) == 1
    assert len(await agent.ask("GET", path)) == 1


async def test_instantiating_twice_makes_one_version(broker: RunningBroker) -> None:
    template = {"name": "t", "template_content": YAML, "parameters_schema": "{}"}
    made = await broker.admin.ask("POST", "/templates", template)
    stack = await broker.stack()
    path = f"/stacks/{stack}/deployment-objects/from-template"
    body: dict[str, Any] = {"template_id": made["id"], "parameters": {}}
    first = await broker.admin.ask("POST", path, body, headers=key("k"))
    assert await broker.admin.ask("POST", path, body, headers=key("k")) == first
    count = await broker.context.db.fetchval("SELECT count(*) FROM rendered_deployment_objects")
    assert count == 1


def test_every_post_takes_a_key_or_needs_none() -> None:
    posts = [r for r in ROUTES if r.allow and r.method == "POST"]
    assert {r.path for r in posts if r.repeatable} == {
        "/auth/pak", "/agents/{id}/heartbeat", "/agents/{id}/events",
        "/webhooks/{id}/test", "/webhook-deliveries/{id}/redeliver",
        "/webhook-deliveries/{id}/result", "/work-orders/{id}/renew", "/work-orders/{id}/complete",
    }  # fmt: skip
