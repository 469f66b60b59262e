"""Promise 1 on a real API server: the random histories of `tests/histories`, fewer of them."""

import asyncio
import os

from brokkr_operator.clients.kube import access
from brokkr_operator.clients.kube.session import Session
from clusters import Cluster
from definitions import install
from model.agent import Violation
from model.world import World

HISTORIES = int(os.environ.get("BROKKR_REAL_HISTORIES", "56"))
AT_ONCE = 8


async def test_nothing_foreign_is_touched_and_the_end_is_as_wanted(
    cluster: Cluster, unique: str
) -> None:
    wire = Session(await access.load(str(cluster.kubeconfig)))
    limit = asyncio.Semaphore(AT_ONCE)
    try:
        await install(wire)
        async with asyncio.TaskGroup() as group:
            for seed in range(HISTORIES):
                group.create_task(_history(wire, seed, f"{unique}-{seed}", limit))
    finally:
        await wire.close()


async def _history(wire: Session, seed: int, tag: str, limit: asyncio.Semaphore) -> None:
    async def settle() -> None:
        """Namespaces take their time to go."""
        for _ in range(600):
            _, found = await wire.request("GET", "/api/v1/namespaces", operation="list")
            ours = [i["metadata"] for i in found["items"] if i["metadata"]["name"].startswith(tag)]
            if not any("deletionTimestamp" in metadata for metadata in ours):
                return
            await asyncio.sleep(0.2)

    async with limit:
        world = World(wire, seed, tag=tag, settle=settle)
        try:
            await world.live(steps=world.chance.randint(10, 30))
            await world.check()
        except (AssertionError, Violation) as e:
            raise AssertionError(f"seed {seed}: {e}\n" + "\n".join(world.log)) from e
        for place in (world.home, *world.spaces):
            await world.act("DELETE", f"/api/v1/namespaces/{place}", {})
