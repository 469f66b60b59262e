"""One error shape, for everything that can be wrong with a request."""

import asyncio

import asyncpg
import pytest

from brokkr_common.settings import Seconds
from support.broker import RunningBroker, running_broker

_SOME_ID = "00000000-0000-4000-8000-000000000000"

CASES = [
    ("GET", "/nothing", None, {}, 404, "not_found"),
    ("PATCH", "/stacks", None, {}, 405, "method_not_allowed"),
    ("GET", "/stacks/not-an-id", None, {}, 400, "invalid_id"),
    ("GET", f"/stacks/{_SOME_ID}", None, {}, 404, "stack_not_found"),
    ("GET", f"/agents/{_SOME_ID}", None, {}, 404, "agent_not_found"),
    ("GET", f"/generators/{_SOME_ID}", None, {}, 404, "generator_not_found"),
    ("GET", f"/deployment-objects/{_SOME_ID}", None, {}, 404, "deployment_object_not_found"),
    ("GET", "/agents/", None, {}, 400, "name_and_cluster_required"),
    ("POST", "/stacks", b"{", {}, 400, "invalid_json"),
    ("POST", "/stacks", b"\xff", {}, 400, "invalid_json"),
    ("POST", "/stacks", b"[" * 100_000, {}, 422, "invalid_request_body"),
    ("POST", "/stacks", b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", "/stacks", b"{}", {}, 422, "invalid_request_body"),
    ("POST", "/stacks", b'{"name": 1}', {}, 422, "invalid_request_body"),
    ("POST", "/stacks", b'{"name": ""}', {}, 400, "invalid_request_body"),
    ("POST", "/stacks", b'{"name": "a", "colour": 1}', {}, 422, "invalid_request_body"),
    ("POST", "/stacks", b'{"name": "a\\u0000"}', {}, 400, "invalid_request"),
    (
        "POST",
        "/stacks",
        f'{{"name": "a", "generator_id": "{_SOME_ID}"}}'.encode(),
        {},
        422,
        "foreign_key_violation",
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    CASES,
    ids=[f"{c[0]} {c[1]} {str(c[2])[:20]} {c[5]}" for c in CASES],
)
async def test_the_shape(
    broker: RunningBroker,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    sent = {"Content-Type": "application/json", "X-Request-Id": "abc-1", **headers}
    found, problem, answer = await broker.admin.call(method, path, headers=sent, data=body)

    assert (found, problem["code"]) == (status, code)
    assert problem["error"] == problem["message"] != ""
    assert problem["request_id"] == answer["X-Request-Id"] == "abc-1"
    assert isinstance(problem["details"], dict)


async def test_wrong_input_names_the_field(broker: RunningBroker) -> None:
    _, problem, _ = await broker.admin.call("POST", "/agents", {"name": "a"})
    assert problem["details"]["errors"][0]["path"] == "/cluster_name"


async def test_a_taken_name_names_constraint_and_field(broker: RunningBroker) -> None:
    await broker.admin.ask("POST", "/stacks", {"name": "one"})
    status, problem, _ = await broker.admin.call("POST", "/stacks", {"name": "one"})
    assert (status, problem["code"]) == (409, "unique_violation")
    assert problem["details"] == {"constraint": "stacks_name", "fields": ["name"]}


async def test_a_deleted_name_is_free_again(broker: RunningBroker) -> None:
    made = await broker.admin.ask("POST", "/stacks", {"name": "one"})
    await broker.admin.ask("DELETE", f"/stacks/{made['id']}")
    again = await broker.admin.ask("POST", "/stacks", {"name": "one"})
    assert again["id"] != made["id"]


@pytest.mark.parametrize(
    ("yaml", "reason", "where"),
    [
        ("a: [", "not valid YAML", (1, 2)),
        ("---\nkind: X\n", "apiVersion is missing", (1, 2)),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a}\nmetadata: {}\n", "duplicate key", (1, 4)),
        ("# nothing\n", "contains no document", None),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 5}\n", "metadata.name must be text", (1, 3)),
    ],
)
async def test_unusable_yaml_is_refused_with_document_and_line(
    broker: RunningBroker, yaml: str, reason: str, where: tuple[int, int] | None
) -> None:
    stack = await broker.stack()
    path = f"/stacks/{stack}/deployment-objects"
    status, problem, _ = await broker.admin.call("POST", path, {"yaml_content": yaml})
    assert (status, problem["code"]) == (400, "invalid_deployment_object")
    assert reason in problem["error"]
    if where:
        error = problem["details"]["errors"][0]
        assert (error["document"], error["line"]) == where
    assert await broker.admin.ask("GET", path) == []


async def test_a_body_over_the_limit(database: str) -> None:
    async with running_broker(database, max_body_size=1000) as broker:
        body = {"name": "a", "description": "x" * 2000}
        status, problem, _ = await broker.admin.call("POST", "/stacks", body)
        assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_database_that_is_away(broker: RunningBroker) -> None:
    await broker.admin.ask("GET", "/stacks")
    await broker.context.db.close()
    status, problem, headers = await broker.admin.call("GET", "/stacks")
    assert (status, problem["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await broker.root.call("GET", "/healthz"))[0] == 200
    assert (await broker.root.call("GET", "/readyz"))[0] == 503


async def test_a_database_that_hangs(database: str) -> None:
    """Requests end by their deadline, and the process stays alive for its probes."""
    async with running_broker(database, request_timeout=Seconds(0.5)) as broker:
        agent_id, agent = await broker.agent()
        blocker = await asyncpg.connect(database)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE agents IN ACCESS EXCLUSIVE MODE")
            path = f"/agents/{agent_id}"
            calls = [agent.call("POST", f"{path}/heartbeat"), agent.call("GET", path)]
            for status, problem, _ in await asyncio.gather(*calls):
                assert (status, problem["code"]) == (503, "unavailable")
            assert (await broker.root.call("GET", "/healthz"))[0] == 200
        await blocker.close()
        await agent.ask("POST", f"{path}/heartbeat")
