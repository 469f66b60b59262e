"""Lists page by page, and conditional requests on one row."""

from typing import Any
from urllib.parse import urljoin

import pytest

from brokkr_broker.api import ROUTES
from support.broker import Client, RunningBroker


async def _walk(client: Client, path: str, limit: int) -> list[list[Any]]:
    """Follow the links from page to page."""
    pages: list[list[Any]] = []
    following: str | None = f"{path}?limit={limit}"
    while following:
        status, rows, headers = await client.call("GET", following)
        assert status == 200, rows
        pages.append(rows)
        link = headers.get("Link")
        following = None
        if link:
            url = link.partition("<")[2].partition(">")[0]
            following = urljoin("/api/v1/", url).removeprefix("/api/v1")
    return pages


async def _fill(broker: RunningBroker) -> dict[str, str]:
    """Five of everything. Returns who owns what hangs on something, by first step of a path."""
    agent_id, agent = await broker.agent()
    stack = ""
    body = {"name": "t", "template_content": "x", "parameters_schema": "{}"}
    templates = [(await broker.admin.ask("POST", "/templates", body))["id"] for _ in range(5)]
    for number in range(5):
        await broker.generator()
        stack = await broker.stack(agent_id=agent_id)
        pushed = await broker.push(stack)
        await broker.report(agent, agent_id, pushed["id"], "SUCCESS")
        pair = {"key": f"k{number}", "value": "v"}
        for owner in (f"/agents/{agent_id}", f"/stacks/{stack}", f"/templates/{templates[4]}"):
            await broker.admin.ask("POST", f"{owner}/labels", f"label-{number}")
            await broker.admin.ask("POST", f"{owner}/annotations", pair)
    for _ in range(4):
        await broker.agent()
        await broker.push(stack)
    await _order_work(broker, agent, agent_id)
    webhook = await _listen(broker)
    for _ in range(5):
        path = f"/deployment-objects/{pushed['id']}/diagnostics"
        await broker.admin.ask("POST", path, {"agent_id": agent_id})
    for number in range(4):
        pair = {"key": f"other{number}", "value": "v"}
        await broker.admin.ask("POST", f"/stacks/{stack}/labels", f"other-{number}")
        await broker.admin.ask("POST", f"/stacks/{stack}/annotations", pair)
    return {
        "agents": agent_id,
        "stacks": stack,
        "templates": templates[4],
        "webhooks": webhook,
    }


async def _listen(broker: RunningBroker) -> str:
    """Five webhooks, of which one has five deliveries."""
    body = {"name": "w", "url": "http://127.0.0.1:9/", "event_types": ["agent.registered"]}
    first: str = (await broker.admin.ask("POST", "/webhooks", body))["id"]
    for number in range(4):
        quiet = {**body, "name": f"w{number}", "enabled": False}
        await broker.admin.ask("POST", "/webhooks", quiet)
    agents = [await broker.agent() for _ in range(5)]
    for agent_id, _ in agents:
        await broker.admin.ask("DELETE", f"/agents/{agent_id}")
    return first


async def _order_work(broker: RunningBroker, agent: Client, agent_id: str) -> None:
    """Five that wait, and five that have ended."""
    body = {"work_type": "custom", "yaml_content": "x", "target_agent_ids": [agent_id]}
    for number in range(10):
        order = await broker.admin.ask("POST", "/work-orders", body)
        if number < 5:
            path = f"/work-orders/{order['id']}"
            await agent.ask("POST", f"{path}/claim", {"agent_id": agent_id})
            await agent.ask("POST", f"{path}/complete", {"success": True})


async def test_every_list_comes_page_by_page_without_gap_or_repeat(broker: RunningBroker) -> None:
    owners = await _fill(broker)
    lists = [r for r in ROUTES if any(q.name == "cursor" for q in r.query)]
    lists = [r for r in lists if r.path != "/admin/audit-logs"]  # has a shape of its own
    assert len(lists) >= 15
    for route in lists:
        path = route.path.replace("{id}", owners.get(route.path.split("/")[1], ""))
        whole = await broker.admin.ask("GET", path)
        assert len(whole) == 5, path
        pages = await _walk(broker.admin, path, 2)
        assert [len(p) for p in pages] == [2, 2, 1], path
        assert [row for page in pages for row in page] == whole, path


async def test_a_page_is_not_disturbed_by_what_is_added_meanwhile(broker: RunningBroker) -> None:
    stack = await broker.stack()
    first = [(await broker.push(stack))["id"] for _ in range(4)]
    path = f"/stacks/{stack}/deployment-objects"
    _, rows, headers = await broker.admin.call("GET", f"{path}?limit=2")
    await broker.push(stack)
    cursor = headers["Link"].partition("cursor=")[2].partition(">")[0]
    rest = await broker.admin.ask("GET", f"{path}?limit=2&cursor={cursor}")
    assert [r["id"] for r in [*rows, *rest]] == first[::-1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_limit"),
        ("limit=-1", "invalid_limit"),
        ("limit=many", "invalid_limit"),
        ("limit=99999999999999999999", "invalid_limit"),
        ("limit=٣", "invalid_limit"),
        ("cursor=!", "invalid_cursor"),
        ("cursor=bm8", "invalid_cursor"),
        ("cursor=WzFd", "invalid_cursor"),
    ],
)
async def test_what_is_no_page(broker: RunningBroker, query: str, code: str) -> None:
    status, problem, _ = await broker.admin.call("GET", f"/stacks?{query}")
    assert (status, problem["code"]) == (400, code)


@pytest.mark.parametrize("kind", ["agents", "generators", "stacks"])
async def test_a_row_is_read_and_changed_on_condition(broker: RunningBroker, kind: str) -> None:
    made = await broker.admin.ask("POST", f"/{kind}", {"name": "a"} | _extra(kind))
    row = made.get("agent") or made.get("generator") or made
    path = f"/{kind}/{row['id']}"
    _, _, headers = await broker.admin.call("GET", path)
    tag = headers["ETag"]
    status, body, _ = await broker.admin.call("GET", path, headers={"If-None-Match": tag})
    assert (status, body) == (304, b"")

    _, changed, headers = await broker.admin.call(
        "PUT", path, {"name": "b"}, headers={"If-Match": tag}
    )
    assert changed["name"] == "b"
    assert headers["ETag"] != tag
    for method, change in (("PUT", {"name": "c"}), ("DELETE", None)):
        for stale in (tag, '"nonsense"'):
            status, problem, _ = await broker.admin.call(
                method, path, change, headers={"If-Match": stale}
            )
            assert (status, problem["code"]) == (412, "precondition_failed")
    assert (await broker.admin.ask("GET", path))["name"] == "b"
    status, _, _ = await broker.admin.call("DELETE", path, headers={"If-Match": headers["ETag"]})
    assert status == 204
    status, _, _ = await broker.admin.call("DELETE", path, headers={"If-Match": headers["ETag"]})
    assert status == 404


async def test_a_heartbeat_changes_what_is_read_but_not_who_may_write(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    path = f"/agents/{agent_id}"
    await agent.ask("POST", f"{path}/heartbeat")
    _, _, headers = await agent.call("GET", path)
    tag = headers["ETag"]
    await agent.ask("POST", f"{path}/heartbeat")
    status, _, _ = await agent.call("GET", path, headers={"If-None-Match": tag})
    assert status == 200
    status, _, _ = await agent.call("PUT", path, {"status": "ACTIVE"}, headers={"If-Match": tag})
    assert status == 200


def _extra(kind: str) -> dict[str, str]:
    return {"cluster_name": "c"} if kind == "agents" else {}
