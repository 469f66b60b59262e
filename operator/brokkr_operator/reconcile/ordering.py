"""In which order objects are applied: by the rank of their kind. Pruning goes backwards."""

_RANKS: list[tuple[tuple[str, str], ...]] = [
    (("", "Namespace"),),
    (("apiextensions.k8s.io", "CustomResourceDefinition"),),
    (
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("networking.k8s.io", "IngressClass"),
    ),
    (("", "ResourceQuota"), ("", "LimitRange"), ("networking.k8s.io", "NetworkPolicy")),
    (("", "ServiceAccount"), ("", "Secret"), ("", "ConfigMap"), ("", "PersistentVolume")),
    (
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "Role"),
        ("", "PersistentVolumeClaim"),
    ),
    (
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
    ),
    (("", "Service"),),
    (
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("", "Pod"),
        ("", "ReplicationController"),
    ),
    (("batch", "Job"), ("batch", "CronJob")),
    (
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("policy", "PodDisruptionBudget"),
        ("networking.k8s.io", "Ingress"),
    ),
]
_RANK = {kind: rank for rank, kinds in enumerate(_RANKS) for kind in kinds}
_LAST = {
    "admissionregistration.k8s.io": len(_RANKS) + 1,
    "apiregistration.k8s.io": len(_RANKS) + 1,
}

NAMESPACE = 0
DEFINITION = 1


def rank(group: str, kind: str) -> int:
    """Kinds we have never heard of come after all known ones, webhooks after everything."""
    return _RANK.get((group, kind), _LAST.get(group, len(_RANKS)))
