"""Any input at any endpoint: never a 500, never an answer that the document does not describe."""

import asyncio
import json
import os
import random
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from support.broker import YAML, Client, RunningBroker

EXAMPLES = int(os.environ.get("BROKKR_FUZZ_EXAMPLES", "5"))
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
settings = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _operations(url: str) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{url}/docs/openapi.json")
    found = [operation.ok() for operation in schema.get_all_operations()]
    return [o for o in found if not o.path.endswith("/events/stream")]  # NB: that never ends


def _fuzz(url: str, key: str | None, ids: dict[str, str]) -> list[str]:
    """Every operation with one key. Returns what went wrong."""
    wrong = []
    for operation in _operations(url):
        for mode in GenerationMode:
            try:
                _run(operation, mode, url, key, ids)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, "nothing in it can be wrong"
            except Exception as e:
                wrong.append(f"{operation.method.upper()} {operation.path}: {str(e)[:1500]}")
    return wrong


def _run(
    operation: Any, mode: GenerationMode, url: str, key: str | None, ids: dict[str, str]
) -> None:
    ends_something = operation.method == "delete" or "rotate" in operation.path
    known = ids.get(operation.path.removeprefix("/api/v1/").split("/")[0])

    @settings
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def run(case: Any, real: bool) -> None:
        if real and known and not ends_something and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = known
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=CHECKS)

    run()


@pytest.mark.parametrize("role", ["admin", "agent", "generator"])
async def test_the_document_says_every_answer(broker: RunningBroker, role: str) -> None:
    agent_id, agent = await broker.agent()
    generator_id, generator = await broker.generator()
    stack = await broker.stack(by=generator, agent_id=agent_id)
    pushed = await broker.push(stack)
    template = {"name": "t", "template_content": YAML, "parameters_schema": "{}"}
    ids = {
        "agents": agent_id,
        "generators": generator_id,
        "stacks": stack,
        "deployment-objects": pushed["id"],
        "templates": (await generator.ask("POST", "/templates", template))["id"],
    }
    key = {"admin": broker.admin, "agent": agent, "generator": generator}[role].pak
    assert await asyncio.to_thread(_fuzz, broker.url, key, ids) == []


HOSTILE_BYTES = [
    b"", b"{", b"null", b"[]", b"\xff\xfe", b"\x00", b'{"name": "\\u0000"}', b'{"name": "\\ud800"}',
    b'{"name": 1e999}', b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'"' + b"a" * 70_000 + b'"',
    b'{"name": "x", "name": "y"}', b'{"generator_id": "' + b"0" * 36 + b'"}', b"\xef\xbb\xbf{}",
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE_BYTES, ids=range(len(HOSTILE_BYTES)))
async def test_hostile_bodies(broker: RunningBroker, body: bytes) -> None:
    stack = await broker.stack()
    for path in ("/stacks", "/agents", "/templates", f"/stacks/{stack}/labels"):
        for kind in ("application/json", "application/yaml", "text/plain"):
            status, answer, _ = await broker.admin.call(
                "POST", path, data=body, headers={"Content-Type": kind}
            )
            assert 400 <= status < 500 or status == 201, (path, kind, status, answer)
            if status != 201:
                assert set(answer) >= {"error", "code", "message", "request_id", "details"}


@pytest.mark.parametrize(
    "path",
    [
        "/stacks/%00", "/stacks/%ff", "/stacks/../agents", "/agents//labels", "/stacks/%2e%2e",
        "/agents/?name=%00&cluster_name=c", "/agents?limit=%F0%9F%98%80", "/agents?cursor=%ff",
        "/stacks/00000000-0000-4000-8000-000000000000/labels/%00",
        "/admin/audit-logs?action=%00", "/admin/audit-logs?resource_type=" + "x" * 5000,
        "/" + "a" * 7000, "/agents/{}", "/agents/%7Bid%7D?%00=%00",
    ],
    ids=range(14),
)  # fmt: skip
async def test_hostile_addresses(broker: RunningBroker, path: str) -> None:
    for method in ("GET", "DELETE", "PUT", "POST", "PATCH", "OPTIONS", "PROPFIND"):
        status, answer, _ = await broker.admin.call(method, path)
        assert status < 500, (method, path, answer)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bearer",
        "Bearer  ",
        "Bearer \t",
        "x" * 4000,
        "Basic a:b",
        "brokkr_BR_",
        "é",
        "😀",
    ],
    ids=range(10),
)
async def test_hostile_keys(broker: RunningBroker, value: str) -> None:
    status, answer, _ = await broker.client(None).call(
        "GET", "/stacks", headers={"Authorization": value}
    )
    assert (status, answer["code"]) == (401, "unauthorized")


async def test_mutated_yaml_templates_and_schemas_are_taken_or_refused(
    broker: RunningBroker,
) -> None:
    chance = random.Random(4)
    stack = await broker.stack()
    yaml = YAML + "data:\n  a: &x [1, 2]\n  b: *x\n---\n" + YAML
    template = YAML + "{% for k, v in m | default(value=[]) %}{{ k ~ v | upper }}{% endfor %}"
    schema = json.dumps({"type": "object", "properties": {"a": {"pattern": "^a+$"}}, "allOf": [{}]})
    for _ in range(60):
        pushed = {"yaml_content": _mutated(chance, yaml)}
        made = {
            "name": "t",
            "template_content": _mutated(chance, template),
            "parameters_schema": _mutated(chance, schema),
        }
        await _taken_or_refused(broker.admin, f"/stacks/{stack}/deployment-objects", pushed)
        created = await _taken_or_refused(broker.admin, "/templates", made)
        if created:
            wanted = {"template_id": created["id"], "parameters": {"m": {"a": "b"}, "a": "aaa"}}
            path = f"/stacks/{stack}/deployment-objects/from-template"
            await _taken_or_refused(broker.admin, path, wanted)


def _mutated(chance: random.Random, text: str) -> str:
    """Some characters lost, doubled or exchanged."""
    letters = list(text)
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(letters))
        letters[place : place + chance.randint(0, 3)] = chance.choices(
            "{}[]%&*!|>:-\"'\n\t #~x0\x00\u2028", k=chance.randint(0, 3)
        )
    return "".join(letters)


async def _taken_or_refused(client: Client, path: str, body: Any) -> Any:
    status, answer, _ = await client.call("POST", path, body)
    assert status in (201, 400), (body, answer)
    return answer if status == 201 else None
