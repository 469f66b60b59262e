"""When an object is healthy. Rules of kstatus, case by case."""

from typing import Any

import pytest

from brokkr_operator.observe.readiness import Health, judge

H, P, F = Health.HEALTHY, Health.PROGRESSING, Health.FAILING


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
        F,
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
    ("batch/v1/Job", {}, _condition("Failed"), F),
    ("batch/v1/Job", {}, {"startTime": "x"}, P),
    ("v1/Pod", {}, {"phase": "Failed"}, F),
    ("v1/Pod", {}, {"phase": "Pending"}, P),
    ("v1/Pod", {}, {"phase": "Succeeded"}, H),
    ("v1/PersistentVolumeClaim", {}, {"phase": "Pending"}, P),
    ("v1/PersistentVolumeClaim", {}, {"phase": "Lost"}, F),
    ("v1/Service", {"type": "LoadBalancer"}, {}, P),
    ("v1/Service", {"type": "ClusterIP"}, {}, H),
    ("apiextensions.k8s.io/v1/CustomResourceDefinition", {}, _condition("Established"), H),
    ("apiextensions.k8s.io/v1/CustomResourceDefinition", {}, {}, P),
    ("example.com/v1/Any", {}, {}, H),
    ("example.com/v1/Any", {}, _condition("Ready", "False", message="why"), P),
    ("example.com/v1/Any", {}, _condition("Stalled"), F),
    ("apiregistration.k8s.io/v1/APIService", {}, _condition("Available"), H),
    ("apiregistration.k8s.io/v1/APIService", {}, _condition("Available", "False"), P),
    ("batch/v1/CronJob", {"suspend": True}, {}, H),
    ("v1/Namespace", {}, {"phase": "Active"}, H),
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
