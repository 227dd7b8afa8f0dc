"""What was worked out once is kept for a while, by several threads at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from templedb_nb.engine.bounded_cache import BoundedCache


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_oldest_values_are_dropped_when_there_are_too_many() -> None:
    cache: BoundedCache[int, str] = BoundedCache(most=2)
    cache.keep({1: "a", 2: "b", 3: "c"})
    assert cache.find([1, 2, 3, 4]) == {2: "b", 3: "c"}


@pytest.mark.usefixtures("hasty")
def test_values_are_right_when_several_threads_share_a_cache() -> None:
    cache: BoundedCache[int, int] = BoundedCache(most=8)

    def use(number: int) -> bool:
        right = True
        for step in range(3000):
            keys = range(step % 50, step % 50 + 12)
            right &= all(value == key * 2 for key, value in cache.find(keys).items())
            cache.keep({key: key * 2 for key in keys if (key + number) % 2})
        return right

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(4)))
    assert len(cache) <= 8
