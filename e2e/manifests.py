"""Small manifests for the stories."""


def namespace(name: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"


def config_map(name: str, namespace: str, value: str = "1") -> str:
    return (
        "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\ndata: {{value: '{value}'}}\n"
    )


def guarded(name: str, namespace: str) -> str:
    """A ConfigMap with a label that a webhook watches (see admission.py)."""
    return config_map(name, namespace).replace(
        f"{{name: {name},", f"{{name: {name}, labels: {{guard: {name}}},"
    )


def deployment(name: str, namespace: str, replicas: int = 1) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: example.com/app}}]}}
"""


def job(
    name: str,
    namespace: str,
    image: str,
    *,
    policy: str = "Never",
    fails: bool = False,
    suspended: bool = False,
) -> str:
    return f"""\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  backoffLimit: 0
  suspend: {str(suspended).lower()}
  template:
    metadata: {{labels: {{e2e-fails: "{str(fails).lower()}"}}}}
    spec: {{restartPolicy: {policy}, containers: [{{name: main, image: {image}}}]}}
"""


def definition(plural: str, kind: str, group: str, scope: str = "Namespaced") -> str:
    return f"""\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {kind.lower()}, listKind: {kind}List}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


def custom(kind: str, group: str, name: str, namespace: str) -> str:
    return (
        f"apiVersion: {group}/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{size: 1}}\n"
    )


def bundle(*documents: str) -> str:
    return "---\n".join(documents)
