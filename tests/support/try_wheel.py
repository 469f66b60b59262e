"""`make build`: install the wheel into a bare environment, away from the checkout, and try it."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBE = """
from brokkr_broker.db import migrate
from brokkr_operator.resources import definitions
assert "_migrations" in str(migrate.directory()), migrate.directory()
assert "_crds" in str(definitions.directory()), definitions.directory()
assert migrate.migrations() and definitions.load()
import brokkr_broker.api, brokkr_common, brokkr_operator
from pathlib import Path
for package in (brokkr_broker, brokkr_common, brokkr_operator):
    assert (Path(package.__file__).parent / "py.typed").exists()
"""


def main() -> None:
    wheel = max((ROOT / "dist").glob("brokkr-*.whl"), key=lambda p: p.stat().st_mtime)
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv/bin/python"
        _run(sys.executable, "-m", "venv", str(python.parents[1]))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(*pip, "--require-hashes", "-r", str(ROOT / "requirements/dev.txt"))
        _run(*pip, "--no-deps", str(wheel))
        _run(str(python), "-c", PROBE, cwd=folder)
        for command in ("brokkr-broker", "brokkr-agent"):
            _run(str(python.parent / command), "--help", cwd=folder)
    print(f"{wheel.name} works")


def _run(*command: str, cwd: str | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True)


if __name__ == "__main__":
    main()
