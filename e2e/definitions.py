"""Our own CRDs, for stories that need them without an agent."""

import asyncio

from brokkr_operator.clients.kube.session import APPLY, Session
from brokkr_operator.errors import KubeError
from brokkr_operator.resources import definitions


async def install(wire: Session) -> None:
    """Apply them, and wait until they are served."""
    for definition in definitions.load():
        await wire.request(
            "PATCH",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
            + definition["metadata"]["name"],
            operation="apply",
            params={"fieldManager": "brokkr-agent", "force": "true"},
            body=definition,
            content_type=APPLY,
        )
    for _ in range(100):
        try:
            await wire.request("GET", "/apis/brokkr.io/v1/brokkrstacks", operation="list")
            return
        except KubeError:
            await asyncio.sleep(0.1)
