"""The step of a plan that switches traffic, and what a command has that works on a slot."""

from __future__ import annotations

from typing import ClassVar

from templedb_nb.model.blue_green import BlueGreen, Slot
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Evidence
from templedb_nb.model.health import Check
from templedb_nb.model.phase import Phase
from templedb_nb.model.work_folder import WorkFolderKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedGroup:
    """A group whose traffic is switched, with what its commands get."""

    group: str
    blue_green: BlueGreen
    environment: tuple[tuple[str, str], ...] = ()
    allow_dangerous_env: tuple[str, ...] = ()
    workdir: WorkFolderKind = WorkFolderKind.RELEASE

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Return the slots between which it is switched."""
        return self.blue_green.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUse:
    """What a command does to a slot: it writes there while traffic goes to `live`.

    `discards` is whether what the slot still keeps of an earlier release may be overwritten, on a
    person's word. `retires` is whether the command stops what runs there, and deploys nothing.
    """

    routed: RoutedGroup
    slot: str
    live: str
    discards: bool = False
    retires: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAhead:
    """A person lets the traffic of one group go to a slot that is ready, and says why."""

    group: str = ""
    reason: str = ""

    def reason_for(self, group: str) -> str:
        """Return why the traffic of a group may go over; empty where nobody said so."""
        return self.reason if group == self.group else ""


NO_GO_AHEAD = GoAhead()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSlot:
    """Send traffic from the slot `live` to the slot `to`, once that is healthy.

    The router itself is the proof: it names the slot that answers. `live` is empty where the router
    does not send traffic anywhere yet. `gate` are the checks of `to`, `returns` those of `live`,
    which are asked where somebody switches back. With `back`, the step belongs to those that run
    after a failure: traffic returns to the slot from where this run took it away. With `waits`, a
    person must say go first.
    """

    kind: ClassVar[str] = "switch"
    past: ClassVar[str] = "switched"
    proof: ClassVar[Evidence] = Evidence.ROUTER
    deploys: ClassVar[bool] = True
    mutates: ClassVar[bool] = True
    opaque: ClassVar[bool] = True
    routed: RoutedGroup
    live: str
    to: str
    gate: tuple[Check, ...]
    waits: bool = False
    back: bool = False
    anyhow: bool = False
    """Whether traffic goes over wherever the router sends it now: on a person's word."""
    reason: str = ""

    @property
    def group(self) -> str:
        """Return the group whose traffic it is."""
        return self.routed.group

    @property
    def phase(self) -> Phase:
        """Traffic goes over once the new slot is healthy, and back after a failure."""
        return Phase.ON_FAILURE if self.back else Phase.SWITCH

    @property
    def key(self) -> str:
        """Return the slot that the router must name."""
        return self.to

    @property
    def title(self) -> str:
        """Name the step in one line."""
        if self.back:
            return f"switch traffic back to {self.to}"
        source = f"from {self.live} " if self.live else ""
        return f"switch traffic {source}to {self.to}"
