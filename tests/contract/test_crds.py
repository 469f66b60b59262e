"""The definitions of our resources, and the code that reads and writes them, agree."""

import re
from pathlib import Path
from typing import Any

import pytest

from brokkr_operator.resources import brokkrstack, definitions, names

ROOT = Path(__file__).parents[2]
CRDS = {d["spec"]["names"]["kind"]: d for d in definitions.load()}


def _schema(kind: str) -> Any:
    [version] = CRDS[kind]["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]


@pytest.mark.parametrize("kind", CRDS)
def test_each_is_of_our_group_cluster_scoped_and_has_a_status(kind: str) -> None:
    spec = CRDS[kind]["spec"]
    assert (spec["group"], spec["scope"]) == (names.GROUP, "Cluster")
    assert spec["names"]["categories"] == ["brokkr"]
    [version] = spec["versions"]
    assert version["name"] == names.VERSION
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", CRDS)
def test_each_column_shows_a_field_that_exists(kind: str) -> None:
    [version] = CRDS[kind]["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[.*?\]", "", column["jsonPath"]).strip(".").split(".")
        if path[0] == "metadata":
            continue
        node: Any = _schema(kind)
        for step in path:
            node = node["items"]["properties"] if node.get("type") == "array" else node
            node = node.get("properties", node)[step]


@pytest.mark.parametrize("kind", CRDS)
def test_each_schema_says_nothing_that_no_schema_says(kind: str) -> None:
    """A comma in an unquoted description makes a key of its second half."""

    def walk(node: dict[str, Any]) -> None:
        known = {"type", "format", "description", "properties", "items", "required", "enum"}
        known |= {"default", "maxItems", "maxLength"}
        assert not [k for k in node if k not in known and not k.startswith("x-kubernetes-")], node
        for child in [*node.get("properties", {}).values(), node.get("items")]:
            if child:
                walk(child)

    for part in _schema(kind).values():
        walk(part)


@pytest.mark.parametrize("kind", CRDS)
def test_each_field_of_the_spec_is_described(kind: str) -> None:
    for name, field in _schema(kind)["spec"]["properties"].items():
        assert field.get("description"), name


def test_the_view_reads_what_the_schema_has() -> None:
    spec = _schema("BrokkrStack")["spec"]
    body = {
        "metadata": {"name": "n", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": dict.fromkeys(spec["required"], "x"),
    }
    assert brokkrstack.load(body).inventory is None
