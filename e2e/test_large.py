"""Large input, and input that no one here wrote."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

import manifests as m
from harness import Agent, Broker, Kubectl, eventually, wait_applied

_MODULES = {
    "github.com/cert-manager/cert-manager": ["deploy/crds"],
    "sigs.k8s.io/gateway-api": ["config/crd/experimental"],
}


@pytest.fixture(scope="session")
def definitions() -> list[Path]:
    """The CRDs of two projects, out of their Go modules (pinned in bundles/go.mod)."""
    command = ["go", "mod", "download", "-json", *_MODULES]
    done = subprocess.run(
        command, cwd=Path(__file__).parent / "bundles", capture_output=True, text=True, check=True
    )
    decoder, text, files = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        module, end = decoder.raw_decode(text)
        text = text[end:].strip()
        for folder in _MODULES[module["Path"]]:
            files += sorted((Path(module["Dir"]) / folder).glob("*_*.yaml"))
    return files


def test_a_deployment_object_of_3_mb_with_1500_objects(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str
) -> None:
    stack = broker.stack(unique, agent_id=agent.id)
    maps = [m.config_map(f"c{i}", unique, f"{i:04}" * 480) for i in range(1500)]
    text = m.bundle(m.namespace(unique), *maps)
    assert len(text) > 3_000_000

    pushed = broker.push(stack, text)

    found = wait_applied(kubectl, stack, pushed["sequence_id"], seconds=120)
    assert found["status"]["objects"] == 1501
    live = kubectl.get("-n", unique, "configmaps", "-l", f"k8s.brokkr.io/stack={stack}")["items"]
    assert len(live) == 1500
    assert {o["data"]["value"][:4] for o in live} == {f"{i:04}" for i in range(1500)}


def test_definitions_of_other_projects(
    broker: Broker, agent: Agent, kubectl: Kubectl, unique: str, definitions: list[Path]
) -> None:
    # Given the CRDs of two projects, some of them too large for a client-side apply
    assert max(f.stat().st_size for f in definitions) > 300_000
    names = {yaml.safe_load(f.read_text())["metadata"]["name"] for f in definitions}
    assert len(names) == len(definitions) >= 15
    others = _definitions(kubectl)
    stack = broker.stack(unique, agent_id=agent.id)
    # When they are pushed as one version
    pushed = broker.push(stack, "\n---\n".join(f.read_text() for f in definitions))
    # Then each of them is established
    wait_applied(kubectl, stack, pushed["sequence_id"], seconds=120)
    found = _definitions(kubectl)
    assert names <= found.keys()
    assert all(_established(found[name]) for name in names)
    # and a marker removes exactly those
    broker.push_marker(stack)
    eventually(lambda: _definitions(kubectl).keys() == others.keys(), seconds=60)


def _definitions(kubectl: Kubectl) -> dict[str, dict[str, object]]:
    return {d["metadata"]["name"]: d for d in kubectl.get("crds")["items"]}


def _established(definition: dict[str, object]) -> bool:
    conditions = definition["status"]["conditions"]  # type: ignore[index]
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
