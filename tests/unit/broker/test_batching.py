"""Group commit: one statement for many, an answer for each."""

import asyncio
from collections.abc import Sequence

import pytest

from brokkr_broker.db.batching import Batcher


async def test_what_comes_while_a_batch_is_written_goes_into_the_next() -> None:
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> list[int | Exception]:
        batches.append(list(items))
        await asyncio.sleep(0.01)
        return [i * 2 for i in items]

    batcher = Batcher(flush)
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0.001)
    rest = await asyncio.gather(*(batcher.submit(i) for i in range(1, 6)))
    assert [await first, *rest] == [0, 2, 4, 6, 8, 10]
    assert batches == [[0], [1, 2, 3, 4, 5]]


async def test_each_gets_its_own_failure_and_a_failed_flush_fails_all() -> None:
    async def flush(items: Sequence[int]) -> list[int | Exception]:
        if 99 in items:
            raise OSError("no database")
        return [ValueError(str(i)) if i % 2 else i for i in items]

    batcher = Batcher(flush)
    assert await batcher.submit(2) == 2
    with pytest.raises(ValueError, match="3"):
        await batcher.submit(3)
    results = await asyncio.gather(*(batcher.submit(i) for i in (1, 99)), return_exceptions=True)
    assert all(isinstance(r, OSError) for r in results)
    assert await batcher.submit(4) == 4


async def test_a_caller_that_goes_away_does_not_disturb_the_others() -> None:
    gate = asyncio.Event()

    async def flush(items: Sequence[int]) -> list[int | Exception]:
        await gate.wait()
        return list(items)

    batcher = Batcher(flush)
    gone, stays = (asyncio.create_task(batcher.submit(i)) for i in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    assert await stays == 2
    await batcher.close()
