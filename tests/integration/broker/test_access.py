"""Who gets in: every route, with every kind of key."""

from typing import Any

import pytest

from brokkr_broker.api import ROUTES
from brokkr_broker.api.route import Route
from brokkr_broker.security.identity import Role
from support.broker import Client, RunningBroker

GUARDED = [route for route in ROUTES if route.allow]


def _path(route: Route, owner: str) -> str:
    other = "00000000-0000-4000-8000-000000000000"
    path = route.path.replace("{id}", owner).replace("{stack_id}", other).replace("{name}", "x")
    return path + ("?name=n&cluster_name=c" if path == "/agents/" else "")


async def _status(client: Client, route: Route, owner: str) -> tuple[int, Any]:
    status, body, _ = await client.call(route.method, _path(route, owner))
    return status, body


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
async def test_no_route_opens_without_a_valid_key(broker: RunningBroker, route: Route) -> None:
    valid_form = "brokkr_BRaaaaaaaa_" + "b" * 32
    for pak in (None, "nonsense", "Basic eA==", valid_form):
        status, body = await _status(broker.client(pak), route, broker_id())
        assert (status, body["code"]) == (401, "unauthorized"), pak


@pytest.mark.parametrize("route", GUARDED, ids=lambda r: f"{r.method} {r.path}")
async def test_each_role_gets_in_where_the_route_says(broker: RunningBroker, route: Route) -> None:
    agent_id, agent = await broker.agent()
    generator_id, generator = await broker.generator()
    callers = [
        (Role.AGENT, agent, agent_id),
        (Role.GENERATOR, generator, generator_id),
        (Role.ADMIN, broker.admin, None),
    ]
    assert route.allow
    for role, client, own in callers:
        for owner in filter(None, [broker_id(), own]):
            is_own = owner == own
            may = (role in route.allow.roles) and (role not in route.allow.own or is_own)
            status, body = await _status(client, route, owner)
            if may:
                reasons = ("agent_not_associated", "stack_not_owned")
                assert status not in (401, 500), (role, is_own, body)
                assert status != 403 or body["code"] in reasons, (role, is_own, body)
            else:
                assert status == 403, (role, is_own, status, body)
            if is_own and status < 300 and ("rotate" in route.path or route.method == "DELETE"):
                break  # this key is gone


async def test_a_deleted_identity_and_a_rotated_key_are_dead_at_once(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    generator_id, generator = await broker.generator()
    assert (await agent.ask("POST", "/auth/pak"))["agent"] == agent_id
    rotated = await agent.ask("POST", f"/agents/{agent_id}/rotate-pak")
    await generator.ask("POST", "/auth/pak")
    await broker.admin.ask("DELETE", f"/generators/{generator_id}")

    for client in (agent, generator):
        status, _, _ = await _until_refused(client)
        assert status == 401
    assert await broker.client(rotated["pak"]).ask("POST", "/auth/pak")


async def test_the_short_token_counts(broker: RunningBroker) -> None:
    _, agent = await broker.agent()
    assert agent.pak
    prefix, short, long = agent.pak.split("_")
    forged = broker.client(f"{prefix}_{short[:-1]}{'2' if short[-1] != '2' else '3'}_{long}")
    status, _, _ = await forged.call("POST", "/auth/pak")
    assert status == 401


async def test_a_bare_key_is_accepted(broker: RunningBroker) -> None:
    _, agent = await broker.agent()
    status, _, _ = await broker.client(None).call(
        "POST", "/auth/pak", headers={"Authorization": str(agent.pak)}
    )
    assert status == 200


async def test_generators_see_only_their_own_stacks(broker: RunningBroker) -> None:
    _, first = await broker.generator()
    _, second = await broker.generator()
    stack = await broker.stack(by=first)

    assert [s["id"] for s in await first.ask("GET", "/stacks")] == [stack]
    assert await second.ask("GET", "/stacks") == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deployment-objects")):
        status, body, _ = await second.call(method, f"/stacks/{stack}{path}")
        assert (status, body["code"]) == (403, "stack_not_owned")


async def _until_refused(client: Client) -> tuple[int, Any, Any]:
    """Dead at once means: by the time the database's word has come round."""
    answer = await client.call("POST", "/auth/pak")
    for _ in range(50):
        if answer[0] == 401:
            break
        answer = await client.call("POST", "/auth/pak")
    return answer


def broker_id() -> str:
    return "00000000-0000-4000-8000-000000000001"
