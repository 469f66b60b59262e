"""A push becomes objects in the cluster, and `kubectl get brokkrstacks` tells the truth."""

import manifests as m
from harness import Agent, Broker, Kubectl, eventually, wait_applied, wait_reported


def test_objects_are_applied_in_an_order_that_works(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a stack whose documents stand in the worst order
    group = f"{unique}.example.com"
    stack = broker.stack(f"Web Shop {unique}", agent_id=agent.id)
    text = m.bundle(
        m.custom("Gadget", group, "one", unique),
        m.deployment("web", unique, replicas=2),
        m.config_map("settings", unique),
        m.namespace(unique),
        m.definition("gadgets", "Gadget", group),
    )
    # When it is pushed
    pushed = broker.push(stack, text)
    # Then everything is there, and healthy, and the broker knows
    wait_applied(kubectl, stack, pushed["sequence_id"])
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["status"] == "Healthy")
    row = kubectl.run("get", "brokkrstacks", "--no-headers").splitlines()
    columns = next(line for line in row if unique in line).split()
    assert columns[1:8] == [
        "Web",
        "Shop",
        unique,
        str(pushed["sequence_id"]),
        "True",
        "Healthy",
        "5",
    ]
    assert "Applied 5 objects" in " ".join(columns)
    assert kubectl.get("-n", unique, f"gadgets.{group}", "one")
    [event] = eventually(lambda: broker.events(agent.id, pushed["id"]))
    assert (event["status"], event["event_type"]) == ("SUCCESS", "DEPLOY")
    name = kubectl.stack(stack)["metadata"]["name"]
    told = kubectl.get("-n", "default", "events", "--field-selector", f"involvedObject.name={name}")
    assert "Applied" in {e["reason"] for e in told["items"]}


def test_a_new_version_updates_and_prunes(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack = broker.stack(unique, agent_id=agent.id)
    first = [m.namespace(unique), m.config_map("kept", unique), m.config_map("gone", unique)]
    wait_applied(kubectl, stack, broker.push(stack, m.bundle(*first))["sequence_id"])

    second = broker.push(stack, m.bundle(m.namespace(unique), m.config_map("kept", unique, "2")))
    wait_applied(kubectl, stack, second["sequence_id"])

    assert kubectl.get("-n", unique, "configmap", "kept")["data"] == {"value": "2"}
    assert kubectl.get("-n", unique, "configmap", "gone") is None


def test_an_invalid_stack_says_why_and_others_go_on(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    bad, good = (broker.stack(f"{unique}-{k}", agent_id=agent.id) for k in ("bad", "good"))
    wrong = m.bundle(
        m.namespace(unique),
        m.config_map("fine", unique),
        m.deployment("web", unique).replace("replicas: 1", "replicas: many"),
    )
    broker.push(bad, wrong)
    pushed = broker.push(good, m.config_map(unique, "default"))

    wait_applied(kubectl, good, pushed["sequence_id"])
    ready = eventually(lambda: kubectl.condition(bad))
    assert ready["status"] == "False"
    assert "document 3 (Deployment web" in ready["message"]
    assert "replicas" in ready["message"]
    assert kubectl.condition(bad, "Stalled")["status"] == "True"


def test_a_deleted_stack_and_a_marker_remove_what_they_own_and_nothing_else(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    marked, deleted = (broker.stack(f"{unique}-{k}", agent_id=agent.id) for k in ("m", "d"))
    kubectl.apply(m.config_map(f"{unique}-foreign", "default"))
    for stack in (marked, deleted):
        text = m.config_map(f"{unique}-{stack[:8]}", "default")
        wait_applied(kubectl, stack, broker.push(stack, text)["sequence_id"])

    marker = broker.push_marker(marked)
    broker.ask("DELETE", f"/agents/{agent.id}/targets/{deleted}")
    broker.ask("DELETE", f"/stacks/{deleted}")

    for stack in (marked, deleted):
        name = f"{unique}-{stack[:8]}"
        eventually(lambda n=name: kubectl.get("-n", "default", "configmap", n) is None)
        eventually(lambda s=stack: kubectl.stack(s) is None, what="the BrokkrStack goes last")
    assert kubectl.get("-n", "default", "configmap", f"{unique}-foreign")
    wait_reported(broker, agent, marker["id"])
    state = broker.ask("GET", f"/agents/{agent.id}/target-state?mode=full")
    assert state == [], "a marker that was reported is not served again"
