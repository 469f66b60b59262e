"""Encoded target states: the most recently used ones stay, within a number of bytes."""

from brokkr_broker.services.deployments import StateCache


def test_the_oldest_goes_first_and_large_ones_never_stay() -> None:
    cache = StateCache(limit=100)
    for number in range(5):
        cache.put(f"t{number}", b"x" * 25)
    assert cache.get("t0") is None
    assert cache.get("t1")
    cache.put("t5", b"y" * 25)
    assert cache.get("t1"), "it was used just now"
    assert cache.get("t2") is None
    cache.put("large", b"z" * 26)
    assert cache.get("large") is None
    cache.put("t5", b"y" * 25)
    assert cache.get("t3")
