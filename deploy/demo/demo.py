"""`make demo`: Postgres, broker, cluster, agent, an application, and its second version.

Everything runs as this user on this machine, and stays running until `make demo-down`.
"""

import contextlib
import getpass
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "e2e"))

import assets  # noqa: E402
import clusters  # noqa: E402
from harness import Broker, Kubectl, Process, eventually, free_port, wait_applied  # noqa: E402

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent
_DIGEST = hashlib.sha256(f"{getpass.getuser()}{ROOT}".encode()).hexdigest()[:6]
FOLDER = Path(tempfile.gettempdir()) / f"brokkr-demo-{_DIGEST}"
STATE = FOLDER / "state.json"
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def show(kubectl: Kubectl, *arguments: str) -> None:
    print(f"\n$ kubectl {' '.join(arguments)}\n{kubectl.run(*arguments)}", flush=True)


def up() -> None:
    if STATE.exists():
        sys.exit("The demo is running already. Stop it with: make demo-down")
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    if FOLDER.stat().st_uid != os.getuid():
        sys.exit(f"{FOLDER} belongs to somebody else")
    state: dict[str, Any] = {"pids": [], "cluster": None}
    try:
        _up(state)
    except BaseException:
        STATE.write_text(json.dumps(state))
        down(quiet=True)
        print(f"The demo failed; its logs were in {FOLDER}", file=sys.stderr)
        raise


def _up(state: dict[str, Any]) -> None:
    cluster = _cluster(state)
    local = isinstance(cluster, clusters.LocalCluster)
    own = None if local else shutil.which("kubectl")
    kubectl = Kubectl(own or str(assets.find("kubectl")), cluster.kubeconfig)

    say("broker: starting, with a Postgres of its own")
    broker = Broker(FOLDER / "broker", durable=True)
    _start(broker, state)
    broker.wait()
    say(f"broker: serving at {broker.url}")

    agent = _agent(broker, cluster, state)
    generator = broker.ask("POST", "/generators", {"name": "demo-ci"})
    ci = generator["pak"]
    _keep("generator-pak", ci)
    stack = broker.ask("POST", "/stacks", {"name": "shop"}, pak=ci)
    broker.ask("POST", f"/agents/{agent}/targets", {"stack_id": stack["id"]})
    state |= {"url": broker.url, "stack": stack["id"]}
    say("made: generator demo-ci, its stack shop, and a target for the agent")

    _push(broker, kubectl, stack["id"], ci, "shop-v1.yaml")
    show(kubectl, "get", "brokkrstacks")
    show(kubectl, "-n", "shop", "get", "deployments,jobs,services,discounts,configmaps,secrets")
    _push(broker, kubectl, stack["id"], ci, "shop-v2.yaml")
    show(kubectl, "get", "brokkrstacks")
    banner = kubectl.get("-n", "shop", "configmap", "settings")["data"]["BANNER"]
    say(f"updated: the banner says {banner!r}")
    assert kubectl.get("-n", "shop", "discounts", "summer") is None
    say("pruned: discount summer is gone")
    STATE.write_text(json.dumps(state))
    _farewell(broker, kubectl, stack["id"])


def _cluster(state: dict[str, Any]) -> clusters.Cluster:
    cluster = clusters.choose(FOLDER / "cluster", name="brokkr-demo")
    state["cluster"] = type(cluster).__name__
    if isinstance(cluster, clusters.LocalCluster):
        say("cluster: a local control plane (the first time, it is built: some minutes)")
        assets.build()
    say("cluster: starting")
    cluster.start()
    say(f"cluster: ready, KUBECONFIG={cluster.kubeconfig}")
    return cluster


def _agent(broker: Broker, cluster: clusters.Cluster, state: dict[str, Any]) -> str:
    made = broker.ask("POST", "/agents", {"name": "demo", "cluster_name": "demo"})
    settings = {
        "broker_url": broker.url,
        "pak": made["initial_pak"],
        "agent_name": "demo",
        "cluster_name": "demo",
        "kubeconfig_path": str(cluster.kubeconfig),
        "polling_interval": "1",
        "health_port": str(free_port()),
    }
    env = {f"BROKKR__AGENT__{key.upper()}": value for key, value in settings.items()}
    agent = Process([str(BIN / "brokkr-agent"), "start"], env, FOLDER / "agent.log")
    _start(agent, state)
    agent_id: str = made["agent"]["id"]

    def active() -> bool:
        return bool(broker.ask("GET", f"/agents/{agent_id}")["status"] == "ACTIVE")

    eventually(active, seconds=60, what=str(agent.log))
    say("agent: connected and active")
    return agent_id


def _push(broker: Broker, kubectl: Kubectl, stack: str, pak: str, file: str) -> None:
    text = (HERE / file).read_text()
    path = f"/stacks/{stack}/deployment-objects"
    begun = time.monotonic()
    pushed = broker.ask("POST", path, {"yaml_content": text}, pak=pak)
    say(f"pushed {file} as sequence {pushed['sequence_id']}")
    wait_applied(kubectl, stack, pushed["sequence_id"], seconds=60)
    say(f"applied {time.monotonic() - begun:.1f} s after the push")
    eventually(lambda: kubectl.stack(stack)["status"]["health"]["status"] == "Healthy", seconds=60)
    say("healthy")


def _farewell(broker: Broker, kubectl: Kubectl, stack: str) -> None:
    binary = "kubectl" if shutil.which("kubectl") else kubectl.binary
    print(f"""
It stays running.

Look at it:
  export KUBECONFIG={kubectl.kubeconfig}
  {binary} get brokkrstacks
  {binary} -n shop get all
  open {broker.url}/swagger-ui/

Push to it:
  curl -X POST {broker.url}/api/v1/stacks/{stack}/deployment-objects \\
    -H "Authorization: Bearer $(cat {FOLDER}/generator-pak)" \\
    -H "Content-Type: application/yaml" --data-binary @deploy/demo/shop-v1.yaml

The admin's key is in {broker.folder}/data/admin-pak, logs are in {FOLDER}.

Stop it:
  make demo-down
""")


def _start(process: Process, state: dict[str, Any]) -> None:
    process.start()
    state["pids"].append(process.pid)


def _keep(name: str, text: str) -> None:
    descriptor = os.open(FOLDER / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def down(*, quiet: bool = False) -> None:
    if not STATE.exists():
        print("The demo is not running.")
        return
    state = json.loads(STATE.read_text())
    for pid in reversed(state["pids"]):
        _stop(pid)
    match state["cluster"]:
        case "LocalCluster":
            clusters.LocalCluster(FOLDER / "cluster").stop()
        case "KindCluster":
            clusters.KindCluster(FOLDER / "cluster", "brokkr-demo").stop()
        case "NamedCluster":
            print(
                "Your cluster keeps what the demo applied: delete namespace shop to be rid of it."
            )
    if quiet:
        STATE.unlink()
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    print("Stopped.")


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(200):
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    try:
        {"up": up, "down": down}[sys.argv[1]]()
    except (AssertionError, subprocess.SubprocessError) as e:
        sys.exit(f"demo: {e}")
