"""When an object is healthy. Rules of kstatus, case by case."""

from typing import Any

import pytest

from brokkr_operator.observe.readiness import Health, Verdict, judge, summarize

H, P, D = Health.HEALTHY, Health.PROGRESSING, Health.DEGRADED


def _condition(kind: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, **more}]}


ALL = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], Health]] = [
    ("v1/ConfigMap", {}, {}, H),
    ("apps/v1/Deployment", {"replicas": 2}, ALL, H),
    ("apps/v1/Deployment", {"replicas": 2}, {**ALL, "availableReplicas": 1}, P),
    ("apps/v1/Deployment", {"replicas": 2}, {**ALL, "updatedReplicas": 1}, P),
    ("apps/v1/Deployment", {"replicas": 2}, {**ALL, "replicas": 3}, P),
    ("apps/v1/Deployment", {"replicas": 0}, {}, H),
    ("apps/v1/Deployment", {}, {}, P),
    (
        "apps/v1/Deployment",
        {},
        _condition("Progressing", "False", reason="ProgressDeadlineExceeded"),
        D,
    ),
    ("apps/v1/StatefulSet", {"replicas": 2}, ALL, H),
    (
        "apps/v1/StatefulSet",
        {"replicas": 2},
        {**ALL, "currentRevision": "a", "updateRevision": "b"},
        P,
    ),
    ("apps/v1/DaemonSet", {}, {}, P),
    ("apps/v1/DaemonSet", {}, {"desiredNumberScheduled": 0, "observedGeneration": 1}, H),
    ("apps/v1/ReplicaSet", {"replicas": 2}, {"readyReplicas": 1}, P),
    ("batch/v1/Job", {}, _condition("Complete"), H),
    ("batch/v1/Job", {}, _condition("Failed"), D),
    ("batch/v1/Job", {}, {"startTime": "x"}, P),
    ("v1/Pod", {}, {"phase": "Failed"}, D),
    ("v1/Pod", {}, {"phase": "Pending"}, P),
    ("v1/Pod", {}, {"phase": "Succeeded"}, H),
    ("v1/PersistentVolumeClaim", {}, {"phase": "Pending"}, P),
    ("v1/PersistentVolumeClaim", {}, {"phase": "Lost"}, D),
    ("v1/Service", {"type": "LoadBalancer"}, {}, P),
    ("v1/Service", {"type": "ClusterIP"}, {}, H),
    ("apiextensions.k8s.io/v1/CustomResourceDefinition", {}, _condition("Established"), H),
    ("apiextensions.k8s.io/v1/CustomResourceDefinition", {}, {}, P),
    ("example.com/v1/Any", {}, {}, H),
    ("example.com/v1/Any", {}, _condition("Ready", "False", message="why"), P),
    ("example.com/v1/Any", {}, _condition("Stalled"), D),
    ("policy/v1/PodDisruptionBudget", {}, {"currentHealthy": 1, "desiredHealthy": 2}, P),
]


@pytest.mark.parametrize(("kind", "spec", "status", "health"), CASES)
def test_judge(kind: str, spec: dict[str, Any], status: dict[str, Any], health: Health) -> None:
    version, _, name = kind.rpartition("/")
    obj = {"apiVersion": version, "kind": name, "metadata": {}, "spec": spec, "status": status}
    verdict = judge(obj)
    assert verdict.health is health
    assert (verdict.message == "") == (health is H)


def test_a_change_that_its_controller_has_not_seen_is_in_progress() -> None:
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"generation": 2},
        "spec": {"replicas": 0},
        "status": {"observedGeneration": 1},
    }
    assert judge(obj).health is P


def test_a_terminating_object_is_in_progress() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "x"}}
    assert judge(obj).health is P


def test_a_stack_is_as_healthy_as_its_worst_object() -> None:
    many = [("a", Verdict(H)), ("b", Verdict(P, "soon")), ("c", Verdict(D, "no"))]
    assert summarize(many) == Verdict(D, "b: soon; c: no")
    assert summarize([]) == Verdict(H)
