"""What others change is noticed at once, and undone, shown or left alone as told."""

import time
from collections.abc import Callable

import audit
import manifests as m
from clusters import Cluster
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied

SLOW = {"resync_interval": "3600"}  # so that only watches can notice


def test_what_was_deleted_or_changed_comes_back_by_watches_alone(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(**SLOW)
    names = [f"{unique}-{n}" for n in range(3)]
    text = m.bundle(*(m.config_map(name, "default") for name in names))
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    _watched(kubectl, stack, names[2])

    kubectl.run("-n", "default", "delete", "configmap", names[0])
    kubectl.run("-n", "default", "patch", "configmap", names[1], "-p", '{"data":{"value":"x"}}')
    kubectl.run("-n", "default", "label", "configmap", names[2], "k8s.brokkr.io/stack-")

    for name in names:
        eventually(lambda name=name: _value(kubectl, name) == "1")
    eventually(lambda: kubectl.stack(stack)["status"]["drift"]["count"] >= 4)
    assert kubectl.condition(stack)["status"] == "True"
    events = kubectl.get("events", "--field-selector", "reason=DriftCorrected")["items"]
    assert any(names[0] in e["message"] for e in events)
    columns = kubectl.run("get", "brokkrstacks")
    assert "DRIFT" in columns.splitlines()[0]


def test_what_a_stack_does_not_say_is_nobody_elses_business(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent()
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    kubectl.run("-n", "default", "label", "configmap", unique, "mine=1")
    kubectl.run("-n", "default", "patch", "configmap", unique, "-p", '{"data":{"more":"x"}}')
    time.sleep(3)
    live = kubectl.get("-n", "default", "configmap", unique)
    assert live["metadata"]["labels"]["mine"] == "1"
    assert live["data"] == {"value": "1", "more": "x"}
    assert "drift" not in kubectl.stack(stack)["status"]


def test_report_shows_and_does_not_touch(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(drift="report")
    text = m.bundle(m.config_map(unique, "default"), m.config_map(f"{unique}-b", "default"))
    stack, _ = deployed(broker, agent, kubectl, unique, text)

    kubectl.run("-n", "default", "patch", "configmap", unique, "-p", '{"data":{"value":"x"}}')
    kubectl.run("-n", "default", "delete", "configmap", f"{unique}-b")

    eventually(lambda: kubectl.stack(stack)["status"]["drift"].get("differing") == 2)
    ready = kubectl.condition(stack)
    assert ready["status"] == "True"
    assert "2 changed by others" in ready["message"]
    assert _value(kubectl, unique) == "x"
    # and a new version is applied all the same
    pushed = broker.push(stack, m.config_map(unique, "default", "2"))
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert _value(kubectl, unique) == "2"
    assert "differing" not in kubectl.stack(stack)["status"]["drift"]


def test_off_does_not_look(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(drift="off")
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    kubectl.run("-n", "default", "patch", "configmap", unique, "-p", '{"data":{"value":"x"}}')
    time.sleep(4)
    assert _value(kubectl, unique) == "x"
    assert "drift" not in kubectl.stack(stack)["status"]


def test_an_ignored_field_belongs_to_the_autoscaler(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    note = "annotations: {brokkr.io/ignore-fields: /spec/replicas}"
    text = m.deployment(unique, "default", replicas=2).replace(
        "namespace: default}", f"namespace: default, {note}}}", 1
    )
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    assert kubectl.get("-n", "default", "deployment", unique)["spec"]["replicas"] == 2

    kubectl.run("-n", "default", "scale", "deployment", unique, "--replicas=4")
    time.sleep(3)
    # neither time nor a new version takes it back
    pushed = broker.push(stack, text.replace("example.com/app", "example.com/new"))
    wait_applied(kubectl, stack, pushed["sequence_id"])
    spec = kubectl.get("-n", "default", "deployment", unique)["spec"]
    assert spec["replicas"] == 4
    assert spec["template"]["spec"]["containers"][0]["image"] == "example.com/new"


def test_a_suspended_stack_is_left_alone_until_it_is_not(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    name = kubectl.stack(stack)["metadata"]["name"]

    kubectl.run("patch", "brokkrstack", name, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    eventually(lambda: kubectl.condition(stack)["reason"] == "Suspended")
    kubectl.run("-n", "default", "delete", "configmap", unique)
    pushed = broker.push(stack, m.config_map(unique, "default", "2"))
    time.sleep(3)
    assert kubectl.get("-n", "default", "configmap", unique) is None

    kubectl.run("patch", "brokkrstack", name, "--type=merge", "-p", '{"spec":{"suspend":false}}')
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert _value(kubectl, unique) == "2"


def test_a_quiet_cluster_is_not_written_to_and_nothing_is_listed(
    broker: Broker, cluster: Cluster, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given stacks that are as wanted, and an agent that compares them every two seconds
    log = audit.of(cluster)
    log.mark()
    for number in range(5):
        text = m.bundle(m.config_map(f"{unique}-{number}", "default"), _service(unique, number))
        deployed(broker, agent, kubectl, f"{unique}-{number}", text)
    lists = [uri for uri in log.lists() if "brokkr.io" not in uri]
    # Then each kind in use was listed once, and pods, which is where the watches begin
    assert len(lists) <= 3, lists
    time.sleep(3)
    log.mark()
    time.sleep(8)
    assert log.requests(), "it did compare"
    assert log.writes() == []
    assert log.lists() == []


def _service(unique: str, number: int) -> str:
    return (
        "apiVersion: v1\nkind: Service\n"
        f"metadata: {{name: {unique}-{number}, namespace: default}}\n"
        "spec: {selector: {app: none}, ports: [{port: 80}]}\n"
    )


def _value(kubectl: Kubectl, name: str) -> str | None:
    found = kubectl.get("-n", "default", "configmap", name)
    return found["data"]["value"] if found else None


def _watched(kubectl: Kubectl, stack: str, name: str) -> None:
    """Until the agent notices a deletion: its watch is open."""
    kubectl.run("-n", "default", "delete", "configmap", name)
    eventually(lambda: kubectl.get("-n", "default", "configmap", name))
    eventually(lambda: kubectl.stack(stack)["status"]["drift"]["count"] >= 1)
