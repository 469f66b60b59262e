"""What there is is documented, and what is documented is there."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from brokkr_broker.api import ROUTES
from brokkr_broker.config import BrokerConfig
from brokkr_broker.metrics import Metrics, state
from brokkr_operator import metrics as agent_metrics
from brokkr_operator.config import OperatorConfig

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]


def _settings(shape: type[msgspec.Struct]) -> set[str]:
    names = set()
    for field in msgspec.structs.fields(shape):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            names |= {f"{field.name}.{name}" for name in _settings(field.type)}
        else:
            names.add(field.name)
    return names


def test_every_setting_is_documented_and_no_other() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))
    assert documented == _settings(BrokerConfig) | _settings(OperatorConfig)


def test_every_metric_is_documented_and_no_other() -> None:
    assert agent_metrics.poll_requests
    registry = CollectorRegistry()
    Metrics(registry)
    read = state(active_agents=0, stacks=0, deployment_objects=0, heartbeat_ages=[])
    families = [*registry.collect(), *read, *REGISTRY.collect()]
    names = {
        f"{f.name}_total" if f.type == "counter" else f.name
        for f in families
        if f.name.startswith("brokkr_")
    }
    text = (ROOT / "docs/metrics.md").read_text()
    assert set(re.findall(r"^\| `(brokkr_\w+)` \|", text, re.MULTILINE)) == names


def test_every_call_is_documented_with_its_words_and_no_other() -> None:
    text = (ROOT / "docs/api.md").read_text()
    documented = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    assert sorted(documented) == sorted((f"{r.method} {r.path}", r.summary) for r in ROUTES)


def test_every_error_code_is_documented_and_no_other() -> None:
    source = "".join(path.read_text() for path in (ROOT / "broker/brokkr_broker").rglob("*.py"))
    codes = set(re.findall(r'\bcode ?= ?"(\w+)"', source)) | set(_COMPOSED_CODES)
    codes |= set(
        re.findall(r'"(invalid_(?!pak)\w+|template_render_failed|foreign_key_violation)"', source)
    )
    table = (ROOT / "docs/api.md").read_text().partition("## Codes")[2]
    cells = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    assert {code for cell in cells for code in re.findall(r"`(\w+)`", cell)} == codes


_COMPOSED_CODES = [
    "invalid_limit",
    "invalid_offset",
    "invalid_time",
    *(f"{owner}_id_mismatch" for owner in ("agent", "stack", "template")),
    *(
        f"{owner}_{what}_not_found"
        for owner in ("agent", "stack", "template")
        for what in ("label", "annotation")
    ),
]
"""Put together at run time, out of the names of owners and fields."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
        assert named <= targets, path
