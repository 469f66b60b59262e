"""`brokkr-broker` as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

BROKER = str(Path(sys.executable).parent / "brokkr-broker")


def command(database: str, *arguments: str, **settings: str) -> str:
    """Its output. A failure is the test's."""
    env = {**os.environ, "BROKKR__DATABASE__URL": database, **settings}
    done = subprocess.run([BROKER, *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
