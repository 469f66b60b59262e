"""Who gets in: every route, with every kind of key."""

import dataclasses
from typing import Any

import pytest

from brokkr_broker.api import ROUTES
from brokkr_broker.api.route import Route
from brokkr_broker.security.identity import Role
from support.broker import YAML, Client, RunningBroker

GUARDED = [route for route in ROUTES if route.allow]
NOW = "2026-01-02T10:00:00Z"
SCOPED = {
    "stacks": {"stack_not_owned", "agent_not_associated"},
    "deployment-objects": {"stack_not_owned", "agent_not_associated"},
    "templates": {"template_not_owned", "template_not_accessible"},
    "work-orders": {"work_order_not_claimed_by_agent"},
    "diagnostics": {"diagnostic_not_owned"},
    "webhook-deliveries": {"delivery_not_acquired_by_agent"},
}
"""Things with an owner: to others the row says no, after the route has let them in."""


@dataclasses.dataclass
class World:
    """One of everything, owned by `agent` and `generator`, and everybody who may ask for it."""

    ids: dict[str, str]
    callers: dict[str, Client]
    strangers: dict[str, Client]

    def path(self, route: Route) -> str:
        path = route.path.replace("{id}", self.ids.get(route.tag, ""))
        path = path.replace("{stack_id}", self.ids["stacks"]).replace("{name}", "none")
        return path + ("?name=west&cluster_name=c" if path == "/agents/" else "")

    def body(self, route: Route) -> Any:
        """A body that would do, so that it is the key that is refused."""
        ids = self.ids
        template = {"name": "t", "template_content": YAML, "parameters_schema": "{}"}
        health = {"id": ids["deployment-objects"], "status": "healthy", "checked_at": NOW}
        event = {
            "deployment_object_id": ids["deployment-objects"],
            "event_type": "DEPLOY",
            "status": "SUCCESS",
        }
        pair = {"key": "new", "value": "v"}
        bodies = {
            "/work-orders": {
                "work_type": "custom",
                "yaml_content": "a: b",
                "target_agent_ids": [ids["agents"]],
            },
            "/deployment-objects/{id}/diagnostics": {"agent_id": ids["agents"]},
            "/diagnostics/{id}/result": {
                "pod_statuses": "[]",
                "events": "[]",
                "collected_at": NOW,
            },
            "/webhooks": {"name": "w", "url": "http://127.0.0.1:9/", "event_types": ["*"]},
            "/webhook-deliveries/{id}/result": {"success": True},
            "/work-orders/{id}/claim": {"agent_id": ids["agents"]},
            "/work-orders/{id}/renew": {"agent_id": ids["agents"], "attempt": 1},
            "/work-orders/{id}/complete": {"success": True},
            "/agents": {"name": "new", "cluster_name": "c"},
            "/generators": {"name": "new"},
            "/stacks": {"name": "new"},
            "/templates": template,
            "/agents/{id}/targets": {"stack_id": ids["other stack"]},
            "/agents/{id}/events": event,
            "/agents/{id}/health-status": {"deployment_objects": [health]},
            "/stacks/{id}/deployment-objects": {"yaml_content": YAML},
            "/stacks/{id}/deployment-objects/from-template": {"template_id": ids["templates"]},
        }
        if route.method == "PUT":
            return {}
        if route.path in bodies and route.method != "GET":
            return bodies[route.path]
        if route.method == "POST" and route.path.endswith("/labels"):
            return "new"
        return pair if route.method == "POST" and route.path.endswith("/annotations") else None


@pytest.fixture
async def world(broker: RunningBroker) -> World:
    agent_id, agent = await broker.agent("west")
    _, other_agent = await broker.agent("east")
    generator_id, generator = await broker.generator()
    _, other_generator = await broker.generator()
    stack = await broker.stack(by=generator, agent_id=agent_id)
    pushed = await broker.push(stack)
    event = await broker.report(agent, agent_id, pushed["id"], "FAILURE")
    ordered = {"work_type": "custom", "yaml_content": "a: b", "target_agent_ids": [agent_id]}
    order = await broker.admin.ask("POST", "/work-orders", ordered)
    await agent.ask("POST", f"/work-orders/{order['id']}/claim", {"agent_id": agent_id})
    path = f"/deployment-objects/{pushed['id']}/diagnostics"
    diagnostic = await broker.admin.ask("POST", path, {"agent_id": agent_id})
    hook = {"name": "w", "url": "http://127.0.0.1:9/", "event_types": ["stack.created"]}
    webhook = await broker.admin.ask("POST", "/webhooks", {**hook, "target_labels": ["hooks"]})
    body = {"name": "own", "template_content": YAML, "parameters_schema": "{}"}
    template = await generator.ask("POST", "/templates", body)
    return World(
        ids={
            "agents": agent_id,
            "generators": generator_id,
            "stacks": stack,
            "other stack": await broker.stack(),
            "deployment-objects": pushed["id"],
            "agent-events": event["id"],
            "templates": template["id"],
            "work-orders": order["id"],
            "work-order-log": order["id"],
            "diagnostics": diagnostic["id"],
            "webhooks": webhook["id"],
            "webhook-deliveries": await _delivery(broker, agent, agent_id),
        },
        callers={
            "other agent": other_agent,
            "other generator": other_generator,
            "agent": agent,
            "generator": generator,
            "admin": broker.admin,
        },
        strangers=await _strangers(broker),
    )


async def _delivery(broker: RunningBroker, agent: Client, agent_id: str) -> str:
    """One that the agent holds."""
    await broker.admin.ask("POST", f"/agents/{agent_id}/labels", "hooks")
    await broker.stack()
    held = (await agent.ask("GET", f"/agents/{agent_id}/webhooks/pending"))[0]
    identifier: str = held["id"]
    return identifier


async def _strangers(broker: RunningBroker) -> dict[str, Client]:
    """Keys that were never one, or are one no more."""
    found = {
        "none": broker.client(None),
        "malformed": broker.client("nonsense"),
        "other scheme": broker.client("Basic eA=="),
        "unknown": broker.client("brokkr_BRaaaaaaaa_" + "b" * 32),
    }
    for kind, make in (("agent", broker.agent), ("generator", broker.generator)):
        rotated_id, rotated = await make()
        deleted_id, deleted = await make()
        await rotated.ask("POST", f"/{kind}s/{rotated_id}/rotate-pak")
        await broker.admin.ask("DELETE", f"/{kind}s/{deleted_id}")
        found |= {f"rotated {kind}": rotated, f"deleted {kind}": deleted}
    for client in found.values():
        await _until_refused(client)
    return found


def _expected(route: Route, caller: str) -> bool:
    """By the route's rule and the owner of what it is about."""
    assert route.allow
    is_other = caller.startswith("other ")
    role = Role[caller.removeprefix("other ").upper()]
    if role not in route.allow.roles or (is_other and role in route.allow.own):
        return False
    owned = route.tag in SCOPED and "{id}" in route.path
    return not (is_other and (owned or route.path == "/agents/"))


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
async def test_every_key_at_every_route(world: World, route: Route) -> None:
    path, body = world.path(route), world.body(route)
    for name, client in world.strangers.items():
        status, problem, _ = await client.call(route.method, path, body)
        assert (status, problem["code"]) == (401, "unauthorized"), name

    may = {name: _expected(route, name) for name in world.callers}
    for name, client in world.callers.items():
        status, answer, _ = await client.call(route.method, path, body)
        if may[name]:
            assert status not in (401, 403, 500), (name, answer)
        else:
            assert status == 403, (name, answer)
            assert route.allow
            row_codes = SCOPED.get(route.tag, set())
            assert answer["code"] in {route.allow.code, *row_codes, "agent_pak_mismatch"}, name
    assert any(may.values())


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
async def test_an_id_that_is_nobodys_is_no_way_in(world: World, route: Route) -> None:
    """Whoever may only see its own is told 403, whether the thing exists or not."""
    assert route.allow
    if "{id}" not in route.path or not route.allow.own:
        return
    nobody = "00000000-0000-4000-8000-000000000001"
    path = route.path.replace("{id}", nobody).replace("{stack_id}", nobody)
    for name in ("other agent", "other generator"):
        status, _, _ = await world.callers[name].call(route.method, path, world.body(route))
        assert status == 403, name


async def test_the_short_token_counts(broker: RunningBroker) -> None:
    _, agent = await broker.agent()
    assert agent.pak
    prefix, short, long = agent.pak.split("_")
    for head in (f"{prefix}_{short[:-1]}", f"other_{short}", f"x{prefix}_{short}"):
        status, _, _ = await broker.client(f"{head}_{long}").call("POST", "/auth/pak")
        assert status == 401, head


async def test_a_bare_key_is_accepted(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    status, answer, _ = await broker.client(None).call(
        "POST", "/auth/pak", headers={"Authorization": str(agent.pak)}
    )
    assert (status, answer) == (
        200,
        {"admin": False, "agent": agent_id, "generator": None, "readonly": False},
    )


async def test_generators_see_only_their_own_stacks(broker: RunningBroker) -> None:
    _, first = await broker.generator()
    _, second = await broker.generator()
    stack = await broker.stack(by=first)

    assert [s["id"] for s in await first.ask("GET", "/stacks")] == [stack]
    assert await second.ask("GET", "/stacks") == []


async def test_an_unknown_path_needs_a_key_as_well(broker: RunningBroker) -> None:
    assert (await broker.client(None).call("GET", "/nothing"))[0] == 401
    assert (await broker.admin.call("GET", "/nothing"))[0] == 404


async def _until_refused(client: Client) -> None:
    """Dead at once means: by the time the database's word has come round."""
    for _ in range(50):
        if (await client.call("POST", "/auth/pak"))[0] == 401:
            return
    raise AssertionError("the key still works")
