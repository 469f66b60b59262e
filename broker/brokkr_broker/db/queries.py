"""SQL lives in `.sql` files beside the dal modules, in blocks that start with `-- name --`."""

import re
from importlib import resources
from types import SimpleNamespace

_HEADER = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def load(module: str) -> SimpleNamespace:
    """The named statements of the file beside `module` (its `__name__`)."""
    package, _, name = module.rpartition(".")
    text = resources.files(package).joinpath(f"{name}.sql").read_text()
    parts = _HEADER.split(text)[1:]
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{name}.sql: a block name stands twice")
    return SimpleNamespace(**{n: s.strip() for n, s in zip(names, statements, strict=True)})
