"""Which adapter reads and switches which type of router."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from templedb_nb.errors import RouterFailed
from templedb_nb.model.blue_green import Router, RouterType
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.slots import RouterReading, RouterState
from templedb_nb.model.switch_step import RoutedGroup
from templedb_nb.routers import symlink, template
from templedb_nb.routers.lock import locked
from templedb_nb.routers.places import Replacing, located
from templedb_nb.routers.status import StatusQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRouters:
    """The routers of a project's groups; `root` is its folder, which relative paths are below."""

    root: Path | None
    status: StatusQuestion

    def read(self, routed: RoutedGroup) -> RouterReading:
        """Ask once where traffic goes; what keeps it from being asked is an answer, too."""
        router = routed.blue_green.router
        try:
            match router.type:
                case RouterType.SYMLINK:
                    return symlink.read(routed.blue_green, located(self.root, router.path))
                case RouterType.TEMPLATE:
                    reading = self.status.read(routed)
                    return replace(reading, written=self._written(routed))
                case RouterType.COMMAND:
                    return self.status.read(routed)
        except RouterFailed as error:
            return RouterReading(state=RouterState.SILENT, message=error.message)

    def held(self, routed: RoutedGroup, wait_s: float) -> AbstractContextManager[None]:
        """Hold the lock file beside the router's link or file, or raise `Busy` after *wait_s*."""
        router = routed.blue_green.router
        if router.type is RouterType.COMMAND:
            return nullcontext()
        return locked(Replacing(place=self._place(router)).lock, wait_s)

    def point(self, routed: RoutedGroup, to: str) -> Callable[[], bool]:
        """Replace the router's link or file, in one step, by that of the slot *to*."""
        router = routed.blue_green.router
        match router.type:
            case RouterType.SYMLINK:
                return symlink.point(routed.blue_green, self._place(router), to)
            case RouterType.TEMPLATE:
                return template.point(routed.blue_green, self._place(router), to)
            case RouterType.COMMAND:
                return _nothing_written

    def _written(self, routed: RoutedGroup) -> str:
        try:
            return template.written(routed.blue_green, self._place(routed.blue_green.router))
        except RouterFailed:
            return ""

    def _place(self, router: Router) -> Path:
        """Return what is replaced: a link itself, but the file that a link to one leads to."""
        place = located(self.root, router.place)
        if router.type is RouterType.SYMLINK:
            return Path(os.path.realpath(place.parent)) / place.name
        return Path(os.path.realpath(place))  # Path.resolve raises for links in a circle


def _nothing_written() -> bool:
    return True
