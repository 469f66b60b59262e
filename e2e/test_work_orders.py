"""Work orders: done once, to their real end, whoever dies on the way."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import manifests as m
from harness import Agent, Broker, Kubectl, eventually


def test_a_job_is_waited_for_and_its_end_is_told(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(m.config_map(unique, "default"), m.job(unique, "default", "example.com/a"))
    order = _order(broker, agent, text)
    entry = eventually(lambda: broker.ended(order))
    assert (entry["success"], entry["attempt"]) == (True, 1), entry
    assert entry["result_message"] == "Successfully applied 2 resource(s)"
    assert entry["claimed_by"] == agent.id
    job = kubectl.get("-n", "default", "job", unique)
    assert any(c["type"] == "Complete" for c in job["status"]["conditions"])
    shown = kubectl.run("get", "workorders").splitlines()
    assert shown[0].split() == ["NAME", "TYPE", "PHASE", "ATTEMPT", "STATUS", "AGE"]
    name = _resource(kubectl, order)["metadata"]["name"]
    assert any(name in line and "Succeeded" in line for line in shown)
    kubectl.run("wait", "--for=condition=Ready", f"workorder/{name}", "--timeout=10s")


def test_a_failed_job_says_what_its_pod_said_and_is_tried_anew(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.job(unique, "default", "example.com/a", fails=True)
    order = _order(broker, agent, text, max_retries=1, backoff_seconds=1)
    eventually(lambda: _resource(kubectl, order, attempt=1)["status"]["phase"] == "Failed")
    uid = kubectl.get("-n", "default", "job", unique)["metadata"]["uid"]
    entry = eventually(lambda: broker.ended(order), seconds=60)
    assert (entry["success"], entry["attempt"], entry["retries_attempted"]) == (False, 2, 1)
    assert f"Job {unique} in default" in entry["result_message"]
    assert "line 2 of a container" in entry["result_message"]
    assert kubectl.get("-n", "default", "job", unique)["metadata"]["uid"] != uid, "run anew"


def test_what_can_never_work_is_not_tried_again(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack = broker.stack(unique, agent_id=agent.id)
    broker.push(stack, m.config_map(unique, "default"))
    eventually(lambda: kubectl.get("-n", "default", "configmap", unique))
    cases = {
        "nothing like it": (m.custom("Nothing", "none.example.com", "x", "default"), "custom"),
        "unknown work type": (m.config_map(f"{unique}-a", "default"), "dance"),
        "belongs to stack": (m.config_map(unique, "default", "mine"), "custom"),
        "Sometimes": (m.job(unique, "default", "example.com/a", policy="Sometimes"), "custom"),
        "no buildRef": (
            "apiVersion: brokkr.io/v1\nkind: WorkOrder\nmetadata: {name: x}\n",
            "build",
        ),
    }
    texts = {"nothing like it": "does not serve Nothing", "no buildRef": "spec.buildRef.name"}
    orders = {
        what: _order(broker, agent, text, work_type=kind) for what, (text, kind) in cases.items()
    }
    for what, order in orders.items():
        entry = eventually(lambda order=order: broker.ended(order))
        assert (entry["success"], entry["retries_attempted"]) == (False, 0), entry
        assert texts.get(what, what) in entry["result_message"], entry
    assert kubectl.get("-n", "default", "configmap", unique)["data"] == {"value": "1"}


def test_a_restart_in_the_middle_goes_on_instead_of_beginning_again(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    order = _order(broker, agent, m.job(unique, "default", "example.com/a", suspended=True))
    eventually(lambda: _resource(kubectl, order)["status"]["inventory"])
    uid = kubectl.get("-n", "default", "job", unique)["metadata"]["uid"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        agent.kill(number)
        agent.start()
        agent.wait()
    kubectl.run("-n", "default", "patch", "job", unique, "-p", '{"spec":{"suspend":false}}')
    entry = eventually(lambda: broker.ended(order))
    assert (entry["success"], entry["attempt"]) == (True, 1)
    assert kubectl.get("-n", "default", "job", unique)["metadata"]["uid"] == uid


def test_work_that_ended_while_the_agent_was_away_is_not_done_again(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    order = _order(broker, agent, m.job(unique, "default", "example.com/a", suspended=True))
    eventually(lambda: _resource(kubectl, order)["status"]["inventory"])
    agent.kill()
    kubectl.run("-n", "default", "delete", "job", unique)
    agent.start()
    entry = eventually(lambda: broker.ended(order))
    assert not entry["success"]
    assert "is gone" in entry["result_message"]
    assert kubectl.get("-n", "default", "job", unique) is None


def test_the_result_waits_for_the_broker(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    order = _order(broker, agent, m.job(unique, "default", "example.com/a", suspended=True))
    eventually(lambda: _resource(kubectl, order)["status"]["inventory"])
    broker.kill()
    try:
        kubectl.run("-n", "default", "patch", "job", unique, "-p", '{"spec":{"suspend":false}}')
        eventually(lambda: _resource(kubectl, order)["status"]["phase"] == "Succeeded")
        agent.kill()
        agent.start()
    finally:
        broker.start()
        broker.wait()
    assert eventually(lambda: broker.ended(order))["success"]


def test_a_cancelled_order_stops_what_runs(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(
        m.config_map(unique, "default"),
        m.job(unique, "default", "example.com/a", suspended=True),
    )
    order = _order(broker, agent, text)
    eventually(lambda: _resource(kubectl, order)["status"]["inventory"])
    broker.ask("DELETE", f"/work-orders/{order}")
    eventually(lambda: _resource(kubectl, order)["status"]["phase"] == "Cancelled")
    eventually(lambda: kubectl.get("-n", "default", "job", unique) is None)
    assert kubectl.get("-n", "default", "configmap", unique), "what does not run stays"


def test_work_that_takes_too_long_ends_and_a_claim_is_kept_meanwhile(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.job(unique, "default", "example.com/a", suspended=True)
    order = _order(broker, agent, text, claim_timeout_seconds=4, max_retries=0)
    entry = eventually(lambda: broker.ended(order))
    assert (entry["success"], entry["attempt"]) == (False, 1)
    assert entry["result_message"] == "not done within 4 s"


def test_two_agents_race_and_one_does_it(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agents = [make_agent(), make_agent()]
    for agent in agents:
        broker.ask("POST", f"/agents/{agent.id}/labels", unique)
    orders = [
        _order(broker, None, m.config_map(f"{unique}-{i}", "default"), labels=[unique])
        for i in range(6)
    ]
    for order in orders:
        entry = eventually(lambda order=order: broker.ended(order))
        assert (entry["success"], entry["attempt"]) == (True, 1)
        found = kubectl.get("workorders", "-l", f"brokkr.io/work-order-id={order}")["items"]
        assert [w["spec"]["agentId"] for w in found] == [entry["claimed_by"]]


def test_an_ended_order_leaves_after_its_time(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(work_order_ttl="1")
    order = _order(broker, agent, m.config_map(unique, "default"))
    eventually(lambda: broker.ended(order))
    eventually(lambda: _resource(kubectl, order) is None)
    assert kubectl.get("-n", "default", "configmap", unique)


@pytest.fixture
def shipwright(kubectl: Kubectl) -> Iterator[Kubectl]:
    """Shipwright's kinds, and somebody who plays its controller."""
    for plural, kind in (("builds", "Build"), ("buildruns", "BuildRun")):
        text = m.definition(plural, kind, "shipwright.io").replace("name: v1\n", "name: v1beta1\n")
        kubectl.apply(
            text.replace(
                "    storage: true\n", "    storage: true\n    subresources: {status: {}}\n"
            )
        )
    stop = threading.Event()
    player = threading.Thread(target=_play, args=(kubectl, stop))
    player.start()
    yield kubectl
    stop.set()
    player.join()
    for plural in ("builds", "buildruns"):
        kubectl.run("delete", "crd", f"{plural}.shipwright.io", "--wait=false")


def _play(kubectl: Kubectl, stop: threading.Event) -> None:
    """Builds that are named `works` give a digest, others fail, and those that `hang` never end."""
    while not stop.wait(0.2):
        try:
            runs = (kubectl.get("buildruns", "-A") or {"items": []})["items"]
            for run in runs:
                name, namespace = run["metadata"]["name"], run["metadata"]["namespace"]
                build = run["spec"]["build"]["name"]
                if run.get("status") or "hang" in build:
                    continue
                good = "works" in build
                condition = {
                    "type": "Succeeded",
                    "status": str(good),
                    "reason": "Succeeded" if good else "Failed",
                    "message": "" if good else "the step build-push failed",
                }
                status: dict[str, Any] = {"conditions": [condition]}
                if good:
                    status["output"] = {"digest": "sha256:" + "ab" * 32}
                kubectl.run(
                    "-n", namespace, "patch", "buildrun", name, "--subresource=status",
                    "--type=merge", "-p", json.dumps({"status": status}),
                )  # fmt: skip
        except AssertionError:
            continue


def test_a_build_gives_the_digest_of_its_image(
    broker: Broker, agent: Agent, shipwright: Kubectl, unique: str
) -> None:
    order = _order(broker, agent, _build(f"{unique}-works"), work_type="build")
    entry = eventually(lambda: broker.ended(order))
    assert (entry["success"], entry["result_message"]) == (True, "sha256:" + "ab" * 32)
    run = shipwright.get("-n", "default", "buildrun", f"{unique}-works-{order[:8]}")
    assert run["metadata"]["labels"]["shipwright.io/build"] == f"{unique}-works"
    assert run["metadata"]["labels"]["brokkr.io/work-order-id"] == order
    # and one that is there already can be named
    named = (
        "apiVersion: brokkr.io/v1\nkind: WorkOrder\nmetadata: {name: again}\n"
        f"spec: {{buildRef: {{name: {unique}-works, namespace: default}}}}\n"
    )
    order = _order(broker, agent, named, work_type="build")
    assert eventually(lambda: broker.ended(order))["success"]


def test_a_build_that_fails_says_why_and_one_that_is_interrupted_goes_on(
    broker: Broker, agent: Agent, shipwright: Kubectl, unique: str
) -> None:
    order = _order(broker, agent, _build(f"{unique}-breaks"), work_type="build", max_retries=0)
    entry = eventually(lambda: broker.ended(order))
    assert not entry["success"]
    assert "the step build-push failed" in entry["result_message"]

    order = _order(broker, agent, _build(f"{unique}-hang"), work_type="build")
    eventually(lambda: _resource(shipwright, order)["status"]["inventory"])
    agent.kill()
    agent.start()
    agent.wait()
    status = {
        "conditions": [{"type": "Succeeded", "status": "True"}],
        "output": {"digest": "sha256:cd"},
    }
    shipwright.run(
        "-n", "default", "patch", "buildrun", f"{unique}-hang-{order[:8]}",
        "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}),
    )  # fmt: skip
    entry = eventually(lambda: broker.ended(order))
    assert (entry["success"], entry["result_message"], entry["attempt"]) == (True, "sha256:cd", 1)


def _build(name: str) -> str:
    return (
        "apiVersion: shipwright.io/v1beta1\nkind: Build\n"
        f"metadata: {{name: {name}, namespace: default}}\n"
        "spec: {strategy: {name: buildah}, output: {image: example.com/app}}\n"
    )


def _order(broker: Broker, agent: Agent | None, text: str, **fields: Any) -> str:
    targeting = {"agent_ids": [agent.id]} if agent else {"labels": fields.pop("labels")}
    body = {"work_type": "custom", "yaml_content": text, "targeting": targeting, **fields}
    order: str = broker.ask("POST", "/work-orders", body)["id"]
    return order


def _resource(kubectl: Kubectl, order: str, attempt: int = 0) -> Any:
    found = kubectl.get("workorders", "-l", f"brokkr.io/work-order-id={order}")["items"]
    fitting = [w for w in found if attempt in (0, w["spec"]["attempt"])]
    return fitting[0] if fitting else None
