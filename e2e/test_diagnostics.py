"""Diagnostics: what the agent sees of a version, asked for at the broker."""

import json
from typing import Any

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually


def test_pods_events_and_logs_are_collected_through_owners(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a Deployment with pods, of which one has restarted
    stack, pushed = deployed(
        broker, agent, kubectl, unique, m.deployment(unique, "default", replicas=2)
    )
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["podsReady"] == 2)
    found = kubectl.get("-n", "default", "pods", "-l", f"app={unique}")["items"]
    pods = sorted(p["metadata"]["name"] for p in found)
    statuses = found[0]["status"]["containerStatuses"]
    statuses[0]["restartCount"] = 2
    kubectl.run(
        "-n", "default", "patch", "pod", found[0]["metadata"]["name"], "--subresource=status",
        "-p", json.dumps({"status": {"containerStatuses": statuses}}),
    )  # fmt: skip
    # When somebody asks
    result = _ask(broker, agent, pushed["id"])
    # Then all of it is told
    told = json.loads(result["pod_statuses"])
    assert sorted(p["name"] for p in told) == pods
    first = next(p for p in told if p["name"] == found[0]["metadata"]["name"])
    assert first["phase"] == "Running"
    assert {"condition_type", "status"} <= first["conditions"][0].keys()
    assert first["containers"][0] | {"state_message": None} == {
        "name": "main", "ready": True, "restart_count": 2, "state": "Running",
        "state_reason": None, "state_message": None, "exit_code": None,
    }  # fmt: skip
    logs = json.loads(result["log_tails"])
    assert set(logs) == {
        *(f"{pod}/main" for pod in pods),
        f"{found[0]['metadata']['name']}/main (previous)",
    }
    assert "line 2 of a container" in logs[f"{pods[0]}/main"]
    events = json.loads(result["events"])
    assert any(e["involved_object_kind"] == "Pod" and e["reason"] == "Scheduled" for e in events)
    assert any(e["involved_object_name"] == unique for e in events), "of the Deployment as well"


def test_a_part_that_cannot_be_seen_is_said_and_the_rest_is_told(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a pod on a node that is gone
    stack, pushed = deployed(broker, agent, kubectl, unique, m.deployment(unique, "default"))
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["podsReady"] == 1)
    lost = (
        "apiVersion: v1\nkind: Pod\n"
        f"metadata: {{name: {unique}-lost, namespace: default, labels: {{app: {unique}}}}}\n"
        "spec: {nodeName: gone, containers: [{name: main, image: example.com/a}]}\n"
    )
    kubectl.apply(lost)
    own = kubectl.get("-n", "default", "deployment", unique)["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": unique, "uid": own["uid"]}
    kubectl.run(
        "-n", "default", "patch", "pod", f"{unique}-lost", "-p",
        json.dumps({"metadata": {"ownerReferences": [reference]}}),
    )  # fmt: skip
    logs = json.loads(_ask(broker, agent, pushed["id"])["log_tails"])
    assert logs[f"{unique}-lost/main"].startswith("(no log: ")
    assert any("line 2 of a container" in text for text in logs.values())


def test_a_version_that_is_not_there_is_a_failure_that_says_so(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, old = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    pushed = broker.push(stack, m.config_map(unique, "default", "2"))
    eventually(
        lambda: kubectl.stack(stack)["status"]["lastAppliedSequence"] == pushed["sequence_id"]
    )
    result = _ask(broker, agent, old["id"], status="failed")
    assert "not the one that this agent runs" in json.loads(result["events"])[0]["error"]


def _ask(broker: Broker, agent: Agent, object_id: str, status: str = "completed") -> Any:
    path = f"/deployment-objects/{object_id}/diagnostics"
    asked = broker.ask("POST", path, {"agent_id": agent.id, "requested_by": "e2e"})

    def answered() -> Any:
        found = broker.ask("GET", f"/diagnostics/{asked['id']}")
        assert found["request"]["status"] == status, found
        return found["result"]

    return eventually(answered)
