"""An object is made anew only while it is the stack's own: against the model of the API server."""

import asyncio
from typing import Any, cast

import pytest

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeConflict, KubeInvalid
from brokkr_operator.reconcile import plan, replace
from brokkr_operator.reconcile.plan import Marks, Step
from brokkr_operator.resources import names
from model.agent import ModelWire
from model.apiserver import ApiServer

PATH = "/api/v1/namespaces/default/configmaps/a"
MARKS = Marks({names.STACK_LABEL: "s"}, {names.OWNER_ANNOTATION: "me"})


def test_what_changed_hands_after_it_was_looked_at_stays() -> None:
    async def story() -> None:
        wire = ModelWire(ApiServer())
        kube = Kube(cast(Any, wire))
        # Given an object of ours with a change that cannot be made, and the word that it may go
        await kube.apply(_step("1").manifest)
        step = _step("2")
        with pytest.raises(KubeInvalid) as refused:
            await kube.apply(step.manifest)
        assert await replace.is_possible(kube, step, refused.value, agent_id="me")
        # When somebody puts another one in its place
        await wire.request("DELETE", PATH)
        theirs = await kube.create(_config_map("theirs"))
        # Then that stays
        with pytest.raises(KubeConflict, match="not ours"):
            await replace.replace(kube, step, agent_id="me")
        _, live = await wire.request("GET", PATH)
        assert live["metadata"]["uid"] == theirs["metadata"]["uid"]

    asyncio.run(story())


def _step(value: str) -> Step:
    return plan.step(1, _config_map(value), namespaced=True, marks=MARKS)


def _config_map(value: str) -> dict[str, Any]:
    annotations = {names.REPLACE_ANNOTATION: "true"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "default", "annotations": annotations},
        "data": {"x": value},
        "immutable": True,
    }
