"""Each name at most once in line and never twice at work."""

import asyncio

from brokkr_operator.workqueue import Lane, WorkQueue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _queue(clock: Clock) -> WorkQueue:
    return WorkQueue(max_delay=60, clock=clock, jitter=lambda: 1.0)


async def test_a_name_waits_once_and_runs_again_if_wanted_meanwhile() -> None:
    queue = _queue(Clock())
    for _ in range(3):
        queue.add("a")
    assert await queue.take() == "a"
    assert queue._ready[Lane.FIRST].empty()
    queue.add("a")
    queue.add("a")
    assert queue._ready[Lane.FIRST].empty(), "never twice at work"
    queue.done("a")
    assert await queue.take() == "a"
    queue.done("a")
    assert queue._ready[Lane.FIRST].empty()


async def test_the_earlier_of_two_moments_counts() -> None:
    clock = Clock()
    queue = _queue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    assert queue._promote() == 5
    clock.now = 6
    queue._promote()
    assert await queue.take() == "a"
    queue.done("a")
    clock.now = 30
    assert queue._promote() is None
    assert queue._ready[Lane.FIRST].empty()


async def test_now_replaces_later() -> None:
    clock = Clock()
    queue = _queue(clock)
    queue.add_after("a", 5)
    queue.add("a")
    await queue.take()
    queue.done("a")
    clock.now = 10
    assert queue._promote() is None
    assert queue._ready[Lane.FIRST].empty()


async def test_retries_back_off_until_it_goes_well() -> None:
    queue = _queue(Clock())
    assert [queue.retry("a") for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    queue.forget("a")
    assert queue.retry("a") == 1.0
    assert [queue.retry("b") for _ in range(20)][-1] == 60


async def test_what_failed_is_not_due_again_until_its_delay_is_over_or_it_is_new() -> None:
    clock = Clock()
    queue = _queue(clock)
    assert queue.until_retry("a") == 0
    queue.retry("a")
    queue.retry("a")
    clock.now = 0.5
    assert queue.until_retry("a") == 1.5
    clock.now = 2
    assert queue.until_retry("a") == 0
    queue.retry("a")
    queue.renew("a")
    assert queue.until_retry("a") == 0


async def test_what_failed_before_waits_in_a_lane_of_its_own_until_it_is_new() -> None:
    clock = Clock()
    queue = _queue(clock)
    queue.retry("hangs")
    clock.now = 10
    queue._promote()
    queue.add("fine")
    assert await queue.take(Lane.FIRST) == "fine"
    assert await queue.take(Lane.AGAIN) == "hangs"
    queue.done("hangs")
    queue.renew("hangs")
    assert await queue.take(Lane.FIRST) == "hangs"


async def test_running_it_moves_names_when_they_are_due() -> None:
    queue = WorkQueue(max_delay=1)
    task = asyncio.create_task(queue.run())
    queue.add_after("later", 0.05)
    queue.add_after("sooner", 0.01)
    async with asyncio.timeout(2):
        assert [await queue.take(), await queue.take()] == ["sooner", "later"]
    task.cancel()
