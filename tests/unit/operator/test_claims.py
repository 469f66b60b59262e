"""Which objects a text names, before anybody knows the scopes of kinds."""

from typing import Any

from brokkr_operator.reconcile.claims import named_in
from brokkr_operator.resources.objects import Key


def _names(**metadata: Any) -> frozenset[Key]:
    return named_in([{"apiVersion": "apps/v1", "kind": "Thing", "metadata": metadata}])


def test_without_a_namespace_both_scopes_are_meant() -> None:
    assert _names(name="a") == {Key("apps", "Thing", p, "a") for p in ("", "default")}


def test_with_a_namespace_the_cluster_scoped_one_is_meant_too() -> None:
    assert _names(name="a", namespace="n") == {Key("apps", "Thing", p, "a") for p in ("", "n")}
