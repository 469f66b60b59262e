"""The definitions of our own resources, as the wheel or the checkout has them."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from brokkr_operator.errors import StartupError


@cache
def load() -> list[dict[str, Any]]:
    found = [yaml.safe_load(path.read_text()) for path in sorted(directory().glob("*.yaml"))]
    if not found:
        raise StartupError("this installation contains no CRDs")
    return found


def directory() -> Path:
    packaged = Path(str(resources.files("brokkr_operator"))) / "_crds"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "crds"
