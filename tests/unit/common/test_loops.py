"""A loop goes on after failures, later and later, and at once when woken."""

import asyncio

import pytest

from brokkr_common import logs
from brokkr_common.loops import Loop


async def test_failures_grow_the_delay_and_a_success_resets_it() -> None:
    outcomes = [RuntimeError(), RuntimeError(), None]

    async def step() -> None:
        if error := outcomes.pop(0):
            raise error

    loop = Loop("test", step, interval=10, max_delay=60, jitter=lambda: 1.0)
    delays = []
    for _ in range(3):
        await loop.run_once()
        delays.append(loop.delay())
    assert delays == [1.0, 2.0, 12.0]


async def test_the_delay_has_a_limit() -> None:
    loop = Loop("test", _fail, interval=1, max_delay=5, jitter=lambda: 1.0)
    for _ in range(20):
        await loop.run_once()
    assert loop.delay() == 5


async def test_wake_ups_that_come_together_are_one_step() -> None:
    steps = []

    async def step() -> None:
        steps.append(1)

    loop = Loop("test", step, interval=3600, gather=0.05)
    task = asyncio.create_task(loop.run())
    while not steps:
        await asyncio.sleep(0)
    for _ in range(5):
        loop.wake()
        await asyncio.sleep(0.001)
    while len(steps) < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(steps) == 2
    task.cancel()


async def test_a_wake_up_ends_the_wait() -> None:
    ran = asyncio.Event()

    async def step() -> None:
        ran.set()

    loop = Loop("test", step, interval=3600)
    task = asyncio.create_task(loop.run())
    for _ in range(3):
        async with asyncio.timeout(1):
            await ran.wait()
        ran.clear()
        loop.wake()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _fail() -> None:
    raise RuntimeError


def test_no_key_reaches_a_log_line() -> None:
    line = logs.redact("key brokkr_BRabcd1234_Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9 sent")
    assert line == "key brokkr_BRabcd1234_*** sent"
