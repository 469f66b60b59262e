"""What is not the stack's survives, whatever is deleted."""

import random
import signal
import time
from collections.abc import Callable

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied

OURS = ("brokkragents", "workorders", "brokkrstacks")


def test_objects_of_others_survive_a_deletion_marker(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a namespace that was there before, and a stack that puts things into it
    kubectl.apply(m.namespace(unique))
    text = m.bundle(m.namespace(unique), m.config_map("own", unique), m.config_map("taken", unique))
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    own = kubectl.get("-n", unique, "configmap", "own")
    # and objects of others that look like the stack's: another owner, no owner, an owned one
    for name, owner in (("other-agent", "11111111-1111-4111-8111-111111111111"), ("no-owner", "")):
        kubectl.apply(_labelled(name, unique, stack, owner))
    kubectl.apply(_labelled("owned", unique, stack, agent.id, owned_by=own["metadata"]["uid"]))
    # and one of the stack's that somebody else has taken over
    kubectl.run(
        "-n", unique, "annotate", "configmap", "taken", "--overwrite", "brokkr.io/owner-id=me"
    )
    kubectl.run("-n", unique, "patch", "configmap", "taken", "-p", '{"data":{"mine":"yes"}}')
    # When everything is to go
    broker.push_marker(stack)
    # Then the stack's own object goes, and nothing else
    eventually(lambda: kubectl.stack(stack) is None)
    assert kubectl.get("-n", unique, "configmap", "own") is None
    for name in ("other-agent", "no-owner", "taken"):
        assert kubectl.get("-n", unique, "configmap", name), name
    assert kubectl.get("namespace", unique)["status"]["phase"] == "Active"
    kubectl.run("delete", "namespace", unique, "--wait=false")


def test_an_object_with_owner_references_is_never_pruned(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(m.config_map(f"{unique}-a", "default"), m.config_map(f"{unique}-b", "default"))
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    parent = kubectl.get("-n", "default", "configmap", f"{unique}-a")["metadata"]["uid"]
    reference = (
        '{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap",'
        f'"name":"{unique}-a","uid":"{parent}"}}]}}}}'
    )
    kubectl.run("-n", "default", "patch", "configmap", f"{unique}-b", "-p", reference)

    second = broker.push(stack, m.config_map(f"{unique}-a", "default"))

    wait_applied(kubectl, stack, second["sequence_id"])
    assert kubectl.get("-n", "default", "configmap", f"{unique}-b")
    event = eventually(lambda: broker.events(agent.id, second["id"]))[0]
    assert "has an owner" in event["message"]


def test_a_namespace_goes_only_when_nothing_else_is_in_it(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(m.namespace(unique), m.config_map("own", unique))
    stack, _ = deployed(broker, agent, kubectl, unique, text)
    kubectl.apply(m.config_map("foreign", unique))

    marker = broker.push_marker(stack)

    event = eventually(lambda: broker.events(agent.id, marker["id"]))[0]
    assert "still holds ConfigMap foreign" in event["message"]
    assert kubectl.get("-n", unique, "configmap", "foreign")
    assert kubectl.get("-n", unique, "configmap", "own") is None
    kubectl.run("delete", "namespace", unique, "--wait=false")


def test_a_namespace_dropped_from_the_stack_stays_while_the_stack_uses_it(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    both = m.bundle(m.namespace(unique), m.config_map("own", unique))
    stack, _ = deployed(broker, agent, kubectl, unique, both)

    second = broker.push(stack, m.config_map("own", unique))

    wait_applied(kubectl, stack, second["sequence_id"])
    assert kubectl.get("namespace", unique)["status"]["phase"] == "Active"
    assert kubectl.get("-n", unique, "configmap", "own")
    kubectl.run("delete", "namespace", unique, "--wait=false")


def test_deleting_our_resources_leaves_every_workload_running(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    # NB: its lease goes with the namespace; here nobody would start it again
    agent = make_agent(lease_duration="60")
    stack = broker.stack(unique, agent_id=agent.id)
    text = m.bundle(m.namespace(unique), m.deployment("web", unique), m.config_map("c", unique))
    pushed = broker.push(stack, text)
    found = wait_applied(kubectl, stack, pushed["sequence_id"])
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["status"] == "Healthy")
    before = _uids(kubectl, unique)

    kubectl.run("delete", "brokkrstack", found["metadata"]["name"])
    eventually(lambda: kubectl.stack(stack)["metadata"]["uid"] != found["metadata"]["uid"])
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert _uids(kubectl, unique) == before

    before_it = _definition(kubectl, "brokkrstacks")
    kubectl.run("delete", "crd", "brokkrstacks.brokkr.io", "--wait=false")
    eventually(lambda: _definition(kubectl, "brokkrstacks") not in (None, before_it), seconds=60)
    eventually(lambda: kubectl.stack(stack))
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert _uids(kubectl, unique) == before

    kubectl.run("delete", "namespace", "brokkr-system")
    eventually(lambda: kubectl.get("-n", "brokkr-system", "secrets")["items"], seconds=60)
    assert _uids(kubectl, unique) == before
    # and what was lost is known again: the next version prunes
    second = broker.push(stack, m.bundle(m.namespace(unique), m.deployment("web", unique)))
    wait_applied(kubectl, stack, second["sequence_id"], seconds=60)
    assert kubectl.get("-n", unique, "configmap", "c") is None


def test_definitions_that_are_deleted_again_and_again_come_back(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    uid = kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"]
    # Given each of them deleted by itself
    for plural in OURS:
        before = _definition(kubectl, plural)
        kubectl.run("delete", "crd", f"{plural}.brokkr.io", "--wait=false")
        eventually(
            lambda plural=plural, before=before: _definition(kubectl, plural) not in (None, before),
            seconds=60,
        )
    # and all of them, in the middle of whatever the agent does about that
    for _ in range(8):
        every = [f"crd/{plural}.brokkr.io" for plural in OURS]
        kubectl.run("delete", *every, "--wait=false", "--ignore-not-found")
        time.sleep(random.random())
    # Then the same agent goes on, and nothing of the stack was touched
    second = broker.push(stack, m.config_map(unique, "default", "2"))
    eventually(lambda: _definition(kubectl, "brokkrstacks") and kubectl.stack(stack), seconds=60)
    wait_applied(kubectl, stack, second["sequence_id"], seconds=60)
    assert kubectl.get("-n", "default", "configmap", unique)["metadata"]["uid"] == uid
    # and it still does what work orders ask for
    body = {
        "work_type": "custom",
        "yaml_content": m.config_map(f"{unique}-order", "default"),
        "targeting": {"agent_ids": [agent.id]},
    }
    broker.ask("POST", "/work-orders", body)
    eventually(lambda: kubectl.get("-n", "default", "configmap", f"{unique}-order"), seconds=60)
    assert agent.running()


def test_told_to_stop_while_it_begins_anew_it_stops(agent: Agent, kubectl: Kubectl) -> None:
    for number, delay in ((signal.SIGTERM, 0.0), (signal.SIGINT, 0.0), (signal.SIGTERM, 0.5)):
        read = len(agent.log.read_text())
        kubectl.run("delete", "crd", "workorders.brokkr.io", "--wait=false")
        eventually(lambda read=read: "begins anew" in agent.log.read_text()[read:], seconds=60)
        time.sleep(delay)
        assert agent.kill(number) == 0
        read = len(agent.log.read_text())
        agent.start()
        eventually(lambda read=read: "agent starts" in agent.log.read_text()[read:], seconds=60)


def test_without_the_agent_nothing_of_ours_blocks_a_deletion(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent()
    stack = broker.stack(unique, agent_id=agent.id)
    pushed = broker.push(stack, m.config_map(unique, "default"))
    found = wait_applied(kubectl, stack, pushed["sequence_id"])
    agent.kill(signal.SIGTERM)

    assert "finalizers" not in found["metadata"]
    kubectl.run("delete", "brokkrstack", found["metadata"]["name"], timeout=10)
    name = next(
        a["metadata"]["name"]
        for a in kubectl.get("brokkragents")["items"]
        if a["spec"]["agentId"] == agent.id
    )
    kubectl.run("delete", "brokkragent", name, timeout=10)
    for plural in ("brokkrstacks", "workorders", "brokkragents"):
        kubectl.run("delete", "crd", f"{plural}.brokkr.io", timeout=10)
    time.sleep(1)
    assert kubectl.get("-n", "default", "configmap", unique)


def _definition(kubectl: Kubectl, plural: str) -> str | None:
    """The uid of one of our definitions."""
    found = kubectl.get("crd", f"{plural}.brokkr.io")
    return found["metadata"]["uid"] if found else None


def _labelled(name: str, namespace: str, stack: str, owner: str, *, owned_by: str = "") -> str:
    references = (
        f"  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: own, uid: {owned_by}}}]\n"
        if owned_by
        else ""
    )
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
        f"  labels: {{k8s.brokkr.io/stack: {stack}}}\n"
        f'  annotations: {{brokkr.io/owner-id: "{owner}"}}\n{references}'
    )


def _uids(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    found = kubectl.get("-n", namespace, "deployments,pods,configmaps")["items"]
    uids = {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["uid"] for o in found}
    return {"namespace": kubectl.get("namespace", namespace)["metadata"]["uid"], **uids}
