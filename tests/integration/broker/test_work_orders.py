"""Work orders: who may take one, that one agent does, and what becomes of it."""

import asyncio
import random
from typing import Any

import pytest

from brokkr_broker.tasks import work_orders
from support.broker import Client, RunningBroker


async def order(broker: RunningBroker, **fields: Any) -> str:
    body = {"work_type": "custom", "yaml_content": "kind: Job", **fields}
    made: str = (await broker.admin.ask("POST", "/work-orders", body))["id"]
    return made


async def claim(client: Client, agent_id: str, order_id: str) -> tuple[int, Any]:
    status, answer, _ = await client.call(
        "POST", f"/work-orders/{order_id}/claim", {"agent_id": agent_id}
    )
    return status, answer


async def complete(client: Client, order_id: str, success: bool, **fields: Any) -> tuple[int, Any]:
    body = {"success": success, **fields}
    status, answer, _ = await client.call("POST", f"/work-orders/{order_id}/complete", body)
    return status, answer


async def pending(client: Client, agent_id: str, query: str = "") -> list[str]:
    found = await client.ask("GET", f"/agents/{agent_id}/work-orders/pending{query}")
    return [o["id"] for o in found]


async def hurry(broker: RunningBroker, order_id: str) -> None:
    """Let the times of an order run out."""
    await broker.context.db.execute(
        "UPDATE work_orders SET next_retry_after = now() - interval '1 s',"
        " claimed_at = claimed_at - interval '2 h' WHERE id = $1",
        order_id,
    )
    await work_orders.sweep(broker.context)


async def test_one_is_done(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])

    assert await pending(agent, agent_id) == [order_id]
    status, claimed = await claim(agent, agent_id, order_id)
    assert status == 200
    assert (claimed["status"], claimed["claimed_by"], claimed["attempt"]) == (
        "CLAIMED", agent_id, 1,
    )  # fmt: skip
    assert await pending(agent, agent_id) == []
    assert await pending(agent, agent_id, "?claimed=true") == [order_id]
    status, entry = await complete(agent, order_id, True, message="sha256:abc", attempt=1)

    assert status == 200
    assert entry["id"] == order_id
    assert (entry["success"], entry["result_message"]) == (True, "sha256:abc")
    assert (entry["claimed_by"], entry["retries_attempted"]) == (agent_id, 0)
    assert await broker.admin.ask("GET", "/work-orders") == []
    assert await broker.admin.ask("GET", f"/work-order-log/{order_id}") == entry
    ended = await broker.admin.ask("GET", f"/work-orders/{order_id}")
    assert (ended["status"], ended["max_retries"], ended["last_error"]) == ("COMPLETED", 0, None)


async def test_whom_it_is_for(broker: RunningBroker) -> None:
    by_id, by_label, by_annotation, nobody = [await broker.agent() for _ in range(4)]
    await broker.admin.ask("POST", f"/agents/{by_label[0]}/labels", "env:dev")
    pair = {"key": "capability", "value": "builder"}
    await broker.admin.ask("POST", f"/agents/{by_annotation[0]}/annotations", pair)
    targeting = {
        "agent_ids": [by_id[0], by_id[0]],
        "labels": ["env:dev", "env:other"],
        "annotations": {"capability": "builder"},
    }
    order_id = await order(broker, targeting=targeting)

    for agent_id, agent in (by_id, by_label, by_annotation):
        assert await pending(agent, agent_id) == [order_id]
    assert await pending(nobody[1], nobody[0]) == []
    assert (await claim(nobody[1], *[nobody[0], order_id]))[0] == 404
    assert await pending(by_id[1], by_id[0], "?work_type=build") == []


async def test_many_claim_and_one_wins(broker: RunningBroker) -> None:
    agents = [await broker.agent() for _ in range(6)]
    order_id = await order(broker, target_agent_ids=[agent_id for agent_id, _ in agents])
    answers = await asyncio.gather(*(claim(c, a, order_id) for a, c in agents for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, *[404] * 29]


async def test_a_failure_is_tried_again_with_growing_delays(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id], max_retries=2, backoff_seconds=10)
    for retries, delay in ((1, 20), (2, 40)):
        _, claimed = await claim(agent, agent_id, order_id)
        assert claimed["attempt"] == retries
        status, answer = await complete(agent, order_id, False, message="no luck")
        assert (status, answer) == (202, {"status": "retry_scheduled"})
        waiting = await broker.admin.ask("GET", f"/work-orders/{order_id}")
        assert (waiting["status"], waiting["retry_count"]) == ("RETRY_PENDING", retries)
        assert waiting["last_error"] == "no luck"
        seconds = await broker.context.db.fetchval(
            "SELECT extract(epoch FROM next_retry_after - last_error_at)::float8"
            " FROM work_orders WHERE id = $1",
            order_id,
        )
        assert seconds == pytest.approx(delay)
        assert await pending(agent, agent_id) == []
        await hurry(broker, order_id)
        assert await pending(agent, agent_id) == [order_id]
    await claim(agent, agent_id, order_id)
    status, entry = await complete(agent, order_id, False)
    assert status == 200
    assert (entry["success"], entry["result_message"]) == (False, "Unknown error")
    assert entry["retries_attempted"] == 2
    ended = await broker.admin.ask("GET", f"/work-orders/{order_id}")
    assert (ended["status"], ended["last_error"]) == ("FAILED", "Unknown error")


async def test_what_is_not_retryable_fails_at_once(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    await claim(agent, agent_id, order_id)
    status, entry = await complete(agent, order_id, False, message="forbidden", retryable=False)
    assert (status, entry["success"], entry["result_message"]) == (200, False, "forbidden")


async def test_a_slow_first_agent_cannot_end_the_work_of_a_second(broker: RunningBroker) -> None:
    (slow_id, slow), (fast_id, fast) = [await broker.agent() for _ in range(2)]
    order_id = await order(broker, target_agent_ids=[slow_id, fast_id])
    await claim(slow, slow_id, order_id)
    await hurry(broker, order_id)
    waiting = await broker.admin.ask("GET", f"/work-orders/{order_id}")
    assert (waiting["status"], waiting["retry_count"], waiting["claimed_by"]) == (
        "PENDING", 1, None,
    )  # fmt: skip
    assert waiting["last_error"] == "the claim timed out"
    await claim(fast, fast_id, order_id)

    status, problem = await complete(slow, order_id, True, attempt=1)
    assert (status, problem["code"]) == (409, "work_order_attempt_stale")
    status, problem = await complete(slow, order_id, True)
    assert (status, problem["code"]) == (403, "work_order_not_claimed_by_agent")
    status, entry = await complete(fast, order_id, True, attempt=2)
    assert (status, entry["claimed_by"]) == (200, fast_id)
    status, problem = await complete(slow, order_id, True, attempt=1)
    assert (status, problem["code"]) == (409, "work_order_attempt_stale")


async def test_a_success_that_comes_late_counts_while_nobody_else_has_begun(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    other_id, other = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id, other_id])
    await claim(agent, agent_id, order_id)
    await hurry(broker, order_id)
    assert (await complete(other, order_id, True, attempt=1))[0] == 409
    assert (await complete(agent, order_id, True))[0] == 403, "only with its attempt"
    assert (await complete(agent, order_id, False, attempt=1))[0] == 202, "counted already"
    status, entry = await complete(agent, order_id, True, message="done", attempt=1)
    assert (status, entry["success"], entry["claimed_by"]) == (200, True, agent_id)
    assert (await claim(other, other_id, order_id))[0] == 404


async def test_a_failure_that_was_told_is_not_turned_into_a_success(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    await claim(agent, agent_id, order_id)
    await complete(agent, order_id, False, message="x", attempt=1)
    await hurry(broker, order_id)
    assert (await complete(agent, order_id, True, attempt=1))[0] == 409


async def test_an_own_earlier_attempt_is_stale_as_well(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    await claim(agent, agent_id, order_id)
    await hurry(broker, order_id)
    await claim(agent, agent_id, order_id)
    assert (await complete(agent, order_id, True, attempt=1))[0] == 409
    assert (await complete(agent, order_id, True, attempt=2))[0] == 200


async def test_a_repeated_completion_changes_nothing(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    await claim(agent, agent_id, order_id)
    failed = [await complete(agent, order_id, False, message="x", attempt=1) for _ in range(3)]
    assert failed == [(202, {"status": "retry_scheduled"})] * 3
    waiting = await broker.admin.ask("GET", f"/work-orders/{order_id}")
    assert waiting["retry_count"] == 1
    await hurry(broker, order_id)
    await claim(agent, agent_id, order_id)
    done = [await complete(agent, order_id, True, attempt=2) for _ in range(3)]
    assert done == [done[0]] * 3
    assert done[0][0] == 200


async def test_renewing_keeps_a_claim(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    _, claimed = await claim(agent, agent_id, order_id)
    path = f"/work-orders/{order_id}/renew"
    renewed = await agent.ask("POST", path, {"attempt": 1})
    assert renewed["claimed_at"] > claimed["claimed_at"]
    status, problem, _ = await agent.call("POST", path, {"attempt": 2})
    assert (status, problem["code"]) == (409, "work_order_attempt_stale")
    _, other = await broker.agent()
    assert (await other.call("POST", path, {"attempt": 1}))[0] == 409


async def test_a_claim_that_runs_out_for_the_last_time_ends_in_the_log(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id], max_retries=0)
    await claim(agent, agent_id, order_id)
    await hurry(broker, order_id)
    entry = await broker.admin.ask("GET", f"/work-order-log/{order_id}")
    assert (entry["success"], entry["result_message"]) == (False, "the claim timed out")
    assert entry["claimed_by"] == agent_id


async def test_cancelling(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    order_id = await order(broker, target_agent_ids=[agent_id])
    await broker.admin.ask("DELETE", f"/work-orders/{order_id}")
    assert (await claim(agent, agent_id, order_id))[0] == 404
    status, problem, _ = await broker.admin.call("DELETE", f"/work-orders/{order_id}")
    assert (status, problem["code"]) == (404, "work_order_not_found")


async def test_filters(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    build = await order(broker, target_agent_ids=[agent_id], work_type="build")
    custom = await order(broker, target_agent_ids=[agent_id])
    await claim(agent, agent_id, custom)

    async def ids(path: str) -> list[str]:
        return [o["id"] for o in await broker.admin.ask("GET", path)]

    assert await ids("/work-orders") == [custom, build]
    assert await ids("/work-orders?status=PENDING") == [build]
    assert await ids("/work-orders?work_type=custom") == [custom]
    await complete(agent, custom, True)
    await claim(agent, agent_id, build)
    await complete(agent, build, False, retryable=False)
    assert await ids("/work-order-log") == [build, custom]
    assert await ids("/work-order-log?success=true") == [custom]
    assert await ids("/work-order-log?work_type=build") == [build]
    assert await ids(f"/work-order-log?agent_id={agent_id}&limit=1") == [build]
    nobody = "00000000-0000-4000-8000-000000000000"
    assert await ids(f"/work-order-log?agent_id={nobody}") == []


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 400, "no_targeting_specified"),
        ({"targeting": {}}, 400, "no_targeting_specified"),
        ({"targeting": {"labels": ["a b"]}}, 400, "invalid_request_body"),
        ({"target_agent_ids": ["x"]}, 422, "invalid_request_body"),
        ({"work_type": ""}, 400, "invalid_request_body"),
        ({"yaml_content": ""}, 400, "invalid_request_body"),
        ({"max_retries": -1}, 400, "invalid_work_order"),
        ({"backoff_seconds": 0}, 400, "invalid_work_order"),
        ({"claim_timeout_seconds": 0}, 400, "invalid_work_order"),
        (
            {"target_agent_ids": ["00000000-0000-4000-8000-000000000000"]},
            422,
            "foreign_key_violation",
        ),
    ],
    ids=range(10),
)
async def test_what_is_refused_leaves_nothing(
    broker: RunningBroker, fields: dict[str, Any], status: int, code: str
) -> None:
    agent_id, _ = await broker.agent()
    body = {"work_type": "custom", "yaml_content": "x", "target_agent_ids": [agent_id], **fields}
    if code == "no_targeting_specified":
        del body["target_agent_ids"]
    found, problem, _ = await broker.admin.call("POST", "/work-orders", body)
    assert (found, problem["code"]) == (status, code)
    assert await broker.admin.ask("GET", "/work-orders") == []


async def test_each_ends_exactly_once_whatever_happens(broker: RunningBroker) -> None:
    """Many agents, slow and forgetful ones, and sweeps at any moment."""
    chance = random.Random(7)
    agents = [await broker.agent() for _ in range(5)]
    ids = [agent_id for agent_id, _ in agents]
    orders = [await order(broker, target_agent_ids=ids, max_retries=50) for _ in range(30)]
    ended: list[tuple[str, int]] = []

    async def work(agent_id: str, agent: Client) -> None:
        while len({order_id for order_id, _ in ended}) < len(orders):
            for order_id in await pending(agent, agent_id):
                status, claimed = await claim(agent, agent_id, order_id)
                if status != 200 or chance.random() < 0.2:
                    continue  # somebody else has it, or it is forgotten
                await asyncio.sleep(chance.random() * 0.02)
                good = chance.random() < 0.7
                status, _ = await complete(agent, order_id, good, attempt=claimed["attempt"])
                if status == 200:
                    ended.append((order_id, claimed["attempt"]))
            await asyncio.sleep(0.01)

    async def time_passes() -> None:
        while True:
            for order_id in orders:
                await hurry(broker, order_id)

    passing = asyncio.create_task(time_passes())
    await asyncio.gather(*(work(*agent) for agent in agents))
    passing.cancel()
    assert sorted(order_id for order_id, _ in ended) == sorted(orders)
    log = await broker.admin.ask("GET", "/work-order-log")
    assert {(e["id"], e["attempt"]) for e in log} == set(ended)
