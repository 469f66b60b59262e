"""What there is is documented, and what is documented is there."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from brokkr_broker.config import BrokerConfig
from brokkr_broker.metrics import Metrics
from brokkr_operator import metrics as agent_metrics
from brokkr_operator.config import OperatorConfig

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]


def _settings(shape: type[msgspec.Struct]) -> set[str]:
    return {
        f"{section.name}.{key.name}"
        for section in msgspec.structs.fields(shape)
        for key in msgspec.structs.fields(section.type)
    }


def test_every_setting_is_documented_and_no_other() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    documented = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
    assert documented == _settings(BrokerConfig) | _settings(OperatorConfig)


def test_every_metric_is_documented_and_no_other() -> None:
    assert agent_metrics.poll_requests
    registry = CollectorRegistry()
    Metrics(registry)
    families = [*registry.collect(), *REGISTRY.collect()]
    names = {
        f"{f.name}_total" if f.type == "counter" else f.name
        for f in families
        if f.name.startswith("brokkr_")
    }
    text = (ROOT / "docs/metrics.md").read_text()
    assert set(re.findall(r"^\| `(brokkr_\w+)` \|", text, re.MULTILINE)) == names


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
        assert named <= targets, path
