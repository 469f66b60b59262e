"""What is applied stays applied; what failed is tried again; what is lost comes back."""

import time

import requests

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied, wait_reported


def test_ten_polls_later_everything_is_still_there(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    _stack, pushed = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    uid = kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"]

    polls = _polls(agent)
    eventually(lambda: _polls(agent) >= polls + 10)

    assert kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"] == uid
    wait_reported(broker, agent, pushed["id"])


def test_a_failed_apply_succeeds_once_its_cause_is_gone(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a stack that needs a namespace which is not there
    stack = broker.stack(unique, agent_id=agent.id)
    pushed = broker.push(stack, m.config_map("needs-namespace", unique))
    eventually(lambda: broker.events(agent.id, pushed["id"]))
    assert kubectl.condition(stack)["status"] == "False"
    state = broker.ask("GET", f"/agents/{agent.id}/target-state")
    assert [o["id"] for o in state] == [pushed["id"]], "a failure stays in the state"
    # When somebody makes it
    kubectl.apply(m.namespace(unique))
    # Then the same version is applied
    wait_applied(kubectl, stack, pushed["sequence_id"])
    wait_reported(broker, agent, pushed["id"])
    assert broker.ask("GET", f"/agents/{agent.id}/target-state") == []
    kubectl.run("delete", "namespace", unique, "--wait=false")


def test_a_hand_deleted_object_comes_back(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    _stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))

    kubectl.run("-n", "default", "delete", "configmap", unique)

    eventually(lambda: kubectl.get("-n", "default", "configmap", unique))


def test_a_finished_job_that_changed_is_made_anew_but_never_for_an_invalid_one(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.job(unique, "default", "example.com/a:1"))
    eventually(lambda: _is_complete(kubectl, unique))
    uid = kubectl.get("-n", "default", "job", unique)["metadata"]["uid"]
    # When its successor is not valid, it stays
    bad = broker.push(stack, m.job(unique, "default", "example.com/a:2", policy="Sometimes"))
    eventually(lambda: broker.events(agent.id, bad["id"]))
    assert kubectl.condition(stack)["status"] == "False"
    assert kubectl.get("-n", "default", "job", unique)["metadata"]["uid"] == uid
    # When it is, it takes its place
    good = broker.push(stack, m.job(unique, "default", "example.com/a:2"))
    wait_applied(kubectl, stack, good["sequence_id"])
    assert kubectl.get("-n", "default", "job", unique)["metadata"]["uid"] != uid


def test_the_cluster_is_held_without_the_broker(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    _stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    # Given no broker, and an agent that has just been restarted
    broker.kill()
    agent.kill()
    kubectl.run("-n", "default", "delete", "configmap", unique)
    agent.start()
    # Then the object comes back, and the agent says that it is alone
    try:
        eventually(lambda: kubectl.get("-n", "default", "configmap", unique))
        eventually(lambda: _connected(kubectl, agent) == "False")
        health = requests.get(f"http://127.0.0.1:{agent.health_port}/health", timeout=5)
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert health.json()["kubernetes"] == {"connected": True}
        assert health.json()["broker"]["connected"] is False
    finally:
        broker.start()
        broker.wait()
    eventually(lambda: _connected(kubectl, agent) == "True")


def test_what_happened_without_the_broker_is_told_once_it_is_back(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given versions that have arrived in the cluster, but are not applied yet
    stacks = [
        deployed(broker, agent, kubectl, f"{unique}-{i}", m.config_map(f"{unique}-{i}", "default"))
        for i in range(3)
    ]
    names = [kubectl.stack(stack)["metadata"]["name"] for stack, _ in stacks]
    for name in names:
        _suspend(kubectl, name, True)
    eventually(lambda: all(kubectl.condition(s)["reason"] == "Suspended" for s, _ in stacks))
    second = [
        broker.push(stack, m.config_map(f"{unique}-{i}", "default", "2"))
        for i, (stack, _) in enumerate(stacks)
    ]
    for (stack, _), pushed in zip(stacks, second, strict=True):
        eventually(
            lambda stack=stack, id_=pushed["id"]: (
                kubectl.stack(stack)["spec"]["deploymentObjectId"] == id_
            )
        )
    # When the broker goes, they are applied, and the agent is killed after that
    broker.kill()
    try:
        for name in names:
            _suspend(kubectl, name, False)
        for (stack, _), pushed in zip(stacks, second, strict=True):
            wait_applied(kubectl, stack, pushed["sequence_id"])
        agent.kill()
        agent.start()
        kubectl.run("-n", "default", "delete", "configmap", f"{unique}-0")
        eventually(lambda: kubectl.get("-n", "default", "configmap", f"{unique}-0"))
    finally:
        broker.start()
        broker.wait()
    # Then each of them is told, once
    for pushed in second:
        wait_reported(broker, agent, pushed["id"])
        assert len(broker.events(agent.id, pushed["id"])) == 1
    # and what was pushed meanwhile, or now, is taken
    third = broker.push(stacks[0][0], m.config_map(f"{unique}-0", "default", "3"))
    wait_applied(kubectl, stacks[0][0], third["sequence_id"])


def test_untargeting_keeps_the_objects(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))

    broker.ask("DELETE", f"/agents/{agent.id}/targets/{stack}")

    eventually(lambda: kubectl.condition(stack)["reason"] == "NotTargeted")
    time.sleep(3)
    assert kubectl.get("-n", "default", "configmap", unique)
    # and a new target takes up where it was
    broker.ask("POST", f"/agents/{agent.id}/targets", {"stack_id": stack})
    second = broker.push(stack, m.config_map(f"{unique}-2", "default"))
    wait_applied(kubectl, stack, second["sequence_id"])
    assert kubectl.get("-n", "default", "configmap", unique) is None, "the inventory was kept"


def test_a_paused_agent_keeps_what_is_there_and_takes_nothing_new(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))

    broker.ask("PUT", f"/agents/{agent.id}", {"status": "INACTIVE"})
    eventually(lambda: _condition(kubectl, agent, "Ready")["reason"] == "Paused")
    second = broker.push(stack, m.config_map(unique, "default", "2"))
    kubectl.run("-n", "default", "delete", "configmap", unique)
    restored = eventually(lambda: kubectl.get("-n", "default", "configmap", unique))
    assert restored["data"] == {"value": "1"}
    assert broker.ask("GET", f"/agents/{agent.id}")["status"] == "INACTIVE"

    broker.ask("PUT", f"/agents/{agent.id}", {"status": "ACTIVE"})
    wait_applied(kubectl, stack, second["sequence_id"])


def _suspend(kubectl: Kubectl, name: str, value: bool) -> None:
    patch = f'{{"spec":{{"suspend":{str(value).lower()}}}}}'
    kubectl.run("patch", "brokkrstack", name, "--type=merge", "-p", patch)


def _is_complete(kubectl: Kubectl, name: str) -> bool:
    status = kubectl.get("-n", "default", "job", name)["status"]
    return any(c["type"] == "Complete" for c in status.get("conditions", ()))


def _polls(agent: Agent) -> float:
    import requests

    text = requests.get(f"http://127.0.0.1:{agent.health_port}/metrics", timeout=5).text
    name = 'brokkr_agent_poll_requests_total{status="success"}'
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


def _connected(kubectl: Kubectl, agent: Agent) -> str:
    status: str = _condition(kubectl, agent, "Connected")["status"]
    return status


def _condition(kubectl: Kubectl, agent: Agent, kind: str) -> dict[str, str]:
    found = next(
        a for a in kubectl.get("brokkragents")["items"] if a["spec"]["agentId"] == agent.id
    )
    condition: dict[str, str] = next(c for c in found["status"]["conditions"] if c["type"] == kind)
    return condition
