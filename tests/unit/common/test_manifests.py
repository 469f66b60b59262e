"""Hostile YAML is refused with document and line; good YAML is read as Kubernetes reads it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokkr_common import manifests
from brokkr_common.manifests import Limits, ManifestError

OK = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    ("text", "document", "line", "reason"),
    [
        ("- 1", 1, 1, "not an object"),
        ("hello", 1, 1, "not an object"),
        ("!", 1, 1, "not an object"),
        (OK + "---\nkind: X\n", 2, 5, "apiVersion is missing"),
        (OK + "---\n# empty\n---\napiVersion: v1\nkind: X\n", 3, 7, "metadata.name is missing"),
        (OK + "data: {a: 1, a: 2}\n", 1, 4, "duplicate key 'a'"),
        ("apiVersion: v1\nkind: 5\n", 1, 2, "kind must be text"),
        (OK + "data: !!python/object:os.system x\n", 1, 4, "is not allowed"),
        (OK + "data: &a [*a]\n", 1, 4, "alias *a has no anchor before it"),
        (OK + "? [a]\n: b\n", 1, 4, "a key must be text"),
        (OK + "data: 'a\n", 1, 5, "not valid YAML"),
        (OK + "data: \x00\n", 1, 1, "not valid YAML"),
        (OK + "data: " + "[" * 100, 1, 4, "nested deeper than 64 levels"),
        (OK + "data: \ud800", 1, 1, "not valid Unicode"),
    ],
    ids=lambda v: v[-30:] if isinstance(v, str) else None,
)
def test_refused(text: str, document: int, line: int, reason: str) -> None:
    for read in (manifests.check, manifests.parse):
        with pytest.raises(ManifestError) as caught:
            read(text)
        assert reason in caught.value.reason
        assert (caught.value.document, caught.value.line) == (document, line)


def test_aliases_are_counted_as_often_as_they_expand() -> None:
    lines = ["a0: &a0 [" + ",".join("1" * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 9)]
    with pytest.raises(ManifestError, match="once aliases are expanded"):
        manifests.check(OK + "\n".join(lines))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(bytes=10), "larger than 10 bytes"),
        (Limits(documents=1), "more than 1 documents"),
        (Limits(nodes=5), "more than 5 nodes"),
        (Limits(depth=1), "deeper than 1"),
    ],
)
def test_limits(limits: Limits, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        manifests.check(OK + "---\n" + OK, limits=limits)


def test_scalars_are_read_as_kubernetes_reads_them() -> None:
    [found] = manifests.parse(
        OK + "data: {date: 2024-01-01, ports: 22:22, octal: 0755, hex: 0x1f, big: 1_000, eq: =}\n"
    )
    assert found["data"] == {
        "date": "2024-01-01", "ports": "22:22", "octal": 493, "hex": 31, "big": 1000, "eq": "=",
    }  # fmt: skip


def test_empty_documents_count_but_are_skipped() -> None:
    text = "---\n# only a comment\n---\n" + OK + "---\n"
    assert [(i.document, i.line, i.name) for i in manifests.check(text)] == [(2, 4, "a")]
    assert len(manifests.parse(text)) == 1


def test_a_list_is_its_items() -> None:
    item = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: %s}}\n"
    text = "apiVersion: v1\nkind: List\nitems:\n" + item % "a" + item % "b"
    assert [m["metadata"]["name"] for m in manifests.parse(text)] == ["a", "b"]
    with pytest.raises(ManifestError, match=r"item 1 of the List has no metadata\.name"):
        manifests.parse("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: X}]\n")


def test_the_checksum_is_of_the_text_as_it_is() -> None:
    assert manifests.checksum("") != manifests.checksum("\n")


@given(st.text(max_size=200))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    for read in (manifests.check, manifests.parse):
        with contextlib.suppress(ManifestError):
            read(text)


@given(
    st.recursive(
        st.sampled_from(["a", "1", "*x", "&x b", "~", "''", "!!str 1", "<<"]),
        lambda inner: (
            st.lists(inner, max_size=4).map(lambda v: "[" + ",".join(v) + "]")
            | st.lists(inner, max_size=3).map(
                lambda v: "{" + ",".join(f"k{i}: {x}" for i, x in enumerate(v)) + "}"
            )
        ),
        max_leaves=20,
    )
)
def test_what_is_checked_can_be_parsed(value: str) -> None:
    text = OK + f"data: {value}\n"
    try:
        found = manifests.check(text)
    except ManifestError:
        return
    assert len(manifests.parse(text)) == len(found)
