"""Reports are stored once, whoever repeats them and however many come together."""

import asyncio
from uuid import uuid4

from brokkr_broker.tasks import retention
from support.broker import RunningBroker


def _event(object_id: str, **fields: str) -> dict[str, str]:
    return {
        "deployment_object_id": object_id,
        "event_type": "DEPLOY",
        "status": "SUCCESS",
        **fields,
    }


async def test_a_repeated_report_is_stored_once(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    event = _event(pushed["id"], id=str(uuid4()), message="fine")

    first = await agent.ask("POST", f"/agents/{agent_id}/events", event)
    again = await agent.ask("POST", f"/agents/{agent_id}/events", event)

    assert first == again
    assert len(await agent.ask("GET", f"/agents/{agent_id}/events")) == 1
    assert await broker.admin.ask("GET", f"/agent-events/{first['id']}") == first


async def test_many_at_once_each_get_their_own_answer(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    ids = [str(uuid4()) for _ in range(50)]
    events = [_event(pushed["id"], id=i) for i in [*ids, *ids]]
    events.append(_event(str(uuid4())))

    answers = await asyncio.gather(
        *(agent.call("POST", f"/agents/{agent_id}/events", e) for e in events)
    )

    assert [status for status, _, _ in answers] == [201] * 100 + [422]
    assert [body["id"] for _, body, _ in answers[:100]] == [*ids, *ids]
    assert answers[-1][1]["code"] == "foreign_key_violation"
    assert len(await broker.admin.ask("GET", "/agent-events")) == 50


async def test_the_id_of_another_agents_event_is_taken(broker: RunningBroker) -> None:
    (first_id, first), (second_id, second) = await broker.agent(), await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=first_id))
    event = _event(pushed["id"], id=str(uuid4()))
    await first.ask("POST", f"/agents/{first_id}/events", event)

    status, body, _ = await second.call("POST", f"/agents/{second_id}/events", event)

    assert (status, body["code"]) == (409, "unique_violation")


async def test_an_event_speaks_for_the_agent_of_the_path(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    event = _event(pushed["id"], agent_id=str(uuid4()))
    status, body, _ = await agent.call("POST", f"/agents/{agent_id}/events", event)
    assert (status, body["code"]) == (400, "agent_id_mismatch")


async def test_old_events_go_and_the_state_stays(broker: RunningBroker) -> None:
    agent_id, agent = await broker.agent()
    pushed = await broker.push(await broker.stack(agent_id=agent_id))
    await broker.report(agent, agent_id, pushed["id"], "SUCCESS")
    assert await retention.sweep_events(broker.context) == 0
    await broker.context.db.execute("UPDATE agent_events SET created_at = now() - interval '31 d'")

    assert await retention.sweep_events(broker.context) == 1

    assert await agent.ask("GET", f"/agents/{agent_id}/events") == []
    assert await broker.state(agent, agent_id, "incremental") == [], "it stays applied"
