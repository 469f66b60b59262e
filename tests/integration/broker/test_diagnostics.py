"""Diagnostics: asked by the admin, answered once by the agent, gone after a while."""

from typing import Any

import pytest

from brokkr_broker.tasks import diagnostics
from support.broker import Client, RunningBroker

RESULT = {
    "pod_statuses": '[{"name": "web-1", "phase": "Running"}]',
    "events": "[]",
    "log_tails": '{"web-1/web": "line 1"}',
    "collected_at": "2026-01-15T10:00:18Z",
}


async def ask(broker: RunningBroker, agent_id: str, **fields: Any) -> Any:
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    path = f"/deployment-objects/{pushed['id']}/diagnostics"
    return await broker.admin.ask("POST", path, {"agent_id": agent_id, **fields})


async def pending(agent: Client, agent_id: str) -> list[str]:
    return [d["id"] for d in await agent.ask("GET", f"/agents/{agent_id}/diagnostics/pending")]


async def test_asked_claimed_answered(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    made = await ask(broker, agent_id, requested_by="on call")
    assert (made["status"], made["requested_by"], made["agent_id"]) == (
        "pending", "on call", agent_id,
    )  # fmt: skip
    path = f"/diagnostics/{made['id']}"
    assert (await broker.admin.ask("GET", path))["result"] is None

    assert await pending(agent, agent_id) == [made["id"]]
    claimed = await agent.ask("POST", f"{path}/claim")
    assert (claimed["status"], await pending(agent, agent_id)) == ("claimed", [])
    status, problem, _ = await agent.call("POST", f"{path}/claim")
    assert (status, problem["code"]) == (409, "diagnostic_already_claimed")
    result = await agent.ask("POST", f"{path}/result", RESULT)

    found = await agent.ask("GET", path)
    assert found["request"]["status"] == "completed"
    assert found["result"] == result
    assert result["pod_statuses"] == RESULT["pod_statuses"]
    status, problem, _ = await agent.call("POST", f"{path}/result", RESULT)
    assert (status, problem["code"]) == (409, "diagnostic_not_claimed")


async def test_an_agent_that_cannot_collect_says_so(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    path = f"/diagnostics/{(await ask(broker, agent_id))['id']}"
    await agent.ask("POST", f"{path}/claim")
    body = {**RESULT, "pod_statuses": "[]", "events": '[{"error": "no"}]', "failed": True}
    await agent.ask("POST", f"{path}/result", body)
    assert (await broker.admin.ask("GET", path))["request"]["status"] == "failed"


async def test_what_nobody_answers_ends(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    waiting, taken = [(await ask(broker, agent_id))["id"] for _ in range(2)]
    await agent.ask("POST", f"/diagnostics/{taken}/claim")
    await broker.context.db.execute("UPDATE diagnostic_requests SET expires_at = now()")
    assert await pending(agent, agent_id) == []
    status, problem, _ = await agent.call("POST", f"/diagnostics/{waiting}/claim")
    assert (status, problem["code"]) == (409, "diagnostic_already_claimed")

    assert await diagnostics.sweep(broker.context) == 2

    for identifier, ended in ((waiting, "expired"), (taken, "failed")):
        found = await broker.admin.ask("GET", f"/diagnostics/{identifier}")
        assert found["request"]["status"] == ended
    status, problem, _ = await agent.call("POST", f"/diagnostics/{taken}/result", RESULT)
    assert (status, problem["code"]) == (409, "diagnostic_not_claimed")
    await broker.context.db.execute(
        "UPDATE diagnostic_requests SET created_at = now() - interval '2 hours'"
    )
    assert await diagnostics.sweep(broker.context) == 2
    assert (await broker.admin.call("GET", f"/diagnostics/{taken}"))[0] == 404


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"retention_minutes": 0}, 400, "invalid_diagnostic_request"),
        ({"retention_minutes": 1441}, 400, "invalid_diagnostic_request"),
        ({"agent_id": "00000000-0000-4000-8000-000000000000"}, 404, "agent_not_found"),
        ({"agent_id": "x"}, 422, "invalid_request_body"),
    ],
    ids=range(4),
)
async def test_what_cannot_be_asked(
    broker: RunningBroker, fields: dict[str, Any], status: int, code: str
) -> None:
    agent_id, _ = await broker.agent()
    pushed = await broker.push(await broker.stack())
    path = f"/deployment-objects/{pushed['id']}/diagnostics"
    found, problem, _ = await broker.admin.call("POST", path, {"agent_id": agent_id, **fields})
    assert (found, problem["code"]) == (status, code)


@pytest.mark.parametrize(
    "wrong", [{"pod_statuses": ""}, {"events": ""}, {"collected_at": "2026-01-15T10:00:18"}]
)
async def test_an_answer_without_content_is_refused(
    broker: RunningBroker, wrong: dict[str, str]
) -> None:
    agent_id, agent = await broker.agent()
    path = f"/diagnostics/{(await ask(broker, agent_id))['id']}"
    await agent.ask("POST", f"{path}/claim")
    assert (await agent.call("POST", f"{path}/result", {**RESULT, **wrong}))[0] == 400
    assert (await agent.call("POST", f"{path}/result", RESULT))[0] == 201
