"""Who leads, when clocks go on and writes get lost. The API server is a dictionary."""

import asyncio
from typing import Any

import pytest

from brokkr_operator.errors import KubeConflict, KubeUnavailable
from brokkr_operator.leader import Leader, LeaseLost


class Leases:
    """The two calls that a leader makes, with optimistic locking."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.down = False
        self.discovery = self

    async def find(self, *_: str) -> None:
        return None

    async def find_in(self, *_: Any) -> dict[str, Any] | None:
        if self.down:
            raise KubeUnavailable("away")
        return self.lease and {**self.lease, "spec": dict(self.lease["spec"])}

    async def put_lease(self, lease: dict[str, Any], *, create: bool) -> None:
        if self.down:
            raise KubeUnavailable("away")
        version = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if create != (self.lease is None) or lease["metadata"].get("resourceVersion") != version:
            raise KubeConflict("changed")
        metadata = {**lease["metadata"], "resourceVersion": str(int(version or 0) + 1)}
        self.lease = {**lease, "metadata": metadata}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _leader(leases: Any, clock: Clock, identity: str) -> Leader:
    return Leader(
        leases,
        name="l",
        namespace="n",
        identity=identity,
        duration=15,
        clock=clock,
        jitter=lambda: 0,
    )


async def test_one_leads_and_the_other_takes_over_what_is_not_renewed() -> None:
    leases, clock = Leases(), Clock()
    a, b = (_leader(leases, clock, name) for name in "ab")
    assert (await a._try(), await b._try()) == (True, False)
    clock.now += 14
    assert not await b._try()
    clock.now += 2
    assert not a.leads, "it stopped long before"
    assert await b._try()
    assert not await a._try()
    assert leases.lease
    assert leases.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_cannot_renew_stops_before_another_may_start() -> None:
    leases, clock = Leases(), Clock()
    a = _leader(leases, clock, "a")
    await a._try()
    leases.down = True
    clock.now += 9.9
    assert a.leads
    clock.now += 0.2
    assert not a.leads


async def test_a_released_lease_is_free_at_once() -> None:
    leases, clock = Leases(), Clock()
    a, b = (_leader(leases, clock, name) for name in "ab")
    await a._try()
    await a.release()
    assert not a.leads
    assert await b._try()
    await a.release()
    assert b.leads, "only the holder releases"


async def test_two_that_race_for_a_new_lease_are_not_both_leaders() -> None:
    leases, clock = Leases(), Clock()
    leaders = [_leader(leases, clock, str(n)) for n in range(8)]
    won = await asyncio.gather(*(leader._try() for leader in leaders))
    assert sum(won) == 1
    assert sum(leader.leads for leader in leaders) == 1


async def test_waiting_ends_when_the_lease_is_ours() -> None:
    leases = Leases()
    a, b = (
        Leader(leases, name="l", namespace="n", identity=who, duration=0.2)  # type: ignore[arg-type]
        for who in "ab"
    )
    await a.acquire()
    async with asyncio.timeout(10):
        await b.acquire()
    assert b.leads
    assert not a.leads
    with pytest.raises(LeaseLost):
        await a.hold()
