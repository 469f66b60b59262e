"""Is this object ready, and if not, why not? The rules of kstatus for the kinds that have some.

Source: kubernetes-sigs/cli-utils, pkg/kstatus/status (rules, not code).
"""

import copy
import functools
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from brokkr_common import extensions
from brokkr_operator.resources import objects
from brokkr_operator.resources.objects import Object


class Health(StrEnum):
    """In rising order of trouble; a stack is as healthy as its worst object."""

    HEALTHY = "Healthy"
    UNKNOWN = "Unknown"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    FAILING = "Failing"


class Verdict(msgspec.Struct, frozen=True):
    health: Health
    message: str = ""


_HEALTHY = Verdict(Health.HEALTHY)
ORDER = list(Health)


def judge(obj: Object) -> Verdict:
    """The health of one live object."""
    if "deletionTimestamp" in obj["metadata"]:
        return Verdict(Health.PROGRESSING, "terminating")
    status = obj.get("status") or {}
    observed = status.get("observedGeneration")
    if observed is not None and observed < obj["metadata"].get("generation", 0):
        return Verdict(Health.PROGRESSING, "its controller has not seen the change yet")
    group, _ = objects.split_api_version(obj["apiVersion"])
    if added := _added().get((group, obj["kind"])):
        return _asked(added, obj)
    rule = _RULES.get((group, obj["kind"]), _by_conditions)
    return rule(obj.get("spec") or {}, status)


@functools.cache
def _added() -> dict[tuple[str, str], Callable[[Object], Verdict]]:
    """Rules of extensions, which go before ours; their names are `Kind.group`, or `Kind`."""
    found = extensions.load("health_rules")
    return {(name.partition(".")[2], name.partition(".")[0]): rule for name, rule in found.items()}


def _asked(rule: Callable[[Object], Verdict], obj: Object) -> Verdict:
    try:
        verdict = rule(copy.deepcopy(obj))
        return Verdict(Health(verdict.health), str(verdict.message))
    except Exception as e:
        return Verdict(Health.UNKNOWN, f"its health rule failed: {type(e).__name__}: {e}")


def changes(group: str, kind: str) -> bool:
    """Whether objects of this kind have a health that changes by itself."""
    return (group, kind) in _added() or (group, kind) not in _STATIC


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found = (c for c in status.get("conditions") or () if c.get("type") == kind)
    return next(found, {})


def _progressing(message: str) -> Verdict:
    return Verdict(Health.PROGRESSING, message)


def _by_conditions(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    """Any kind that follows the conventions. Without conditions, to be there is to be healthy."""
    if (c := _condition(status, "Stalled")).get("status") == "True":
        return Verdict(Health.FAILING, c.get("message") or "stalled")
    if (c := _condition(status, "Reconciling")).get("status") == "True":
        return _progressing(c.get("message") or "reconciling")
    if (c := _condition(status, "Ready")).get("status") in ("False", "Unknown"):
        return _progressing(c.get("message") or "not ready")
    return _HEALTHY


def _deployment(spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    if (c := _condition(status, "Progressing")).get("reason") == "ProgressDeadlineExceeded":
        return Verdict(Health.FAILING, c.get("message") or "progress deadline exceeded")
    wanted = spec.get("replicas", 1)
    for field, verb in (("replicas", "created"), ("updatedReplicas", "updated")):
        if status.get(field, 0) < wanted:
            return _progressing(f"{status.get(field, 0)} of {wanted} replicas {verb}")
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return _progressing("old replicas are still there")
    if status.get("availableReplicas", 0) < wanted:
        return _progressing(f"{status.get('availableReplicas', 0)} of {wanted} replicas available")
    return _HEALTHY


def _replicated(spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    return _HEALTHY if ready >= wanted else _progressing(f"{ready} of {wanted} replicas ready")


def _stateful_set(spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    if rolling and not partition and status.get("currentRevision") != status.get("updateRevision"):
        return _progressing("replicas are being updated")
    return _replicated(spec, status)


def _daemon_set(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    wanted = status.get("desiredNumberScheduled")
    if wanted is None or "observedGeneration" not in status:
        return _progressing("not scheduled yet")
    for field, verb in (("updatedNumberScheduled", "updated"), ("numberAvailable", "available")):
        if status.get(field, 0) < wanted:
            return _progressing(f"{status.get(field, 0)} of {wanted} pods {verb}")
    return _HEALTHY


def _job(spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    if (c := _condition(status, "Failed")).get("status") == "True":
        return Verdict(Health.FAILING, c.get("message") or "failed")
    if _condition(status, "Complete").get("status") == "True" or spec.get("suspend"):
        return _HEALTHY
    return _progressing("running" if status.get("startTime") else "not started")


def _pod(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    phase = status.get("phase")
    if phase == "Failed":
        return Verdict(Health.FAILING, status.get("message") or "failed")
    if phase == "Succeeded" or _condition(status, "Ready").get("status") == "True":
        return _HEALTHY
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _progressing(scheduled.get("message") or "not scheduled")
    return _progressing(f"phase {phase or 'unknown'}")


def _claim(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    phase = status.get("phase", "unknown")
    if phase == "Lost":
        return Verdict(Health.FAILING, "volume lost")
    return _HEALTHY if phase == "Bound" else _progressing(f"phase {phase}")


def _service(spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    if spec.get("type") != "LoadBalancer":
        return _HEALTHY
    if (status.get("loadBalancer") or {}).get("ingress"):
        return _HEALTHY
    return _progressing("no load balancer address yet")


def _definition(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    if (c := _condition(status, "NamesAccepted")).get("status") == "False":
        return Verdict(Health.FAILING, c.get("message") or "names not accepted")
    established = _condition(status, "Established").get("status") == "True"
    return _HEALTHY if established else _progressing("not established yet")


def _disruption_budget(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return _HEALTHY if healthy >= wanted else _progressing(f"{healthy} of {wanted} pods healthy")


def _api_service(_spec: dict[str, Any], status: dict[str, Any]) -> Verdict:
    c = _condition(status, "Available")
    return (
        _HEALTHY if c.get("status") == "True" else _progressing(c.get("message") or "not available")
    )


def _present(_spec: dict[str, Any], _status: dict[str, Any]) -> Verdict:
    return _HEALTHY


_RULES: dict[tuple[str, str], Callable[[dict[str, Any], dict[str, Any]], Verdict]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replicated,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _present,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "ReplicationController"): _replicated,
    ("", "Service"): _service,
    ("", "Namespace"): _present,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}

_STATIC = {
    ("", "ConfigMap"), ("", "Secret"), ("", "ServiceAccount"), ("", "Namespace"),
    ("", "LimitRange"), ("", "ResourceQuota"), ("", "PersistentVolume"),
    ("rbac.authorization.k8s.io", "Role"), ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"), ("storage.k8s.io", "StorageClass"),
    ("networking.k8s.io", "NetworkPolicy"), ("networking.k8s.io", "IngressClass"),
    ("batch", "CronJob"),
}  # fmt: skip
