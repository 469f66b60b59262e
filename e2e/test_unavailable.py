"""What some stacks need is down: those wait and say why, all others go on, and it mends itself."""

import json

import manifests as m
from admission import Webhook
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied


def test_a_policy_engine_that_is_down_holds_up_only_what_it_guards(
    broker: Broker, agent: Agent, kubectl: Kubectl, webhook: Webhook, unique: str
) -> None:
    # Given a webhook that must be asked, and does not answer
    guarded = broker.stack(unique, agent_id=agent.id)
    pushed = broker.push(guarded, m.guarded(unique, "default"))
    # Then its stack waits, and says for what
    condition = eventually(lambda: _not_ready(kubectl, guarded))
    assert condition["reason"] == "ApiUnavailable"
    assert f"{unique}.example.com" in condition["message"]
    # while another is applied
    deployed(broker, agent, kubectl, f"{unique}-free", m.config_map(f"{unique}-free", "default"))
    # and it is applied as soon as the webhook answers, without a word from anybody
    webhook.start()
    wait_applied(kubectl, guarded, pushed["sequence_id"])


def test_an_aggregated_api_that_is_down_holds_up_only_its_own_kinds(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a group of kinds behind a service that is not there
    group = f"{unique}.example.com"
    kubectl.apply(json.dumps(_api_service(group)))
    stack = broker.stack(unique, agent_id=agent.id)
    text = m.bundle(m.config_map(unique, "default"), m.custom("Thing", group, unique, "default"))
    pushed = broker.push(stack, text)
    condition = eventually(lambda: _not_ready(kubectl, stack))
    assert "Thing" in condition["message"]
    # Then other stacks are applied, changed and removed
    other, _ = deployed(
        broker, agent, kubectl, f"{unique}-b", m.config_map(f"{unique}-b", "default")
    )
    second = broker.push(other, m.config_map(f"{unique}-c", "default"))
    wait_applied(kubectl, other, second["sequence_id"])
    assert kubectl.get("-n", "default", "configmap", f"{unique}-b") is None
    broker.push_marker(other)
    eventually(lambda: kubectl.stack(other) is None)
    # and this one as soon as its kinds are served
    kubectl.run("delete", "apiservice", f"v1.{group}")
    kubectl.apply(m.definition("things", "Thing", group))
    wait_applied(kubectl, stack, pushed["sequence_id"], seconds=60)
    kubectl.run("delete", "crd", f"things.{group}", "--wait=false")


def _not_ready(kubectl: Kubectl, stack: str) -> dict[str, str] | None:
    condition: dict[str, str] = kubectl.condition(stack)
    return condition if condition["status"] == "False" else None


def _api_service(group: str) -> dict[str, object]:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": "nobody", "namespace": "default", "port": 443},
        },
    }
