"""Extensions: the package of docs/extensions.md, installed, in a broker and an agent of its own."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import manifests as m
from clusters import Cluster
from harness import Agent, Broker, Kubectl, deployed, eventually, stop_all, wait_reported

DOCUMENT = Path(__file__).parents[1] / "docs/extensions.md"
GROUP = "acme.example.com"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, as pip installs it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name, kind in (("pyproject.toml", "toml"), ("acme_brokkr.py", "python")):
        found = re.search(rf"```{kind}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        assert found
        (source / name).write_text(found[1])
    _install(source, target)
    return target


def _install(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*command, *options, str(source)], check=True)


@pytest.fixture(scope="module")
def extended(installed: Path) -> Iterator[Broker]:
    folder = Path(f"/tmp/brokkr-e2e-{uuid4().hex[:8]}")
    events = installed / "events"
    events.touch()
    broker = Broker(folder, PYTHONPATH=str(installed), ACME_EVENTS=str(events))
    broker.start()
    broker.wait()
    yield broker
    stop_all(broker)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def agent(extended: Broker, cluster: Cluster, installed: Path, workdir: Path) -> Iterator[Agent]:
    agent = Agent(
        workdir,
        extended,
        cluster.agent_kubeconfig,
        "extended",
        environ={"PYTHONPATH": str(installed)},
    )
    agent.start()
    agent.wait()
    yield agent
    stop_all(agent)


def test_a_validator_refuses_at_the_broker_and_in_the_agent(
    extended: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    bad = m.deployment(unique, "default").replace("example.com/app", "example.com/app:latest")
    stack = extended.stack(unique, agent_id=agent.id)
    path = f"/stacks/{stack}/deployment-objects"
    text = m.bundle(m.config_map(unique, "default"), bad)
    answer = extended.call("POST", path, {"yaml_content": text})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_deployment_object")
    assert "document 2, line 6: no-latest: image example.com/app:latest" in answer.json()["error"]
    # Given a broker without it, the agent refuses
    extended.env.pop("PYTHONPATH")
    extended.kill(15)
    extended.start()
    extended.wait()
    try:
        pushed = extended.push(stack, text)
        wait_reported(extended, agent, pushed["id"], "FAILURE")
        assert kubectl.condition(stack)["reason"] == "InvalidManifest"
        assert "no-latest" in kubectl.condition(stack)["message"]
        assert kubectl.get("-n", "default", "configmap", unique) is None
    finally:
        extended.env["PYTHONPATH"] = agent.env["PYTHONPATH"]
        extended.kill(15)
        extended.start()
        extended.wait()


def test_an_event_handler_hears_what_is_stored(
    extended: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    _stack, pushed = deployed(extended, agent, kubectl, unique, m.config_map(unique, "default"))
    file = Path(extended.env["ACME_EVENTS"])
    eventually(lambda: f"SUCCESS {pushed['id']}" in file.read_text())


def test_a_type_of_work_is_done(
    extended: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    body = {
        "work_type": "count-pods",
        "yaml_content": m.config_map(unique, "default"),
        "targeting": {"agent_ids": [agent.id]},
    }
    order = extended.ask("POST", "/work-orders", body)["id"]
    entry = eventually(lambda: extended.ended(order))
    assert entry["success"]
    assert re.fullmatch(r"1 applied, \d+ pods in the cluster", str(entry["result_message"]))


def test_a_health_rule_judges_its_kind(
    extended: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    text = m.bundle(
        m.definition("valves", "Valve", GROUP), m.custom("Valve", GROUP, unique, "default")
    )
    stack, _ = deployed(extended, agent, kubectl, unique, text)
    health = kubectl.stack(stack)["status"]["health"]
    assert (health["status"], health["message"]) == (
        "Degraded",
        f"Valve {unique} in default: the valve is nowhere",
    )
    patch = '{"status":{"position":"open"}}'
    kubectl.run("-n", "default", "patch", f"valves.{GROUP}", unique, "--type=merge", "-p", patch)
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["status"] == "Healthy")
    extended.push_marker(stack)
    eventually(lambda: kubectl.stack(stack) is None)


def test_one_that_cannot_be_loaded_is_named_and_nothing_starts(
    cluster: Cluster, extended: Broker, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "broken"\nversion = "1"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["broken.py"]\n'
        '[project.entry-points."brokkr.validators"]\nmine = "broken:nothing"\n'
    )
    (source / "broken.py").write_text("")
    _install(source, target)
    agent = Agent(
        tmp_path, extended, cluster.agent_kubeconfig, f"broken-{uuid4().hex[:6]}",
        environ={"PYTHONPATH": str(target)},
    )  # fmt: skip
    broker = Broker(tmp_path / "b", PYTHONPATH=str(target))
    for process in (agent, broker):
        process.start()
        assert process.ends() == 1
        text = process.log.read_text()
        assert "extension mine of brokkr.validators (broken:nothing): AttributeError" in text
