"""One cluster and one broker for the whole run; an agent of its own for each story."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import assets
import clusters
from admission import Webhook
from harness import Agent, Broker, Kubectl, eventually, stop_all


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def cluster(workdir: Path) -> Iterator[clusters.Cluster]:
    cluster = clusters.choose(workdir / "cluster", name=f"brokkr-{uuid4().hex[:6]}")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def kubectl(cluster: clusters.Cluster) -> Kubectl:
    local = isinstance(cluster, clusters.LocalCluster)
    own = None if local else shutil.which("kubectl")
    return Kubectl(own or str(assets.find("kubectl")), cluster.kubeconfig)


@pytest.fixture(scope="session")
def shared_broker(workdir: Path) -> Iterator[Broker]:
    # NB: a short path, Unix sockets have 107 characters.
    broker = Broker(Path(f"/tmp/brokkr-e2e-{uuid4().hex[:8]}"))
    broker.start()
    broker.wait()
    yield broker
    stop_all(broker)
    shutil.rmtree(broker.folder, ignore_errors=True)


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    if not shared_broker.running():
        shared_broker.start()
        shared_broker.wait()
    return shared_broker


@pytest.fixture
def make_agent(
    broker: Broker, cluster: clusters.Cluster, kubectl: Kubectl, workdir: Path
) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**settings: str) -> Agent:
        name = f"agent-{uuid4().hex[:8]}"
        agent = Agent(workdir, broker, cluster.agent_kubeconfig, name, **settings)
        made.append(agent)
        agent.start()
        agent.wait()
        return agent

    yield make
    for agent in made:
        _clean_up(broker, kubectl, agent)


@pytest.fixture
def agent(make_agent: Callable[..., Agent]) -> Agent:
    return make_agent()


@pytest.fixture
def unique() -> str:
    return f"t{uuid4().hex[:8]}"


@pytest.fixture
def webhook(cluster: clusters.Cluster, kubectl: Kubectl, unique: str) -> Iterator[Webhook]:
    if not isinstance(cluster, clusters.LocalCluster):
        pytest.skip("the API server cannot reach this process")
    webhook = Webhook(kubectl, unique)
    yield webhook
    webhook.remove()


def _clean_up(broker: Broker, kubectl: Kubectl, agent: Agent) -> None:
    """Delete the agent's stacks and see that they went: every story ends with a removal."""
    if not agent.running():
        agent.start()
        agent.wait()
    for stack in broker.ask("GET", f"/agents/{agent.id}/stacks"):
        broker.ask("DELETE", f"/stacks/{stack['id']}")

    def gone() -> bool:
        found = kubectl.get("brokkrstacks")
        items = found["items"] if found else []
        return not [
            s for s in items if s["spec"]["agentId"] == agent.id and s["spec"].get("targeted", True)
        ]

    eventually(gone, seconds=60, what=f"stacks of {agent.name} removed (log: {agent.log})")
    stop_all(agent)
