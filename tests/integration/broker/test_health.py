"""Health: reports of agents, and the sum of them."""

from typing import Any

import pytest

from support.broker import Client, RunningBroker

NOW = "2026-01-02T10:00:00Z"


def record(object_id: str, status: str, at: str = NOW, **fields: Any) -> dict[str, Any]:
    return {"id": object_id, "status": status, "checked_at": at, **fields}


async def report(client: Client, agent_id: str, *records: Any) -> tuple[int, Any]:
    status, body, _ = await client.call(
        "PATCH", f"/agents/{agent_id}/health-status", {"deployment_objects": list(records)}
    )
    return status, body


async def test_the_worst_word_of_all_agents_wins(broker: RunningBroker) -> None:
    stack = await broker.stack()
    pushed = (await broker.push(stack))["id"]
    summary = {"pods_ready": 1, "pods_total": 2, "conditions": ["ImagePullBackOff"]}
    for word in ("healthy", "degraded", "unknown"):
        agent_id, agent = await broker.agent()
        assert await report(agent, agent_id, record(pushed, word, summary=summary)) == (200, b"")

    found = await broker.admin.ask("GET", f"/deployment-objects/{pushed}/health")
    whole = await broker.admin.ask("GET", f"/stacks/{stack}/health")

    assert found["overall_status"] == "degraded"
    assert [r["status"] for r in found["health_records"]] == ["healthy", "degraded", "unknown"]
    assert found["health_records"][0]["summary"] == {**summary, "resources": None}
    counts = {"healthy_agents": 1, "degraded_agents": 1, "failing_agents": 0}
    assert whole == {
        "stack_id": stack,
        "overall_status": "degraded",
        "deployment_objects": [{"id": pushed, "status": "degraded", **counts}],
    }


async def test_nothing_reported_is_unknown(broker: RunningBroker) -> None:
    stack = await broker.stack()
    pushed = (await broker.push(stack))["id"]
    found = await broker.admin.ask("GET", f"/deployment-objects/{pushed}/health")
    assert (found["overall_status"], found["health_records"]) == ("unknown", [])
    nobody = "00000000-0000-4000-8000-000000000000"
    whole = await broker.admin.ask("GET", f"/stacks/{nobody}/health")
    assert (whole["overall_status"], whole["deployment_objects"]) == ("unknown", [])


async def test_the_later_check_counts_and_a_newer_version_replaces_the_older(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    stack = await broker.stack()
    old, new = [(await broker.push(stack))["id"] for _ in range(2)]
    early, late = "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"
    await report(agent, agent_id, record(old, "failing", late), record(old, "healthy", early))
    await report(agent, agent_id, record(old, "healthy", NOW))
    whole = await broker.admin.ask("GET", f"/stacks/{stack}/health")
    assert whole["overall_status"] == "failing"

    await report(agent, agent_id, record(new, "healthy", late))

    whole = await broker.admin.ask("GET", f"/stacks/{stack}/health")
    assert [o["id"] for o in whole["deployment_objects"]] == [new]
    assert whole["overall_status"] == "healthy"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"status": "sick"}, "/deployment_objects/1/status"),
        ({"checked_at": "yesterday"}, "/deployment_objects/1/checked_at"),
        ({"checked_at": "2026-01-02T10:00:00"}, "/deployment_objects/1/checked_at"),
        ({"summary": "{not json"}, "/deployment_objects/1/summary"),
        ({"id": "00000000-0000-4000-8000-000000000000"}, "/deployment_objects/1/id"),
    ],
)
async def test_one_wrong_record_is_named_and_nothing_is_stored(
    broker: RunningBroker, wrong: dict[str, str], path: str
) -> None:
    agent_id, agent = await broker.agent()
    pushed = (await broker.push(await broker.stack()))["id"]
    good = record(pushed, "healthy")

    status, problem = await report(agent, agent_id, good, {**good, **wrong})

    assert status == 422
    assert problem["details"]["errors"][0]["path"] == path
    found = await broker.admin.ask("GET", f"/deployment-objects/{pushed}/health")
    assert found["health_records"] == []


async def test_a_summary_may_be_a_string_of_json(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = (await broker.push(await broker.stack()))["id"]
    await report(agent, agent_id, record(pushed, "healthy", summary='{"pods_ready": 3}'))
    found = await broker.admin.ask("GET", f"/deployment-objects/{pushed}/health")
    assert found["health_records"][0]["summary"]["pods_ready"] == 3
