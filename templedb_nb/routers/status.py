"""Asks through a router which slot answers."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.core.slots.answers import understood
from templedb_nb.model.blue_green import RouterStatus
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.router_status import NoStatus, StatusReply
from templedb_nb.model.slots import RouterReading
from templedb_nb.model.switch_step import RoutedGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuestion:
    """Asks once, by the page or by the command that the config names."""

    page: Callable[[RouterStatus], StatusReply]
    command: Callable[[RoutedGroup, RouterStatus], StatusReply]

    def read(self, routed: RoutedGroup) -> RouterReading:
        """Return what came, understood."""
        return understood(routed.blue_green.names, self._reply(routed))

    def _reply(self, routed: RoutedGroup) -> StatusReply:
        status = routed.blue_green.router.status
        if status is None:
            return NoStatus(message=f"the router of {routed.group} has no status to ask")
        return self.page(status) if status.url else self.command(routed, status)
