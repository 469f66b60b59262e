"""What server-side apply alone does not do: lists, immutable fields, a bad version's namespaces."""

import manifests as m
from admission import Webhook
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied


def test_the_items_of_a_list_are_objects_like_others(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    items = "".join(
        f"- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {unique}-{i}}}, data: {{a: b}}}}\n"
        for i in range(2)
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}"
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    # NB: without a namespace they go where kubectl would put them
    assert kubectl.get("-n", "default", "configmap", f"{unique}-0")
    second = broker.push(stack, m.config_map(f"{unique}-1", "default"))
    wait_applied(kubectl, stack, second["sequence_id"])
    assert kubectl.get("-n", "default", "configmap", f"{unique}-0") is None


def test_an_immutable_field_says_what_helps_and_the_annotation_helps(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, _immutable(unique, "1"))
    uid = kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"]
    # When what cannot change is to change
    broker.push(stack, _immutable(unique, "2"))
    condition = eventually(lambda: _stalled(kubectl, stack))
    assert condition["reason"] == "Rejected"
    assert f"ConfigMap {unique}" in condition["message"]
    assert 'brokkr.io/replace: "true"' in condition["message"]
    assert kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"] == uid
    # When the stack says that it may be made anew
    good = broker.push(stack, _immutable(unique, "2", "annotations: {brokkr.io/replace: 'true'},"))
    wait_applied(kubectl, stack, good["sequence_id"])
    live = kubectl.get("-n", "default", "configmap", unique)
    assert live["data"] == {"value": "2"}
    assert live["metadata"]["uid"] != uid


def test_an_object_whose_api_version_is_served_no_more_is_removed_all_the_same(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given an object of v1beta1 of a kind that has v1 as well
    group = f"{unique}.example.com"
    definition = m.definition("pumps", "Pump", group)
    version = definition.partition("  versions:\n")[2]
    older = version.replace("v1", "v1beta1").replace("storage: true", "storage: false")
    kubectl.apply(definition + older)
    pump = m.custom("Pump", group, unique, "default").replace("/v1\n", "/v1beta1\n")
    stack, _ = deployed(
        broker, agent, kubectl, unique, m.bundle(m.config_map(unique, "default"), pump)
    )
    # When v1beta1 goes, and a version of the stack has no such object any more
    kubectl.apply(definition + older.replace("served: true", "served: false"))
    assert kubectl.get("-n", "default", f"pumps.v1.{group}", unique)
    pushed = broker.push(stack, m.config_map(unique, "default"))
    # Then it is removed
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert kubectl.get("-n", "default", f"pumps.v1.{group}", unique) is None
    kubectl.run("delete", "crd", f"pumps.{group}")


def test_a_version_that_is_refused_takes_back_its_own_new_namespace_and_no_other(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    kubectl.apply(m.namespace(f"{unique}-old"))
    stack = broker.stack(unique, agent_id=agent.id)
    text = m.bundle(
        m.namespace(f"{unique}-old"),
        m.namespace(f"{unique}-new"),
        m.config_map("good", f"{unique}-new"),
        m.config_map("good", f"{unique}-old"),
        m.job("bad", f"{unique}-new", "example.com/a", policy="Sometimes"),
    )
    broker.push(stack, text)
    condition = eventually(lambda: _stalled(kubectl, stack))
    assert "Job bad" in condition["message"]
    eventually(lambda: kubectl.get("namespace", f"{unique}-new") is None)
    assert kubectl.get("namespace", f"{unique}-old")["status"]["phase"] == "Active"
    assert kubectl.get("-n", f"{unique}-old", "configmap", "good") is None
    kubectl.run("delete", "namespace", f"{unique}-old", "--wait=false")


def test_a_namespace_of_an_earlier_attempt_is_taken_back_as_well(
    broker: Broker, agent: Agent, kubectl: Kubectl, webhook: Webhook, unique: str
) -> None:
    # Given a version that has made its namespace, and waits for a policy engine
    stack = broker.stack(unique, agent_id=agent.id)
    broker.push(stack, m.bundle(m.namespace(unique), m.guarded(unique, unique)))
    eventually(lambda: kubectl.condition(stack)["reason"] == "ApiUnavailable")
    assert kubectl.get("namespace", unique)
    # When that says no
    webhook.start(allowed=False)
    eventually(lambda: _stalled(kubectl, stack))
    # Then the namespace goes
    eventually(lambda: kubectl.get("namespace", unique) is None)


def _immutable(name: str, value: str, annotations: str = "") -> str:
    text = m.config_map(name, "default", value).replace("{name:", f"{{{annotations} name:", 1)
    return f"{text}immutable: true\n"


def _stalled(kubectl: Kubectl, stack: str) -> dict[str, str] | None:
    found = kubectl.stack(stack)
    assert found
    conditions = {c["type"]: c for c in found["status"]["conditions"]}
    return conditions["Ready"] if "Stalled" in conditions else None
