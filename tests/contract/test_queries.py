"""Every SQL block prepares against the migrated schema, is used, and gives its model's fields."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from brokkr_broker import dal
from brokkr_common.wire import agents, deployments, events, generators, stacks


class _Told(events.StreamedEvent, frozen=True, kw_only=True):
    """With what says who may see it."""

    generator_id: UUID | None


MODULES = [name for _, name, _ in pkgutil.iter_modules(dal.__path__)]
MODELS: dict[str, type[msgspec.Struct]] = {
    "agents": agents.Agent,
    "deployments": deployments.DeploymentObject,
    "events": events.AgentEvent,
    "generators": generators.Generator,
    "stacks": stacks.Stack,
    "targets": agents.AgentTarget,
}
EXCEPTIONS = {
    ("agents", "stacks"): stacks.Stack,
    ("deployments", "targets"): deployments.TargetObject,
    ("events", "told"): _Told,
    ("events", "told_since"): _Told,
}


def _fields(model: type[msgspec.Struct]) -> set[str]:
    return {f.name for f in msgspec.structs.fields(model)}


@pytest.mark.parametrize("name", MODULES)
async def test_every_block(database: str, name: str) -> None:
    module = importlib.import_module(f"brokkr_broker.dal.{name}")
    source = inspect.getsource(module)
    connection = await asyncpg.connect(database)
    for block, statement in vars(module.SQL).items():
        prepared = await connection.prepare(statement)
        assert len(re.findall(rf"\bSQL\.{block}\b", source)) == 1, f"{block} is not used once"
        columns = {a.name for a in prepared.get_attributes()}
        model = EXCEPTIONS.get((name, block)) or MODELS.get(name)
        if model and {"updated_at", "stack_id"} & columns:
            assert columns == _fields(model), f"{name}.{block}"
    await connection.close()


def test_no_sql_outside_its_files() -> None:
    pattern = re.compile(r"\b(SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")
    root = Path(dal.__path__[0]).parent
    for path in root.rglob("*.py"):
        assert not pattern.search(path.read_text()), path


def test_no_star() -> None:
    for path in Path(dal.__path__[0]).glob("*.sql"):
        assert not re.search(r"SELECT\s+\*", path.read_text()), path
