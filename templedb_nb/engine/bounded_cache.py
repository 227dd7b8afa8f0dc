"""What was worked out once and is kept for a while; several threads may share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from threading import Lock
from typing import Generic, TypeVar

from templedb_nb.model.dataclass import dataclass

K = TypeVar("K")
V = TypeVar("V")
MOST = 4096


@dataclass(slots=True)
class BoundedCache(Generic[K, V]):
    """At most so many values by their keys; the oldest go first."""

    most: int = MOST
    _held: dict[K, V] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        """Return how many values are held."""
        return len(self._held)

    def find(self, keys: Iterable[K]) -> dict[K, V]:
        """Return those of *keys* that are held, with their values."""
        with self._lock:
            return {key: self._held[key] for key in keys if key in self._held}

    def keep(self, new: Mapping[K, V]) -> None:
        """Take in *new*, and forget the oldest of what is too much."""
        with self._lock:
            self._held.update(new)
            while len(self._held) > self.most:
                del self._held[next(iter(self._held))]
