"""Which stack an object belongs to, where several name it."""

import json

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied, wait_reported


def test_an_object_moves_from_one_stack_to_another_as_it_is(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given an object of one stack
    shared, own = m.config_map(unique, "default"), m.config_map(f"{unique}-own", "default")
    old, _ = deployed(broker, agent, kubectl, f"{unique}-old", m.bundle(shared, own))
    uid = _uid(kubectl, unique)
    # When another names it, it is refused at first
    new = broker.stack(f"{unique}-new", agent_id=agent.id)
    wanted = broker.push(new, m.config_map(unique, "default", "2"))
    eventually(lambda: kubectl.condition(new)["reason"] == "Claimed")
    # and when the first lets go, it takes it over as it is
    second = broker.push(old, own)
    wait_applied(kubectl, new, wanted["sequence_id"])
    wait_applied(kubectl, old, second["sequence_id"])
    assert _uid(kubectl, unique) == uid
    assert kubectl.get("-n", "default", "configmap", unique)["data"] == {"value": "2"}
    eventually(lambda: kubectl.stack(old)["status"]["objects"] == 1)


def test_a_stack_is_replaced_by_another_without_a_removal(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(m.namespace(unique), m.deployment("web", unique))
    old, _ = deployed(broker, agent, kubectl, f"{unique}-old", text)
    uid = kubectl.get("-n", unique, "deployment", "web")["metadata"]["uid"]

    new = broker.stack(f"{unique}-new", agent_id=agent.id)
    pushed = broker.push(new, text)
    eventually(lambda: kubectl.condition(new)["reason"] == "Claimed")
    broker.ask("DELETE", f"/stacks/{old}")

    wait_applied(kubectl, new, pushed["sequence_id"])
    eventually(lambda: kubectl.stack(old) is None)
    assert kubectl.get("-n", unique, "deployment", "web")["metadata"]["uid"] == uid


def test_the_second_stack_with_an_object_is_refused_clearly_and_as_a_whole(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    _first, _ = deployed(broker, agent, kubectl, f"{unique}-1", m.config_map(unique, "default"))
    second = broker.stack(f"{unique}-2", agent_id=agent.id)
    text = m.bundle(m.config_map(f"{unique}-x", "default"), m.config_map(unique, "default", "2"))
    pushed = broker.push(second, text)

    wait_reported(broker, agent, pushed["id"], "FAILURE")
    ready = kubectl.condition(second)
    assert ready["reason"] == "Claimed"
    assert f"document 2 (ConfigMap {unique} in default): belongs to stack" in ready["message"]
    assert kubectl.condition(second, "Stalled")["status"] == "True"
    assert kubectl.get("-n", "default", "configmap", f"{unique}-x") is None, "nothing of it"
    # and deleting the object by hand does not change whose it is
    kubectl.run("-n", "default", "delete", "configmap", unique)
    eventually(lambda: kubectl.get("-n", "default", "configmap", unique))
    assert kubectl.get("-n", "default", "configmap", unique)["data"] == {"value": "1"}


def test_a_copy_with_all_our_marks_is_not_ours(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    copy = kubectl.get("-n", "default", "configmap", unique)
    metadata = {k: copy["metadata"][k] for k in ("labels", "annotations", "namespace")}
    copy["metadata"] = {**metadata, "name": f"{unique}-copy"}
    kubectl.run("create", "-f", "-", text=json.dumps(copy))
    # Even when the inventory was lost, and is found again by labels
    name = kubectl.stack(stack)["metadata"]["name"]
    kubectl.run("delete", "brokkrstack", name)
    eventually(lambda: kubectl.condition(stack)["status"] == "True")
    broker.push_marker(stack)

    eventually(lambda: kubectl.get("-n", "default", "configmap", unique) is None)
    eventually(lambda: kubectl.stack(stack) is None)
    assert kubectl.get("-n", "default", "configmap", f"{unique}-copy")
    kubectl.run("-n", "default", "delete", "configmap", f"{unique}-copy")


def _uid(kubectl: Kubectl, name: str) -> str:
    uid: str = kubectl.get("-n", "default", "configmap", name)["metadata"]["uid"]
    return uid
