"""What a version that can never be applied leaves behind: against the model of the API server."""

import asyncio
from typing import Any

import pytest

from brokkr_operator.errors import KubeError, KubeForbidden, KubeUnavailable
from brokkr_operator.resources.objects import Key
from model.agent import ModelWire
from model.apiserver import ApiServer
from model.clock import TimelessLoop
from model.world import World

SPACE = Key("", "Namespace", "", "new")
GOOD = Key("", "ConfigMap", "new", "good")
BAD = Key("", "ConfigMap", "new", "bad")


class RefusingWire(ModelWire):
    """Says no to BAD: when it is checked, or only when it is written."""

    refusal: KubeError
    when_checked: bool

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        dry = (options.get("params") or {}).get("dryRun") == "All"
        if method == "PATCH" and path.endswith("/configmaps/bad") and dry == self.when_checked:
            raise self.refusal
        return await super().request(method, path, **options)


@pytest.mark.parametrize("when_checked", [True, False])
def test_a_namespace_goes_with_the_version_unless_something_was_applied_into_it(
    when_checked: bool,
) -> None:
    async def story() -> None:
        wire = RefusingWire(ApiServer())
        wire.when_checked = when_checked
        world = World(wire, 0, tag="t", settle=_nothing)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.home}}
        await wire.request("POST", "/api/v1/namespaces", body=body)
        stack = next(iter(world.stacks))
        world.broker.targeted.add(stack)
        world._publish(stack, dict.fromkeys((SPACE, GOOD, BAD), "v"))
        await world.process.poll()
        [name] = world.process.names
        # Given an attempt that made the namespace, and has to be repeated
        wire.refusal = KubeUnavailable("not now", status=503)
        await world.process.reconcile(name)
        assert await world._get(SPACE)
        assert bool(await world._get(GOOD)) is not when_checked
        # When the next one finds that there is no use
        wire.refusal = KubeForbidden("never", status=403)
        await world.process.reconcile(name)
        wire.server.settle()
        assert bool(await world._get(SPACE)) is not when_checked
        assert bool(await world._get(GOOD)) is not when_checked

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(story())


async def _nothing() -> None:
    return
