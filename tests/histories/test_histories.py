"""Promise 1, by thousands of random histories against the model of the API server.

`make soak` runs ten times as many. A failure says its seed and its history.
"""

import asyncio
import os

import pytest

from model.agent import ModelWire, Violation
from model.apiserver import ApiServer
from model.clock import TimelessLoop
from model.world import World

HISTORIES = int(os.environ.get("BROKKR_HISTORIES", "2000"))
FIRST = int(os.environ.get("BROKKR_HISTORIES_FIRST", "0"))
BATCHES = 20


async def _history(seed: int) -> None:
    server = ApiServer()

    async def settle() -> None:
        server.settle()

    world = World(ModelWire(server), seed, tag="t", settle=settle)
    try:
        await world.live(steps=world.chance.randint(10, 50))
        await world.check()
        await world.check_quiet(lambda: server.writes)
    except (AssertionError, Violation) as e:
        raise AssertionError(f"seed {seed}: {e}\n" + "\n".join(world.log)) from e


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.timeout(600)
def test_nothing_foreign_is_touched_and_the_end_is_as_wanted(batch: int) -> None:
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        for seed in range(FIRST + batch, FIRST + HISTORIES, BATCHES):
            runner.run(_history(seed))
