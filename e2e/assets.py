"""The binaries of a control plane: named by the user, or built once from Go modules."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent / "controlplane"
KUBERNETES = "1.34.2"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


def find(name: str) -> Path:
    """A binary of `$KUBEBUILDER_ASSETS` where it has one, else our own build."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    if named and (Path(named) / name).exists():
        return Path(named) / name
    return build() / name


def build() -> Path:
    """The folder of our own build, made now if it is missing (about 6 minutes on two cores)."""
    folder = _folder()
    if (folder / "done").exists():
        return folder
    fresh = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    print(f"building the control plane, once, into {folder}", file=sys.stderr, flush=True)
    version = "k8s.io/component-base/version"
    flags = (
        f"-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor=1 "
        f"-X {version}.gitMinor={KUBERNETES.split('.')[1]} "
        f"-X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}"
    )
    _go(HERE / "kubernetes", "build", "-ldflags", flags, "-o", str(fresh / "controlplane"), ".")
    for name in COMPONENTS:
        (fresh / name).symlink_to("controlplane")
    kwok = "sigs.k8s.io/kwok"
    _go(HERE / "kwok", "build", "-ldflags", "-s -w", "-o", str(fresh / "kwok"), f"{kwok}/cmd/kwok")
    module = Path(_go(HERE / "kwok", "list", "-m", "-f", "{{.Dir}}", kwok).strip())
    stages = [
        file.read_text()
        for stage in _STAGES
        for file in sorted((module / "kustomize/stage" / stage).glob("*.yaml"))
        if file.name != "kustomization.yaml"
    ]
    (fresh / "stages.yaml").write_text("\n---\n".join(stages))
    (fresh / "done").touch()
    if folder.exists():
        shutil.rmtree(folder)
    fresh.rename(folder)
    return folder


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if file.suffix in (".go", ".mod", ".sum"):
            digest.update(file.read_bytes())
    return cache / "brokkr" / f"controlplane-{KUBERNETES}-{digest.hexdigest()[:12]}"


def _go(folder: Path, *arguments: str) -> str:
    verb, *rest = arguments
    mode = ["-mod=readonly"] + (["-trimpath"] if verb == "build" else [])
    done = subprocess.run(
        ["go", verb, *mode, *rest],
        cwd=folder,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"go {verb} in {folder} failed (is Go 1.24 or newer installed?)")
    return done.stdout


if __name__ == "__main__":
    print(build())
