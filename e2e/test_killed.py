"""Killed at a bad moment, whatever it is: everything converges, and every event is stored once."""

import signal
import threading
from collections.abc import Callable

import pytest

import clusters
import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied, wait_reported

_COUNT = 200


def test_agent_killed_while_it_applies_200_objects(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(concurrent_objects="1")  # slow enough to be met in the middle
    stack = broker.stack(unique, agent_id=agent.id)
    names = [f"c{i}" for i in range(_COUNT)]
    pushed = broker.push(
        stack, m.bundle(m.namespace(unique), *(m.config_map(n, unique) for n in names))
    )

    eventually(lambda: 5 < _count(kubectl, unique) < _COUNT, seconds=20, what="in the middle")
    agent.kill()
    between = _count(kubectl, unique)
    agent.start()

    wait_applied(kubectl, stack, pushed["sequence_id"], seconds=60)
    assert between < _COUNT
    assert _count(kubectl, unique) == _COUNT
    eventually(lambda: broker.events(agent.id, pushed["id"]))
    # and nothing is forgotten: what was applied before the kill is pruned, too
    second = broker.push(stack, m.bundle(m.namespace(unique), m.config_map("c0", unique)))
    wait_applied(kubectl, stack, second["sequence_id"], seconds=60)
    assert _count(kubectl, unique) == 1
    for version in (pushed, second):
        eventually(lambda v=version: broker.events(agent.id, v["id"]))
        assert [e["status"] for e in broker.events(agent.id, version["id"])] == ["SUCCESS"]


def test_broker_killed_while_it_receives_reports(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stacks = [broker.stack(f"{unique}-{i}", agent_id=agent.id) for i in range(20)]
    pushed = [
        broker.push(s, m.config_map(f"{unique}-{i}", "default")) for i, s in enumerate(stacks)
    ]
    eventually(lambda: len(broker.events(agent.id)) >= 3, seconds=20)

    broker.kill()
    threading.Event().wait(1)
    broker.start()
    broker.wait()

    eventually(lambda: len(broker.events(agent.id)) >= len(stacks), seconds=60)
    for version in pushed:
        assert [e["status"] for e in broker.events(agent.id, version["id"])] == ["SUCCESS"]
    for stack, version in zip(stacks, pushed, strict=True):
        wait_applied(kubectl, stack, version["sequence_id"])


def test_api_server_killed_and_back(
    broker: Broker,
    make_agent: Callable[..., Agent],
    kubectl: Kubectl,
    cluster: clusters.Cluster,
    unique: str,
) -> None:
    if not isinstance(cluster, clusters.LocalCluster):
        pytest.skip("only a control plane of our own may be killed")
    agent = make_agent(lease_duration="60")  # longer than it may take to start one
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))

    cluster.stop_component("kube-apiserver", signal.SIGKILL)
    second = broker.push(stack, m.config_map(unique, "default", "2"))
    threading.Event().wait(2)
    cluster.start_component("kube-apiserver")
    cluster.wait_ready()

    wait_applied(kubectl, stack, second["sequence_id"], seconds=60)
    assert kubectl.get("-n", "default", "configmap", unique)["data"] == {"value": "2"}
    wait_reported(broker, agent, second["id"])
    # and it watches again: what happens now is noticed
    name = kubectl.stack(stack)["metadata"]["name"]
    kubectl.run("delete", "brokkrstack", name)
    eventually(lambda: kubectl.stack(stack), seconds=60)


def _count(kubectl: Kubectl, namespace: str) -> int:
    found = kubectl.get("-n", namespace, "configmaps", "-l", "k8s.brokkr.io/stack")
    return len(found["items"]) if found else 0
