"""What an agent is told to run: matching, modes, markers, tags."""

import pytest
from asyncpg.connection import LoggedQuery

from support.broker import RunningBroker


async def test_the_newest_object_of_each_stack_in_ascending_sequence(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    first, second = [await broker.stack(agent_id=agent_id) for _ in range(2)]
    await broker.push(first)
    newer = await broker.push(second)
    newest = await broker.push(first)

    found = await agent.ask("GET", f"/agents/{agent_id}/target-state?mode=full")

    assert [o["id"] for o in found] == [newer["id"], newest["id"]]
    assert found[0]["stack_name"].startswith("stack-")


@pytest.mark.parametrize("how", ["target", "label", "annotation"])
async def test_however_a_stack_is_matched(broker: RunningBroker, how: str) -> None:
    agent_id, agent = await broker.agent()
    stack = await broker.stack()
    pushed = await broker.push(stack)
    assert await broker.state(agent, agent_id) == []

    match how:
        case "target":
            await broker.admin.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack})
        case "label":
            await broker.admin.ask("POST", f"/agents/{agent_id}/labels", "prod")
            await broker.admin.ask("POST", f"/stacks/{stack}/labels", {"label": "prod"})
        case _:
            for owner, pair in (("agents", agent_id), ("stacks", stack)):
                body = {"key": "region", "value": "eu"}
                await broker.admin.ask("POST", f"/{owner}/{pair}/annotations", body)

    assert await broker.state(agent, agent_id) == [pushed["id"]]
    assert [s["id"] for s in await agent.ask("GET", f"/agents/{agent_id}/stacks")] == [stack]


async def test_a_failure_stays_and_a_success_leaves_only_the_incremental_state(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))

    await broker.report(agent, agent_id, pushed["id"], "FAILURE")
    assert await broker.state(agent, agent_id, "incremental") == [pushed["id"]]

    await broker.report(agent, agent_id, pushed["id"], "SUCCESS")
    assert await broker.state(agent, agent_id, "incremental") == []
    assert await broker.state(agent, agent_id, "full") == [pushed["id"]]


async def test_an_incremental_answer_says_that_it_is_one(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    for query, mode in (("", "incremental"), ("?mode=full", "full")):
        _, _, headers = await agent.call("GET", f"/agents/{agent_id}/target-state{query}")
        assert headers["Brokkr-Target-State-Mode"] == mode


async def test_a_deleted_stack_reaches_its_agents_until_they_are_done(
    broker: RunningBroker,
) -> None:
    # Given an agent by target, one by label, and one that served the stack in the past
    ids = [await broker.agent() for _ in range(3)]
    (by_target, _), (by_label, _), (past, past_client) = ids
    stack = await broker.stack(agent_id=by_target)
    await broker.admin.ask("POST", f"/agents/{by_label}/labels", "x")
    await broker.admin.ask("POST", f"/stacks/{stack}/labels", "x")
    await broker.admin.ask("POST", f"/agents/{past}/targets", {"stack_id": stack})
    pushed = await broker.push(stack)
    await broker.report(past_client, past, pushed["id"], "SUCCESS")
    await broker.admin.ask("DELETE", f"/agents/{past}/targets/{stack}")
    # When the stack is deleted
    await broker.admin.ask("DELETE", f"/stacks/{stack}")
    # Then all three get the marker, until they report it
    for agent_id, agent in ids:
        [marker] = await agent.ask("GET", f"/agents/{agent_id}/target-state?mode=full")
        assert marker["is_deletion_marker"]
        assert marker["sequence_id"] > pushed["sequence_id"]
        await broker.report(agent, agent_id, marker["id"], "FAILURE")
        assert await broker.state(agent, agent_id) == [marker["id"]]
        await broker.report(agent, agent_id, marker["id"], "SUCCESS")
        assert await broker.state(agent, agent_id) == []
    # and the admin still sees what there was
    rows = await broker.admin.ask("GET", f"/stacks/{stack}/deployment-objects")
    assert [r["is_deletion_marker"] for r in rows] == [True, False]


async def test_an_agent_that_reports_late_has_to_remove_the_deleted_stack(
    broker: RunningBroker,
) -> None:
    agent_id, agent = await broker.agent()
    stack = await broker.stack(agent_id=agent_id)
    pushed = await broker.push(stack)
    await broker.admin.ask("DELETE", f"/agents/{agent_id}/targets/{stack}")
    await broker.admin.ask("DELETE", f"/stacks/{stack}")
    assert await broker.state(agent, agent_id) == []

    await broker.report(agent, agent_id, pushed["id"], "SUCCESS")

    [marker] = await agent.ask("GET", f"/agents/{agent_id}/target-state?mode=full")
    assert marker["is_deletion_marker"]


async def test_a_deleted_generator_takes_its_stacks_along(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    generator_id, generator = await broker.generator()
    stack = await broker.stack(by=generator)
    await broker.admin.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack})
    await broker.push(stack)

    await broker.admin.ask("DELETE", f"/generators/{generator_id}")

    [marker] = await agent.ask("GET", f"/agents/{agent_id}/target-state")
    assert (marker["stack_id"], marker["is_deletion_marker"]) == (stack, True)


async def test_an_unchanged_state_is_not_sent_again(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    stack = await broker.stack(agent_id=agent_id)
    await broker.push(stack)
    path = f"/agents/{agent_id}/target-state?mode=full"
    _, _, headers = await agent.call("GET", path)
    tag = {"If-None-Match": headers["ETag"]}

    status, body, _ = await agent.call("GET", path, headers=tag)
    assert (status, body) == (304, b"")

    await broker.admin.ask("PUT", f"/stacks/{stack}", {"name": "renamed"})
    status, [target], headers = await agent.call("GET", path, headers=tag)
    assert (status, target["stack_name"]) == (200, "renamed")

    await broker.push(stack)
    tag = {"If-None-Match": headers["ETag"]}
    status, _, _ = await agent.call("GET", path, headers=tag)
    assert status == 200


async def test_statements_per_poll(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    for _ in range(10):
        await broker.push(await broker.stack(agent_id=agent_id))
    path = f"/agents/{agent_id}/target-state?mode=full"
    _, _, headers = await agent.call("GET", path)
    await agent.call("GET", path, headers={"If-None-Match": '"other"'})
    seen: list[str] = []

    def note(record: LoggedQuery) -> None:
        # NB: a connection learns types once in its life; what the pushes have to tell comes later.
        if not any(word in record.query for word in ("'jit'", "typeinfo_tree", "pg_notify")):
            seen.append(record.query)

    for holder in broker.context.db._holders:
        if holder._con:
            holder._con.add_query_logger(note)

    for known in ("", '"other"', headers["ETag"], f'W/{headers["ETag"]}, "other"'):
        await agent.call("GET", path, headers={"If-None-Match": known})
        assert len(seen) == 1, "the state was encoded before"
        assert "yaml_content" not in seen[0]
        seen.clear()
    broker.context.states.__init__()  # type: ignore[misc]
    await agent.call("GET", path)
    assert len(seen) == 2
    seen.clear()
    await agent.ask("POST", f"/agents/{agent_id}/heartbeat")
    assert len(seen) == 1
