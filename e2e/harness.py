"""A real broker and real agents as processes, and what a person would type at them.

Used by the stories in this folder, by the demo and by the benchmark.
"""

import contextlib
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")
_BIN = Path(sys.executable).parent


def eventually(probe: Callable[[], T], *, seconds: float = 30, what: str = "") -> T:
    """The first truthy result of a probe. A failed assertion inside counts as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            if result := probe():
                return result
        except (AssertionError, KeyError, StopIteration, TypeError, requests.ConnectionError) as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe} ({last})")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Process:
    """A command with its log, that can be killed and started again."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.command = command
        self.env = env
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end. Returns the exit code."""
        assert self._process
        self._process.send_signal(number)
        return self._process.wait(timeout=30)

    def ends(self) -> int:
        """Wait until it ends by itself. Returns the exit code."""
        assert self._process
        return self._process.wait(timeout=30)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Broker(Process):
    """`brokkr-broker serve` with the embedded Postgres, and the admin's REST API."""

    def __init__(
        self, folder: Path, *, durable: bool = False, log_level: str = "info", **settings: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {
            "BROKKR__API__HOST": "127.0.0.1",
            "BROKKR__API__PORT": str(self.port),
            "BROKKR__BROKER__DATA_DIR": str(folder / "data"),
            "BROKKR__DATABASE__DURABLE": str(durable).lower(),
            "BROKKR__LOG__LEVEL": log_level,
            **settings,
        }
        super().__init__([str(_BIN / "brokkr-broker"), "serve"], env, folder / "broker.log")
        self._http = requests.Session()

    def wait(self) -> None:
        eventually(lambda: self._http.get(f"{self.url}/readyz", timeout=2).ok, what=str(self.log))

    @property
    def pak(self) -> str:
        return (self.folder / "data" / "admin-pak").read_text().strip()

    def call(
        self, method: str, path: str, body: Any = None, *, pak: str | None = None, **options: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {pak or self.pak}", **options.pop("headers", {})}
        return self._http.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=30, **options
        )

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = self.call(method, path, body, **options)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content else None

    def register(self, name: str, cluster: str = "e2e") -> tuple[str, str]:
        made = self.ask("POST", "/agents", {"name": name, "cluster_name": cluster})
        return made["agent"]["id"], made["initial_pak"]

    def stack(self, name: str, *, agent_id: str | None = None) -> str:
        stack_id: str = self.ask("POST", "/stacks", {"name": name})["id"]
        if agent_id:
            self.ask("POST", f"/agents/{agent_id}/targets", {"stack_id": stack_id})
        return stack_id

    def push(self, stack_id: str, yaml: str) -> dict[str, Any]:
        path = f"/stacks/{stack_id}/deployment-objects"
        made: dict[str, Any] = self.ask("POST", path, {"yaml_content": yaml})
        return made

    def push_marker(self, stack_id: str) -> dict[str, Any]:
        path = f"/stacks/{stack_id}/deployment-objects"
        made: dict[str, Any] = self.ask("POST", path, {"is_deletion_marker": True})
        return made

    def events(self, agent_id: str, object_id: str | None = None) -> list[dict[str, Any]]:
        """Newest first."""
        found = self.ask("GET", f"/agents/{agent_id}/events")
        return [e for e in found if object_id in (None, e["deployment_object_id"])]

    def ended(self, order_id: str) -> Any:
        """The log entry of a work order, None while it has none."""
        found = self.call("GET", f"/work-order-log/{order_id}")
        return found.json() if found.ok else None


class Agent(Process):
    """`brokkr-agent start`, registered with a broker."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        kubeconfig: Path,
        name: str,
        *,
        log_level: str = "trace",
        environ: dict[str, str] | None = None,
        **settings: str,
    ) -> None:
        self.name = name
        self.broker = broker
        self.id, self.pak = broker.register(name)
        self._settings = {
            "broker_url": broker.url,
            "pak": self.pak,
            "agent_name": name,
            "cluster_name": "e2e",
            "kubeconfig_path": str(kubeconfig),
            "polling_interval": "0.3",
            "resync_interval": "2",
            "deployment_health_interval": "1",
            "event_message_retry_delay": "0.5",
            **settings,
        }
        if "pak_file" in settings:
            Path(settings["pak_file"]).write_text(self.pak)
            del self._settings["pak"]
        self._environ = {"BROKKR__LOG__LEVEL": log_level, **(environ or {})}
        self._run_as(name, folder)

    def _run_as(self, pod: str, folder: Path) -> None:
        self.health_port = free_port()
        values = {**self._settings, "health_port": str(self.health_port)}
        env = {f"BROKKR__AGENT__{key.upper()}": value for key, value in values.items()}
        env |= {"POD_NAME": pod, **self._environ}
        super().__init__([str(_BIN / "brokkr-agent"), "start"], env, folder / f"{pod}.log")

    def replica(self) -> "Agent":
        """The same agent once more, as another pod. Not started yet."""
        other = copy.copy(self)
        other._run_as(f"{self.name}-2", self.log.parent)
        return other

    def wait(self) -> None:
        eventually(lambda: self.probe("readyz").ok, seconds=60, what=str(self.log))

    def probe(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.health_port}/{path}", timeout=5)

    def leads(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return self.running() and bool(self.probe("health").json()["leader"])
        return False


class Kubectl:
    """What a person sees and does in the cluster."""

    def __init__(self, binary: str, kubeconfig: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig

    def run(self, *arguments: str, text: str | None = None, timeout: float = 60) -> str:
        command = [self.binary, "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, yaml: str) -> None:
        self.run("apply", "--server-side", "-f", "-", text=yaml)

    def get(self, *arguments: str) -> Any:
        """An object or a list, or None where it is not there."""
        try:
            return json.loads(self.run("get", *arguments, "-o", "json"))
        except AssertionError as e:
            if "NotFound" in str(e) or "the server doesn't have a resource type" in str(e):
                return None
            raise

    def stack(self, stack_id: str) -> dict[str, Any] | None:
        found = self.get("brokkrstacks", "-l", f"k8s.brokkr.io/stack={stack_id}")
        items = found["items"] if found else []
        return items[0] if items else None

    def condition(self, stack_id: str, kind: str = "Ready") -> dict[str, Any]:
        found = self.stack(stack_id)
        assert found, "no BrokkrStack"
        return next(c for c in found["status"]["conditions"] if c["type"] == kind)


def wait_applied(
    kubectl: Kubectl, stack_id: str, sequence: int, *, seconds: float = 30
) -> dict[str, Any]:
    """Until a version is applied and Ready. Returns the BrokkrStack."""

    def probe() -> dict[str, Any] | None:
        found = kubectl.stack(stack_id)
        assert found, "no BrokkrStack"
        ready = next(c for c in found["status"]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True", ready
        assert found["status"]["lastAppliedSequence"] == sequence, found["status"]
        return found

    return eventually(probe, seconds=seconds)


def wait_reported(
    broker: Broker, agent: Agent, object_id: str, status: str = "SUCCESS", *, seconds: float = 30
) -> None:
    """Until the newest event of a version at the broker has a status."""

    def probe() -> bool:
        newest = next(iter(broker.events(agent.id, object_id)), None)
        assert newest, "no event"
        assert newest["status"] == status, newest
        return True

    eventually(probe, seconds=seconds)


def deployed(
    broker: Broker, agent: Agent, kubectl: Kubectl, name: str, yaml: str
) -> tuple[str, dict[str, Any]]:
    """A new stack of an agent, with a first version that is applied. Returns its id and that."""
    stack = broker.stack(name, agent_id=agent.id)
    pushed = broker.push(stack, yaml)
    wait_applied(kubectl, stack, pushed["sequence_id"])
    return stack, pushed


def stop_all(*processes: Process) -> None:
    for process in processes:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            if process.running():
                process.kill(signal.SIGTERM)
