"""BrokkrStack bodies for tests."""

from typing import Any

from brokkr_operator.resources import brokkrstack
from brokkr_operator.resources.brokkrstack import BrokkrStack


def body(*, status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> Any:
    return {
        "metadata": {
            "name": "web-1",
            "uid": "u1",
            "generation": generation,
            "resourceVersion": "5",
        },
        "spec": {
            "agentId": "agent",
            "stackId": "stack",
            "stackName": "web",
            "deploymentObjectId": "object",
            "sequenceId": 7,
            "checksum": "c" * 64,
            "desired": "Present",
            "payload": {"secrets": ["s-0"], "size": 1},
            **spec,
        },
        "status": status or {},
    }


def stack(**fields: Any) -> BrokkrStack:
    return brokkrstack.load(body(**fields))
