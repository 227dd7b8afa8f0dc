"""What sends traffic to a slot: asked where it goes, and told where it is to go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from templedb_nb.model.slots import RouterReading
from templedb_nb.model.switch_step import RoutedGroup


class Routers(Protocol):
    """The routers of a target's groups."""

    def read(self, routed: RoutedGroup) -> RouterReading:
        """Ask once where traffic goes; what keeps it from being asked is an answer, too."""
        ...

    def held(self, routed: RoutedGroup, wait_s: float) -> AbstractContextManager[None]:
        """Hold the lock file beside the router's link or file, or raise `Busy` after *wait_s*.

        A router without a place on this machine has none: the lock of the target excludes there.
        """
        ...

    def point(self, routed: RoutedGroup, to: str) -> Callable[[], bool]:
        """Replace the router's link or file, in one step, by that of the slot *to*.

        Returns what puts the former one back, and says whether that was still ours to replace.
        Raises `RouterFailed` with what could not be written and why; then nothing was replaced.
        """
        ...
