"""Several agents in one cluster: replicas take turns, strangers leave each other alone."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

import manifests as m
from harness import (
    Agent,
    Broker,
    Kubectl,
    deployed,
    eventually,
    stop_all,
    wait_applied,
    wait_reported,
)

KILLS = int(os.environ.get("BROKKR_KILLS", "4"))


@pytest.fixture
def pair(make_agent: Callable[..., Agent]) -> Iterator[tuple[Agent, Agent]]:
    first = make_agent(lease_duration="3")
    second = first.replica()
    second.start()
    second.wait()
    yield first, second
    stop_all(second)


def test_the_leader_is_killed_again_and_again(
    broker: Broker, pair: tuple[Agent, Agent], kubectl: Kubectl, unique: str
) -> None:
    # Given a stack that gets a new version before and after each death of the leader, and work
    stack = broker.stack(unique, agent_id=pair[0].id)
    pushed, orders = [], []
    for number in range(KILLS):
        text = m.bundle(
            m.config_map(unique, "default", str(number)),
            m.config_map(f"{unique}-{number}", "default"),
        )
        pushed.append(broker.push(stack, text))
        leader = eventually(lambda: next((a for a in pair if a.leads()), None))
        job = m.job(f"{unique}-job-{number}", "default", "example.com/a")
        body = {"work_type": "custom", "yaml_content": job}
        orders.append(broker.ask("POST", "/work-orders", body | _for(pair[0]))["id"])
        leader.kill(signal.SIGKILL if number % 2 else signal.SIGTERM)
        pushed.append(broker.push(stack, text.replace(f"'{number}'", f"'{number}b'")))
        # Then the other one takes over
        wait_applied(kubectl, stack, pushed[-1]["sequence_id"])
        assert sum(a.leads() for a in pair) == 1
        leader.start()
        leader.wait()
    # and nothing is left behind, missing, or told twice
    wait_reported(broker, pair[0], pushed[-1]["id"])
    for order in orders:
        entry = eventually(lambda order=order: broker.ended(order))
        assert (entry["success"], entry["attempt"]) == (True, 1), entry
    told = [e["deployment_object_id"] for e in broker.events(pair[0].id)]
    assert len(told) == len(set(told))
    names = kubectl.run("-n", "default", "get", "configmap", "-o", "name").split()
    found = sorted(n.removeprefix("configmap/") for n in names if unique in n)
    assert found == [unique, f"{unique}-{KILLS - 1}"]
    last = kubectl.get("-n", "default", "configmap", unique)["data"]
    assert last == {"value": f"{KILLS - 1}b"}


def test_two_agents_in_one_cluster_leave_each_other_alone(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    first, second = make_agent(), make_agent()
    shared = m.config_map(unique, "default", "first")
    one, _ = deployed(
        broker, first, kubectl, f"{unique}-1",
        m.bundle(shared, m.config_map(f"{unique}-1", "default")),
    )  # fmt: skip
    two, _ = deployed(
        broker, second, kubectl, f"{unique}-2", m.config_map(f"{unique}-2", "default")
    )
    # When the second is asked for an object of the first, it refuses
    wrong = broker.push(two, shared.replace("first", "second"))
    eventually(lambda: kubectl.condition(two)["reason"] == "NotOwned")
    assert first.id in kubectl.condition(two)["message"]
    wait_reported(broker, second, wrong["id"], "FAILURE")
    assert kubectl.get("-n", "default", "configmap", unique)["data"] == {"value": "first"}
    # When it is asked to go, it takes its own and nothing of the first
    broker.push_marker(two)
    eventually(lambda: kubectl.stack(two) is None)
    assert kubectl.get("-n", "default", "configmap", f"{unique}-2") is None
    for name in (unique, f"{unique}-1"):
        assert kubectl.get("-n", "default", "configmap", name)
    assert kubectl.condition(one)["status"] == "True"


def test_one_stack_is_served_by_two_agents_of_one_cluster_but_applied_by_one(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    first, second = make_agent(), make_agent()
    _stack, pushed = deployed(broker, first, kubectl, unique, m.config_map(unique, "default"))
    broker.ask("POST", f"/agents/{second.id}/targets", {"stack_id": _stack})
    wait_reported(broker, second, pushed["id"], "FAILURE")
    assert "belongs to agent" in broker.events(second.id, pushed["id"])[0]["message"]
    live = kubectl.get("-n", "default", "configmap", unique)["metadata"]
    assert live["annotations"]["brokkr.io/owner-id"] == first.id


def _for(agent: Agent) -> dict[str, object]:
    return {"targeting": {"agent_ids": [agent.id]}}
