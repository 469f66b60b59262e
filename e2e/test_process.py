"""The agent as a process: how it starts, answers, logs, takes a new key, and ends."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import manifests as m
from clusters import Cluster
from harness import Agent, Broker, Kubectl, deployed, eventually, free_port, wait_applied


def test_four_endpoints_for_whoever_looks_after_it(agent: Agent) -> None:
    assert agent.probe("healthz").text == "OK"
    eventually(lambda: agent.probe("readyz").status_code == 200)
    health = agent.probe("health").json()
    assert health["status"] == "healthy"
    assert health["kubernetes"] == {"connected": True}
    assert health["broker"]["connected"] is True
    assert health["broker"]["last_heartbeat"]
    metrics = agent.probe("metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for name in ("poll_requests_total", "heartbeat_sent_total", "kubernetes_operations_total"):
        assert f"brokkr_agent_{name}" in metrics.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well(agent: Agent, number: int) -> None:
    assert agent.kill(number) == 0


def test_as_process_1_of_a_container_it_hears_sigterm(agent: Agent) -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("this machine makes no PID namespaces here")
    agent.kill(signal.SIGTERM)
    agent.command[:0] = command
    agent.start()
    agent.wait()
    inside = psutil.Process(agent.pid).children()[0]
    inside.send_signal(signal.SIGTERM)
    assert agent.ends() == 0
    del agent.command[: len(command)]


def test_without_what_it_needs_it_says_what(
    broker: Broker, cluster: Cluster, workdir: Path, tmp_path: Path
) -> None:
    kubeconfig = cluster.agent_kubeconfig
    for settings, text in (
        ({"pak": ""}, "agent.pak"),
        ({"polling_interval": "soon"}, "agent.polling_interval"),
        ({"kubeconfig_path": str(tmp_path / "none")}, "no Kubernetes API"),
        ({"pak": "brokkr_BRwrong_" + "x" * 24, "max_retries": "0"}, "401"),
        ({"broker_url": f"http://127.0.0.1:{free_port()}", "max_retries": "0"}, "does not answer"),
        ({"pak_file": str(tmp_path / "pak"), "agent_name": "other"}, "other"),
    ):
        agent = Agent(tmp_path, broker, kubeconfig, f"agent-{free_port()}", **settings)
        agent.start()
        assert agent.ends() == 1, settings
        last = agent.log.read_text().splitlines()[-1]
        assert text in last, (settings, last)
        assert last.startswith("brokkr-agent: ")


def test_neither_keys_nor_secrets_are_in_its_log(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a stack with a Secret, at the most talkative level
    deployed(broker, agent, kubectl, unique, _secret(unique, "stringData: {a: c0rrect-h0rse}"))
    # Then the log tells what was done, and nothing of what is in it
    log = agent.log.read_text()
    assert "target state mirrored" in log
    assert "c0rrect-h0rse" not in log
    assert agent.pak not in log
    assert agent.pak.rpartition("_")[2] not in log


def test_what_the_api_server_quotes_of_a_refused_object_is_not_repeated(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    # Given a Secret and a pod, each with a password
    both = m.bundle(
        _secret(unique, "stringData: {a: c0rrect-h0rse}"), _pod(unique, "c0rrect-h0rse")
    )
    stack, _ = deployed(broker, agent, kubectl, unique, both)
    # When versions of them are refused, for reasons that show it
    labels = m.deployment(unique, "default").replace(
        "labels: {app: ", "labels: {app: c0rrect-h0rse-"
    )
    values = '[c0rrect-h0rse, "two\\nlines: c0rrect-h0rse"]'
    pull = "type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: c0rrect-h0rse}"
    refused = {
        "illegal base64 data": _secret(unique, "data: {a: not*base64-c0rrect-h0rse}"),
        "got another type": _secret(unique, f"data: {{a: {values}}}"),
        "contents redacted": _secret(f"{unique}-b", pull),
        "pod updates may not change fields": _pod(unique, "an0ther c0rrect-h0rse"),
        "does not match template `labels`": labels,
    }
    for why, text in refused.items():
        broker.push(stack, text)
        # Then log, status and event say why, without it
        message = eventually(lambda why=why: _message(kubectl, stack, why))
        eventually(lambda why=why: why in agent.log.read_text())
        assert unique in message
    told = json.dumps([kubectl.stack(stack), broker.events(agent.id), kubectl.get("events", "-A")])
    assert "does not match" in told
    assert "c0rrect-h0rse" not in told
    assert "c0rrect-h0rse" not in agent.log.read_text()


def test_a_new_key_in_its_file_is_taken_without_a_restart(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str, tmp_path: Path
) -> None:
    file = tmp_path / "pak"
    agent = make_agent(pak_file=str(file))
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    pid = agent.pid
    # When the key is rotated, the old one is refused, and the agent says so
    fresh = broker.ask("POST", f"/agents/{agent.id}/rotate-pak")["pak"]
    eventually(lambda: agent.probe("readyz").status_code == 503)
    # When its file has the new one, it goes on
    beside = tmp_path / "pak.new"
    beside.write_text(fresh + "\n")
    beside.rename(file)
    pushed = broker.push(stack, m.config_map(unique, "default", "2"))
    wait_applied(kubectl, stack, pushed["sequence_id"])
    assert agent.pid == pid


def _message(kubectl: Kubectl, stack: str, part: str) -> str | None:
    """Why the stack is not Ready, once that is for this reason."""
    message: str = kubectl.condition(stack)["message"]
    return message if part in message else None


def _secret(name: str, content: str) -> str:
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: default}}\n{content}\n"
    )


def _pod(name: str, password: str) -> str:
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default}}
spec:
  containers: [{{name: a, image: example.com/a, env: [{{name: PASSWORD, value: {password}}}]}}]
"""
