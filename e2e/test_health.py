"""How a stack is: what kubectl shows and waits for, and what the broker hears."""

import json
from typing import Any

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied


def test_pods_that_crash_are_seen_by_everybody_until_they_are_well(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a Deployment whose pods run
    stack, pushed = deployed(
        broker, agent, kubectl, unique, m.deployment(unique, "default", replicas=2)
    )
    eventually(lambda: _told(broker, pushed)["status"] == "healthy")
    told = _told(broker, pushed)
    assert (told["summary"]["pods_ready"], told["summary"]["pods_total"]) == (2, 2)
    # When one of them crashes
    pod = _pods(kubectl, unique)[0]
    _patch_status(kubectl, pod, _crashed("CrashLoopBackOff"))
    # Then the broker hears of it, and kubectl shows it
    eventually(lambda: _told(broker, pushed)["status"] == "degraded")
    told = _told(broker, pushed)["summary"]
    assert told["conditions"] == ["CrashLoopBackOff"]
    assert told["pods_ready"] == 1
    assert [r["name"] for r in told["resources"] if r["kind"] == "Pod"] == [pod]
    assert _column(kubectl, stack, "HEALTH") == "Degraded"
    # NB: applied it is, all the same
    assert kubectl.condition(stack)["status"] == "True"
    # When it is replaced by one that runs, all is well again
    kubectl.run("-n", "default", "delete", "pod", pod)
    eventually(lambda: _told(broker, pushed)["status"] == "healthy")
    eventually(lambda: _column(kubectl, stack, "HEALTH") == "Healthy")


def test_health_is_of_what_runs_while_a_newer_version_is_refused(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.deployment(unique, "default"))
    eventually(lambda: _column(kubectl, stack, "HEALTH") == "Healthy")
    # Given a version that cannot be applied
    text = m.bundle(m.deployment(unique, "default"), m.custom("Nothing", unique, unique, "default"))
    broker.push(stack, text)
    eventually(lambda: kubectl.condition(stack)["reason"] == "UnknownKind")
    # When a pod of the one before crashes
    pod = _pods(kubectl, unique)[0]
    _patch_status(kubectl, pod, _crashed("CrashLoopBackOff"))
    eventually(lambda: _column(kubectl, stack, "HEALTH") == "Degraded")
    # Then the news is still why the newer one is not here
    assert kubectl.condition(stack)["reason"] == "UnknownKind"


def test_pods_are_found_through_whoever_owns_them(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a stack with a resource that an operator of its own turns into a Deployment
    group = f"{unique}.example.com"
    text = m.bundle(m.definition("apps", "App", group), m.custom("App", group, unique, "default"))
    stack, pushed = deployed(broker, agent, kubectl, unique, text)
    owner = kubectl.get("-n", "default", f"apps.{group}", unique)["metadata"]
    body = json.loads(kubectl.run("create", "--dry-run=client", "-o", "json", "-f", "-",
                                  text=m.deployment(unique, "default")))  # fmt: skip
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": f"{group}/v1", "kind": "App", "name": unique, "uid": owner["uid"]}
    ]
    kubectl.apply(json.dumps(body))
    # Then the pods of that count, though nothing on them names the stack
    eventually(lambda: kubectl.stack(stack)["status"]["health"].get("podsTotal") == 1)
    _patch_status(kubectl, _pods(kubectl, unique)[0], _crashed("ImagePullBackOff"))
    eventually(lambda: _told(broker, pushed)["status"] == "degraded")
    assert _told(broker, pushed)["summary"]["conditions"] == ["ImagePullBackOff"]


def test_kubectl_waits_for_a_stack_and_its_history_is_kept(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    name = kubectl.stack(stack)["metadata"]["name"]
    kubectl.run("wait", "--for=condition=Ready", f"brokkrstack/{name}", "--timeout=10s")
    for number in range(6):
        last = broker.push(stack, m.config_map(unique, "default", str(number)))
        wait_applied(kubectl, stack, last["sequence_id"])
    bad = broker.push(stack, m.job(unique, "default", "example.com/a", policy="Sometimes"))
    eventually(lambda: kubectl.condition(stack)["status"] == "False")
    history = kubectl.stack(stack)["status"]["history"]
    assert [h["outcome"] for h in history] == ["Failed"] + ["Applied"] * 4
    assert history[0]["sequenceId"] == bad["sequence_id"]
    assert "Sometimes" in history[0]["message"]
    assert all(h["appliedAt"] >= h["attemptedAt"] for h in history[1:])
    # What fails again and again is one Event
    found = kubectl.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
    rejected = [e for e in found if e["reason"] == "Rejected"]
    assert len(rejected) == 1, rejected
    assert sum(e["reason"] == "Applied" for e in found) == 7


def _told(broker: Broker, pushed: dict[str, Any]) -> Any:
    found = broker.ask("GET", f"/deployment-objects/{pushed['id']}/health")["health_records"]
    assert found, "nothing told"
    return found[0]


def _pods(kubectl: Kubectl, app: str) -> list[str]:
    found = kubectl.get("-n", "default", "pods", "-l", f"app={app}")["items"]
    return [p["metadata"]["name"] for p in found]


def _patch_status(kubectl: Kubectl, pod: str, status: dict[str, Any]) -> None:
    text = json.dumps({"status": status})
    kubectl.run("-n", "default", "patch", "pod", pod, "--subresource=status", "-p", text)


def _crashed(reason: str) -> dict[str, Any]:
    waiting = {"waiting": {"reason": reason, "message": "back-off"}, "running": None}
    container = {"name": "main", "image": "example.com/app", "imageID": "", "state": waiting}
    return {
        "containerStatuses": [{**container, "ready": False, "restartCount": 3}],
        "conditions": [{"type": "Ready", "status": "False"}],
    }


def _column(kubectl: Kubectl, stack: str, column: str) -> str:
    lines = kubectl.run("get", "brokkrstacks", "-l", f"k8s.brokkr.io/stack={stack}").splitlines()
    return lines[1].split()[lines[0].split().index(column)]
