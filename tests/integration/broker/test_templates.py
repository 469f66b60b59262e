"""Templates: versions, who may see them, what fits where, and what comes out."""

import asyncio
import json
from typing import Any

import pytest

from support.broker import Client, RunningBroker

TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ name }}
data:
  replicas: "{{ replicas }}"
"""
SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 10},
            "replicas": {"type": "integer", "minimum": 1, "default": 2},
        },
    }
)


async def create(client: Client, name: str = "web", content: str = TEMPLATE, **fields: Any) -> Any:
    body = {"name": name, "template_content": content, "parameters_schema": SCHEMA, **fields}
    return await client.ask("POST", "/templates", body)


async def instantiate(
    client: Client, stack: str, template: str, parameters: Any, **fields: Any
) -> tuple[int, Any]:
    body = {"template_id": template, "parameters": parameters, **fields}
    path = f"/stacks/{stack}/deployment-objects/from-template"
    status, answer, _ = await client.call("POST", path, body)
    return status, answer


async def test_a_stack_is_filled_from_a_template(broker: RunningBroker) -> None:
    template, stack = await create(broker.admin), await broker.stack()

    status, made = await instantiate(broker.admin, stack, template["id"], {"name": "x"})

    assert status == 201
    assert made["yaml_content"] == TEMPLATE.replace("{{ name }}", "x").replace(
        "{{ replicas }}", "2"
    )
    assert made["stack_id"] == stack
    rows = await broker.context.db.fetch(
        "SELECT deployment_object_id::text, template_id::text, template_version, "
        "template_parameters FROM rendered_deployment_objects"
    )
    assert [tuple(row) for row in rows] == [(made["id"], template["id"], 1, '{"name":"x"}')]


async def test_versions_count_up_and_carry_their_labels_along(broker: RunningBroker) -> None:
    first = await create(broker.admin, description="one")
    await broker.admin.ask("POST", f"/templates/{first['id']}/labels", "tier:web")
    pair = {"key": "env", "value": "prod"}
    await broker.admin.ask("POST", f"/templates/{first['id']}/annotations", pair)
    # When it is changed, and made again under its name
    changed = TEMPLATE + "  more: yes\n"
    second = await broker.admin.ask(
        "PUT", f"/templates/{first['id']}", {"template_content": changed}
    )
    third = await create(broker.admin)
    # Then each is a version of its own, and the old ones stay
    assert [t["version"] for t in (first, second, third)] == [1, 2, 3]
    assert second["description"] == "one"
    assert second["parameters_schema"] == SCHEMA
    assert second["checksum"] != first["checksum"]
    assert await broker.admin.ask("GET", f"/templates/{first['id']}") == first
    assert len(await broker.admin.ask("GET", "/templates")) == 3
    labels = await broker.admin.ask("GET", f"/templates/{third['id']}/labels")
    annotations = await broker.admin.ask("GET", f"/templates/{third['id']}/annotations")
    assert [label["label"] for label in labels] == ["tier:web"]
    assert [(a["key"], a["value"]) for a in annotations] == [("env", "prod")]
    # A deleted version takes its number with it
    await broker.admin.ask("DELETE", f"/templates/{third['id']}")
    assert (await create(broker.admin))["version"] == 4


async def test_many_new_versions_at_once_get_numbers_of_their_own(broker: RunningBroker) -> None:
    made = await asyncio.gather(*(create(broker.admin) for _ in range(12)))
    assert sorted(t["version"] for t in made) == list(range(1, 13))


async def test_the_newest_version_is_taken_unless_one_is_named(broker: RunningBroker) -> None:
    first, stack = await create(broker.admin), await broker.stack()
    await broker.admin.ask(
        "PUT", f"/templates/{first['id']}", {"template_content": TEMPLATE + "  two: x\n"}
    )

    _, newest = await instantiate(broker.admin, stack, first["id"], {"name": "x"})
    _, named = await instantiate(
        broker.admin, stack, first["id"], {"name": "x"}, template_version=1
    )
    status, problem = await instantiate(
        broker.admin, stack, first["id"], {"name": "x"}, template_version=9
    )

    assert "two: x" in newest["yaml_content"]
    assert "two: x" not in named["yaml_content"]
    assert (status, problem["code"]) == (404, "template_not_found")


async def test_a_change_of_an_old_state_is_refused(broker: RunningBroker) -> None:
    template = await create(broker.admin)
    path = f"/templates/{template['id']}"
    _, _, headers = await broker.admin.call("GET", path)
    condition = {"If-Match": headers["ETag"]}
    status, _, _ = await broker.admin.call("PUT", path, {"description": "2"}, headers=condition)
    assert status == 200
    status, problem, _ = await broker.admin.call(
        "PUT", path, {"description": "3"}, headers=condition
    )
    assert (status, problem["code"]) == (412, "precondition_failed")


async def test_generators_see_and_change_what_is_theirs(broker: RunningBroker) -> None:
    _, ours = await broker.generator()
    _, theirs = await broker.generator()
    _, agent = await broker.agent()
    system, own = await create(broker.admin, "shared"), await create(ours, "own")
    path = f"/templates/{own['id']}"

    assert own["generator_id"]
    assert system["generator_id"] is None
    assert [t["id"] for t in await theirs.ask("GET", "/templates")] == [system["id"]]
    assert (await theirs.ask("GET", f"/templates/{system['id']}"))["name"] == "shared"
    for client, method, code in (
        (theirs, "GET", "template_not_accessible"),
        (theirs, "PUT", "template_not_owned"),
        (theirs, "DELETE", "template_not_owned"),
        (agent, "GET", "templates_not_accessible"),
    ):
        status, problem, _ = await client.call(method, path, {} if method == "PUT" else None)
        assert (status, problem["code"]) == (403, code)
    status, problem, _ = await ours.call("DELETE", f"/templates/{system['id']}")
    assert (status, problem["code"]) == (403, "template_not_owned")
    # Another's template is not usable by knowing its id
    stack = await broker.stack(by=theirs)
    status, problem = await instantiate(theirs, stack, own["id"], {"name": "x"})
    assert (status, problem["code"]) == (403, "template_not_accessible")
    status, _ = await instantiate(theirs, stack, system["id"], {"name": "x"})
    assert status == 201


async def test_a_deleted_generator_takes_its_templates_along(broker: RunningBroker) -> None:
    generator_id, client = await broker.generator()
    template = await create(client)
    await broker.admin.ask("DELETE", f"/generators/{generator_id}")
    status, _, _ = await broker.admin.call("GET", f"/templates/{template['id']}")
    assert status == 404


async def test_a_template_goes_where_its_labels_and_annotations_are(broker: RunningBroker) -> None:
    template, stack = await create(broker.admin), await broker.stack()
    for label in ("env:production", "tier:frontend"):
        await broker.admin.ask("POST", f"/templates/{template['id']}/labels", label)
    await broker.admin.ask(
        "POST", f"/templates/{template['id']}/annotations", {"key": "team", "value": "a"}
    )
    await broker.admin.ask("POST", f"/stacks/{stack}/labels", "env:production")
    await broker.admin.ask("POST", f"/stacks/{stack}/annotations", {"key": "team", "value": "b"})

    status, problem = await instantiate(broker.admin, stack, template["id"], {"name": "x"})

    assert (status, problem["code"]) == (422, "template_stack_mismatch")
    assert problem["missing_labels"] == ["tier:frontend"]
    assert problem["missing_annotations"] == [{"key": "team", "value": "a"}]
    assert "tier:frontend, team=a" in problem["error"]


async def test_every_violation_is_named_with_its_place(broker: RunningBroker) -> None:
    template, stack = await create(broker.admin), await broker.stack()
    parameters = {"name": "much too long a name", "replicas": 0}

    status, problem = await instantiate(broker.admin, stack, template["id"], parameters)

    assert (status, problem["code"]) == (400, "invalid_parameters")
    assert problem["error"] == "Invalid parameters"
    assert [text.split(":")[0] for text in problem["validation_errors"]] == ["/name", "/replicas"]
    assert [e["path"] for e in problem["details"]["errors"]] == ["/name", "/replicas"]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("{{ name", "invalid_template_syntax", "Invalid Tera syntax: line 1"),
        ("a: b\n{% if x %}", "invalid_template_syntax", "line 2"),
        ("{{ name | upcase }}", "invalid_template_syntax", "no filter `upcase`"),
        ("", "invalid_request_body", "template_content"),
    ],
)
async def test_a_template_is_checked_when_it_is_made(
    broker: RunningBroker, content: str, code: str, words: str
) -> None:
    body = {"name": "x", "template_content": content, "parameters_schema": "{}"}
    status, problem, _ = await broker.admin.call("POST", "/templates", body)
    assert (status, problem["code"]) == (400, code)
    assert words in problem["error"]


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        ("{", "/parameters_schema", "Invalid JSON Schema: not valid JSON"),
        ("[]", "/parameters_schema", "a schema is an object"),
        ('{"type": "strin"}', "/parameters_schema/type", "strin"),
        ('{"$schema": "https://example.com/x"}', "/parameters_schema/$schema", "no draft"),
        ('{"$ref": "http://127.0.0.1:9/x"}', "/parameters_schema/$ref", "points outside"),
        (
            '{"properties": {"const": {"$ref": "file:///etc/passwd"}}}',
            "/parameters_schema/properties/const/$ref",
            "points outside",
        ),
        ('{"$ref": "#/$defs/none"}', "/parameters_schema/$ref", "points to nothing"),
        ('{"pattern": "("}', "/parameters_schema/pattern", "not a regular expression"),
        ('{"$ref": "#"}', "/parameters_schema", "without end"),
        ("[" * 100_000, "/parameters_schema", "nested too deep"),
    ],
    ids=range(10),
)
async def test_a_schema_is_checked_when_it_is_made(
    broker: RunningBroker, schema: str, path: str, words: str
) -> None:
    body = {"name": "x", "template_content": "a", "parameters_schema": schema}
    status, problem, _ = await broker.admin.call("POST", "/templates", body)
    assert (status, problem["code"]) == (400, "invalid_parameters_schema")
    assert problem["details"]["errors"][0]["path"] == path
    assert words in problem["error"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{{ nme }}", "line 1: `nme` is not defined"),
        ("{% for x in range(end=99999) %}{% for y in range(end=99999) %}{% endfor %}{% endfor %}",
         "steps"),
        ("a: [", "document 1"),
        ("a: 1", "apiVersion"),
        ("{# nothing #}", "contains no document"),
        ("{{ name is matching('(x+x+)+y') }}", "needs more than"),
    ],
    ids=["undefined", "endless", "no YAML", "no object", "empty", "slow pattern"],
)  # fmt: skip
async def test_what_cannot_be_rendered_is_refused_in_time(
    broker: RunningBroker, content: str, words: str
) -> None:
    if words == "needs more than":
        broker.context.workers.timeout = 3.0
    template = await create(broker.admin, content=content, parameters_schema="{}")
    stack = await broker.stack()
    parameters = {"name": "x" * 40}

    status, problem = await instantiate(broker.admin, stack, template["id"], parameters)

    assert (status, problem["code"]) == (400, "template_render_failed")
    assert problem["error"].startswith("Template rendering failed: ")
    assert words in problem["error"]
    assert await broker.admin.ask("GET", f"/stacks/{stack}/deployment-objects") == []


@pytest.mark.parametrize(
    ("number", "status"),
    [("18446744073709551615", 201), ("1" + "0" * 30, 201), ("-" + "9" * 40, 201), ("9" * 400, 400)],
    ids=range(4),
)
async def test_numbers_of_any_size(broker: RunningBroker, number: str, status: int) -> None:
    content = TEMPLATE.replace("{{ replicas }}", "{{ number }}")
    template = await create(broker.admin, content=content, parameters_schema="{}")
    stack = await broker.stack()
    body = (
        f'{{"template_id": "{template["id"]}", "parameters": {{"name": "x", "number": {number}}}}}'
    )
    found, answer, _ = await broker.admin.call(
        "POST",
        f"/stacks/{stack}/deployment-objects/from-template",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert found == status, answer


async def test_a_slow_schema_is_stopped_and_others_go_on(broker: RunningBroker) -> None:
    broker.context.workers.timeout = 3.0
    schema = '{"properties": {"name": {"pattern": "^(a+)+$"}}}'
    slow = await create(broker.admin, "slow", parameters_schema=schema)
    fast, stack = await create(broker.admin, "fast"), await broker.stack()

    (status, problem), (other, _) = await asyncio.gather(
        instantiate(broker.admin, stack, slow["id"], {"name": "a" * 60 + "!"}),
        instantiate(broker.admin, stack, fast["id"], {"name": "x"}),
    )

    assert (status, problem["code"]) == (400, "template_render_failed")
    assert other == 201
