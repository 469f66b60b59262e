"""A real cluster for tests and the demo: the user's, a kind one, or a control plane on loopback.

Whoever uses one sees a kubeconfig and nothing else.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import assets

_TOKENS = {"admin": "e2e-admin", "agent": "e2e-agent"}
_AUDIT = {  # what agents do, and nobody else
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": ["agent"]}, {"level": "None"}],
}


class LocalCluster:
    """etcd, kube-apiserver, controller manager, scheduler, kwok: pods seem to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.kubeconfig = self.folder / "kubeconfig"
        self.agent_kubeconfig = self.folder / "kubeconfig-agent"
        self.audit_log = self.folder / "log" / "audit.log"
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self._ports['kube-apiserver']}"

    def start(self) -> None:
        for name in ("pki", "log", "pid"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        names = (
            "etcd",
            "peer",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kwok",
        )
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._credentials()
        shutil.copy(Path(__file__).with_name("kwok.yaml"), self.folder)
        lines = [f"2026-01-01T00:00:0{i}Z stdout F line {i} of a container\n" for i in range(3)]
        (self.folder / "container.log").write_text("".join(lines))
        self.start_component("etcd")
        self.start_component("kube-apiserver")
        self.wait_ready()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self.start_component(name)
        self._kubectl("apply", "-f", "-", text=yaml.safe_dump(_node()))
        self._wait(lambda: self._kubectl("-n", "default", "get", "sa", "default") == 0)

    def stop(self) -> None:
        for name in ("kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            self.stop_component(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_component(self, name: str) -> None:
        command = [str(assets.find(name)), *self._arguments(name)]
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        (self.folder / "pid" / name).write_text(str(process.pid))

    def stop_component(self, name: str, number: int = signal.SIGTERM) -> None:
        """By its handle, or, started by another process, by its pid."""
        if process := self._processes.pop(name, None):
            process.send_signal(number)
            process.wait(timeout=20)
            return
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "pid" / name).read_text())
            os.kill(pid, number)
            for _ in range(100):
                os.kill(pid, 0)
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)

    def wait_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self.folder / "pki/ca.crt"))

        def ready() -> bool:
            try:
                with urllib.request.urlopen(
                    f"{self.server}/readyz", context=context, timeout=2
                ) as r:
                    return bool(r.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        self._wait(ready)

    def _wait(self, condition: object, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the cluster in {self.folder} does not start: see its log folder"
                )
            time.sleep(0.05)

    def _kubectl(self, *arguments: str, text: str | None = None) -> int:
        command = [str(assets.find("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=text, text=True, capture_output=True).returncode

    def _credentials(self) -> None:
        pki = self.folder / "pki"
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(pki / "ca.crt")
        authority.private_key_pem.write_to_path(pki / "ca.key")
        hosts = ("localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1")
        server = authority.issue_cert(*hosts, key_type=trustme.KeyType.ECDSA)
        client = authority.issue_cert(
            common_name="kube-apiserver-kubelet-client",
            organization_name="system:masters",
            key_type=trustme.KeyType.ECDSA,
        )
        for name, certificate in (("api", server), ("kubelet-client", client)):
            certificate.cert_chain_pems[0].write_to_path(pki / f"{name}.crt")
            certificate.private_key_pem.write_to_path(pki / f"{name}.key")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (pki / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        lines = [f"{token},{name},{name},system:masters\n" for name, token in _TOKENS.items()]
        (pki / "tokens.csv").write_text("".join(lines))
        (pki / "audit.yaml").write_text(yaml.safe_dump(_AUDIT))
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig("admin")))
        self.agent_kubeconfig.write_text(yaml.safe_dump(self._kubeconfig("agent")))

    def _kubeconfig(self, user: str) -> dict[str, object]:
        cluster = {"server": self.server, "certificate-authority": str(self.folder / "pki/ca.crt")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "local",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": _TOKENS[user]}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        }

    def _arguments(self, name: str) -> list[str]:
        port, etcd = self._ports[name], f"http://127.0.0.1:{self._ports['etcd']}"
        peer = f"http://127.0.0.1:{self._ports['peer']}"
        config = str(self.kubeconfig)
        match name:
            case "etcd":
                return [
                    "--data-dir=etcd", f"--listen-client-urls={etcd}",
                    f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                    "--unsafe-no-fsync", "--log-level=warn",
                ]  # fmt: skip
            case "kube-apiserver":
                return [
                    f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={port}",
                    "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
                    "--tls-cert-file=pki/api.crt", "--tls-private-key-file=pki/api.key",
                    "--audit-policy-file=pki/audit.yaml", "--audit-log-path=log/audit.log",
                    "--client-ca-file=pki/ca.crt", "--token-auth-file=pki/tokens.csv",
                    "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
                    "--kubelet-client-certificate=pki/kubelet-client.crt",
                    "--kubelet-client-key=pki/kubelet-client.key",
                    "--kubelet-preferred-address-types=InternalIP,Hostname",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    "--service-account-key-file=pki/sa.key",
                    "--service-account-signing-key-file=pki/sa.key", "--allow-privileged=true",
                ]  # fmt: skip
            case "kube-controller-manager":
                return [
                    f"--kubeconfig={config}", "--bind-address=127.0.0.1", f"--secure-port={port}",
                    f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
                    "--leader-elect=false", "--root-ca-file=pki/ca.crt",
                    "--service-account-private-key-file=pki/sa.key", "--concurrent-gc-syncs=20",
                    "--cert-dir=pki",
                ]  # fmt: skip
            case "kube-scheduler":
                return [
                    f"--kubeconfig={config}", "--bind-address=127.0.0.1", f"--secure-port={port}",
                    f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
                    "--leader-elect=false",
                ]  # fmt: skip
            case _:
                return [
                    f"--kubeconfig={config}", "--manage-all-nodes=true", "--node-ip=127.0.0.1",
                    f"--node-port={port}", f"--server-address=127.0.0.1:{port}",
                    "--tls-cert-file=pki/api.crt", "--tls-private-key-file=pki/api.key",
                    f"--config={assets.build() / 'stages.yaml'}", "--config=kwok.yaml",
                    "--node-lease-duration-seconds=40",
                ]  # fmt: skip


class KindCluster:
    """A cluster of `kind`, where a Docker engine answers."""

    audit_log: Path | None = None

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.kubeconfig = self.agent_kubeconfig = folder / "kubeconfig"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["kind", "create", "cluster", "--name", self.name, "--wait", "120s"]
        subprocess.run([*command, "--kubeconfig", str(self.kubeconfig)], check=True)

    def stop(self) -> None:
        subprocess.run(["kind", "delete", "cluster", "--name", self.name], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class NamedCluster:
    """The one named by `make … KUBECONFIG=path`. It is the user's: never started, never stopped."""

    audit_log: Path | None = None

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = self.agent_kubeconfig = kubeconfig

    def start(self) -> None:
        print(f"using the cluster of {self.kubeconfig}", file=sys.stderr)

    def stop(self) -> None:
        return


Cluster = LocalCluster | KindCluster | NamedCluster


def choose(folder: Path, *, name: str) -> Cluster:
    """The first that is at hand: named, kind, local."""
    if named := os.environ.get("E2E_KUBECONFIG"):
        return NamedCluster(Path(named))
    if shutil.which("kind") and _docker_answers():
        return KindCluster(folder, name)
    return LocalCluster(folder)


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def _node() -> dict[str, object]:
    capacity = {"cpu": "32", "memory": "256Gi", "pods": "1000"}
    labels = {"kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux", "type": "kwok"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1", "labels": labels},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
