"""When a stack is looked at, and how: against the model of the API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from brokkr_operator.observe.holdings import Holdings
from brokkr_operator.reconcile.worker import Worker, crew
from brokkr_operator.resources.brokkrstack import BrokkrStack
from brokkr_operator.resources.objects import Key
from brokkr_operator.workqueue import WorkQueue
from model.agent import ModelWire
from model.apiserver import ApiServer
from model.clock import TimelessLoop
from model.world import World

GOOD = Key("", "ConfigMap", "t-a", "c0")
UNKNOWN = Key("example.com", "Nothing", "", "n")


class CountingWire(ModelWire):
    """Counts how often the kind that is UNKNOWN was looked for: once in every full pass."""

    passes = 0

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        self.passes += path == "/apis/example.com/v1"
        return await super().request(method, path, **options)


class Bench:
    """A stack, the queue and the worker."""

    def __init__(self) -> None:
        self.wire = CountingWire(ApiServer())
        self.world = World(self.wire, 0, tag="t", settle=_nothing)
        self.stack = next(iter(self.world.stacks))
        self.world.broker.targeted.add(self.stack)
        process = self.world.process
        self.lost: list[BrokkrStack] = []
        self.queue = WorkQueue(max_delay=60, jitter=lambda: 1.0)
        self.worker = Worker(
            process.reconciler,
            self.queue,
            Holdings(),
            {},
            find=process.store.find,
            restore=lambda _: None,
            lost=self.lost.append,
            resync_interval=300,
            health_interval=60,
            clock=asyncio.get_running_loop().time,
            jitter=lambda: 0.0,
        )

    async def push(self, *keys: Key) -> str:
        """A version of these; returns the name of the resource, which is looked at."""
        self.world._publish(self.stack, dict.fromkeys(keys, "v"))
        await self.world.process.poll()
        [name] = self.world.process.names
        self.queue.renew(name)
        await asyncio.sleep(0.1)
        await self.world.process.refresh(name)
        return name

    def is_settled(self, name: str) -> bool:
        stack = self.world.process.store.find(name)
        return stack is not None and stack.settled


async def _nothing() -> None:
    return


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    bench = Bench()
    for name in (bench.world.home, "t-a"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await bench.wire.request("POST", "/api/v1/namespaces", body=body)
    tasks = [asyncio.create_task(c) for c in (bench.queue.run(), crew(bench.worker, 2))]
    yield bench
    for task in tasks:
        task.cancel()


def test_news_of_its_objects_do_not_hurry_a_stack_that_failed() -> None:
    async def story() -> None:
        async with _bench() as bench:
            name = await bench.push(GOOD)
            assert bench.is_settled(name)
            # Given a version that cannot be applied
            await bench.push(GOOD, UNKNOWN)
            assert bench.wire.passes == 1
            # When its objects change all the time
            for _ in range(40):
                bench.worker.touched(name, GOOD)
                bench.worker.moved(name)
                await asyncio.sleep(0.1)
            # Then it is tried again after 1 s and 2 more, not more often
            assert bench.wire.passes == 3
            # but a better version is tried at once
            await bench.push(GOOD)
            assert bench.is_settled(name)

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(story())


def test_a_resource_that_went_without_a_word_is_noticed_by_looking() -> None:
    async def story() -> None:
        async with _bench() as bench:
            name = await bench.push(GOOD)
            await bench.wire.request("DELETE", f"/apis/brokkr.io/v1/brokkrstacks/{name}")
            assert not bench.lost
            await asyncio.sleep(60)  # the next look at its health
            assert [stack.name for stack in bench.lost] == [name]

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(story())
