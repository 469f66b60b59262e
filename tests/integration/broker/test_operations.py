"""Probes, metrics, the API document, and rules that the database itself enforces."""

import asyncpg
import openapi_spec_validator
import pytest

from brokkr_broker.api import ROUTES
from support.broker import RunningBroker


async def test_probes_need_no_key(broker: RunningBroker) -> None:
    for path, body in (("/healthz", b"OK"), ("/readyz", b"Ready")):
        status, found, _ = await broker.root.call("GET", path)
        assert (status, found) == (200, body)


async def test_metrics(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent("west")
    await broker.admin.ask("PUT", f"/agents/{agent_id}", {"status": "ACTIVE"})
    await agent.ask("POST", f"/agents/{agent_id}/heartbeat")
    await broker.push(await broker.stack())

    _, raw, _ = await broker.root.call("GET", "/metrics")

    text = raw.decode()
    assert "brokkr_active_agents 1.0" in text
    assert "brokkr_stacks_total 1.0" in text
    assert "brokkr_deployment_objects_total 1.0" in text
    assert f'brokkr_agent_heartbeat_age_seconds{{agent_id="{agent_id}",agent_name="west"}}' in text
    endpoint = 'endpoint="/api/v1/agents/:id/heartbeat",method="POST",status="204"'
    assert f"brokkr_http_requests_total{{{endpoint}}} 1.0" in text


async def test_the_document_describes_every_route(broker: RunningBroker) -> None:
    document = await broker.root.ask("GET", "/docs/openapi.json")
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1")
    for route in ROUTES:
        operation = document["paths"][route.url][route.method.lower()]
        assert str(route.status) in operation["responses"]
        assert ("requestBody" in operation) == (route.takes is not None)
        assert operation["security"] == ([{"pak": []}] if route.allow else [])


async def test_the_page_and_its_files(broker: RunningBroker) -> None:
    status, body, _ = await broker.root.call("GET", "/swagger-ui")
    assert (status, b"swagger-ui-bundle.js" in body) == (200, True)
    for file in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert (await broker.root.call("GET", f"/swagger-ui/{file}"))[0] == 200
    assert (await broker.root.call("GET", "/swagger-ui/other"))[0] == 404


async def test_a_heartbeat_leaves_the_status_alone(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    before = await agent.ask("GET", f"/agents/{agent_id}")
    await agent.ask("POST", f"/agents/{agent_id}/heartbeat")
    after = await agent.ask("GET", f"/agents/{agent_id}")
    assert before["status"] == after["status"] == "INACTIVE"
    assert before["last_heartbeat"] is None
    assert after["last_heartbeat"]
    assert before["updated_at"] == after["updated_at"]
    status, body, _ = await broker.admin.call("POST", f"/agents/{agent_id}/heartbeat")
    assert (status, body["code"]) == (403, "agent_pak_required")


async def test_the_database_keeps_deployment_objects_as_they_are(
    broker: RunningBroker, database: str
) -> None:
    pushed = await broker.push(await broker.stack())
    connection = await asyncpg.connect(database)
    for change in ("yaml_content = ''", "sequence_id = 99", "is_deletion_marker = true"):
        with pytest.raises(asyncpg.RaiseError, match="immutable"):
            await connection.execute(
                f"UPDATE deployment_objects SET {change} WHERE id = $1", pushed["id"]
            )
    with pytest.raises(asyncpg.RaiseError, match="refused"):
        await connection.execute("DELETE FROM admin_role")
    await connection.close()


async def test_updates_take_any_subset_and_ignore_read_only_fields(broker: RunningBroker) -> None:
    stack = await broker.admin.ask("POST", "/stacks", {"name": "one", "description": "d"})
    path = f"/stacks/{stack['id']}"
    renamed = await broker.admin.ask("PUT", path, {"name": "two"})
    assert (renamed["name"], renamed["description"]) == ("two", "d")
    whole = await broker.admin.ask("PUT", path, {**renamed, "description": None})
    assert (whole["name"], whole["description"]) == ("two", None)
    other = "00000000-0000-4000-8000-000000000000"
    status, body, _ = await broker.admin.call("PUT", path, {"id": other})
    assert (status, body["code"]) == (400, "stack_id_mismatch")


async def test_labels_and_annotations(broker: RunningBroker) -> None:
    stack = await broker.stack()
    path = f"/stacks/{stack}/labels"
    made = await broker.admin.ask("POST", path, "prod")
    assert (made["stack_id"], made["label"]) == (stack, "prod")
    assert (await broker.admin.call("POST", path, "prod"))[0] == 409
    assert (await broker.admin.call("POST", path, "two words"))[0] == 400
    await broker.admin.ask("DELETE", f"{path}/prod")
    status, body, _ = await broker.admin.call("DELETE", f"{path}/prod")
    assert (status, body["code"]) == (404, "stack_label_not_found")
    await broker.admin.ask("POST", f"/stacks/{stack}/annotations", {"key": "a/b", "value": "v"})
    await broker.admin.ask("DELETE", f"/stacks/{stack}/annotations/a%2Fb")
    pair = {"key": "team", "value": "core"}
    await broker.admin.ask("POST", f"/stacks/{stack}/annotations", pair)
    assert (await broker.admin.call("POST", f"/stacks/{stack}/annotations", pair))[0] == 409
