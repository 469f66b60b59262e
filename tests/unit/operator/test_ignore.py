"""Fields that others may keep."""

from typing import Any

import pytest

from brokkr_operator.errors import StackError
from brokkr_operator.reconcile import ignore
from brokkr_operator.resources import names


def _manifest(pointers: str, **fields: Any) -> dict[str, Any]:
    annotations = {names.IGNORE_ANNOTATION: pointers}
    return {"metadata": {"name": "a", "annotations": annotations}, **fields}


def test_pointers_are_separated_by_commas_or_spaces_and_may_be_escaped() -> None:
    found = ignore.pointers(_manifest("/spec/replicas,/data/a~1b\n /data/c~0d"))
    assert found == [("spec", "replicas"), ("data", "a/b"), ("data", "c~d")]
    assert ignore.pointers({"metadata": {"name": "a"}}) == []


@pytest.mark.parametrize(
    "pointer",
    [
        "spec/replicas", "/", "/spec//x", "/kind", "/status/x", "/metadata/name",
        "/metadata/labels", "/metadata/labels/k8s.brokkr.io~1stack",
        "/metadata/annotations/brokkr.io~1owner-id",
    ],
)  # fmt: skip
def test_what_makes_an_object_ours_cannot_be_ignored(pointer: str) -> None:
    with pytest.raises(StackError, match=r"annotation brokkr\.io/ignore-fields"):
        ignore.pointers(_manifest(pointer))


@pytest.mark.parametrize(
    ("pointer", "mine", "live", "expected"),
    [
        (("spec", "n"), {"spec": {"n": 1, "m": 2}}, {"spec": {"n": 9}}, {"spec": {"n": 9, "m": 2}}),
        (("spec", "n"), {"spec": {"n": 1}}, {"spec": {}}, {"spec": {}}),
        (("spec", "n"), {}, {"spec": {"n": 9}}, {"spec": {"n": 9}}),
        (("l", "1", "x"), {"l": [{}, {"x": 1}]}, {"l": [{}, {"x": 2}]}, {"l": [{}, {"x": 2}]}),
        (("l", "1", "x"), {"l": [{}]}, {"l": [{}, {"x": 2}]}, {"l": [{}]}),
        (("a", "b"), {"a": 1}, {}, {"a": 1}),
    ],
)
def test_an_ignored_field_is_as_it_is_in_the_cluster(
    pointer: ignore.Pointer, mine: Any, live: Any, expected: Any
) -> None:
    assert ignore.adopt(mine, live, [pointer]) == expected
